//! The sources of a configuration and their precedence. Reads the one file; the environment and the command line are
//! handed in by the binary, which alone knows their names.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_model::Bytes;
use serde::de::DeserializeOwned;

use super::tree::Node;
use super::{ConfigError, Origin, Problem};

/// No configuration that a person writes comes near it; a wrong path to a disk image does.
const FILE_LIMIT: Bytes = Bytes::mib(1);

/// Whether a file that is not there is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A person named it.
    Required,
    /// It stands at a place where we look by ourselves.
    Optional,
}

/// What the binary was told, by source.
#[derive(Debug, Clone)]
pub struct Sources {
    file: Node,
    environment: Vec<Override>,
    flags: Vec<Override>,
}

#[derive(Debug, Clone)]
struct Override {
    key: String,
    text: String,
    origin: Origin,
}

/// A configuration as a value, with the origin of each part.
#[derive(Debug)]
pub struct Effective<T> {
    pub value: T,
    pub(super) tree: Node,
}

impl Default for Sources {
    fn default() -> Self {
        Self { file: Node::empty(), environment: Vec::new(), flags: Vec::new() }
    }
}

impl Sources {
    /// Reads the file.
    pub fn with_file(self, path: &Path, presence: Presence) -> Result<Self, ConfigError> {
        let read = |cause| ConfigError::Read { path: path.to_owned(), cause };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && presence == Presence::Optional => {
                return Ok(self);
            }
            Err(cause) => return Err(read(cause)),
        };
        let mut text = String::new();
        file.take(FILE_LIMIT.0 + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > FILE_LIMIT.0 {
            return Err(ConfigError::TooLarge { path: path.to_owned(), limit: FILE_LIMIT });
        }
        self.with_text(path, &text)
    }

    /// Takes the text of a file that the binary carries or has read itself; `path` is for messages.
    pub fn with_text(mut self, path: &Path, text: &str) -> Result<Self, ConfigError> {
        self.file = Node::parse(&Arc::new(PathBuf::from(path)), text)?;
        Ok(self)
    }

    /// Takes what the environment says: `names` pairs each variable with its dotted key, `read` looks a variable up.
    /// An empty variable counts as unset, because a unit file cannot unset one.
    pub fn with_environment(
        mut self,
        names: &[(&str, &str)],
        read: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        for (variable, key) in names {
            let Some(text) = read(variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            let variable = (*variable).to_owned();
            let Ok(text) = text.into_string() else {
                return Err(ConfigError::NotUnicode { variable });
            };
            self.environment.push(Override { key: (*key).to_owned(), text, origin: Origin::Environment { variable } });
        }
        Ok(self)
    }

    /// Takes one flag of the command line, as it was written there, for a dotted key.
    #[must_use]
    pub fn with_flag(mut self, flag: &str, key: &str, text: &str) -> Self {
        self.flags.push(Override {
            key: key.to_owned(),
            text: text.to_owned(),
            origin: Origin::Flag { flag: flag.to_owned() },
        });
        self
    }

    /// Merges the sources and reads them into their type.
    pub fn load<T: DeserializeOwned>(self) -> Result<Effective<T>, ConfigError> {
        let mut tree = self.file;
        for Override { key, text, origin } in self.environment.iter().chain(&self.flags) {
            tree.set(key, text, origin)?;
        }
        let value = T::deserialize(&tree).map_err(super::deserialize::Fault::into_error)?;
        Ok(Effective { value, tree })
    }
}

impl<T> Effective<T> {
    /// The error for a value that has the right type and still cannot be used, with the place where it was said. For
    /// the step from a file's type to the checked one.
    pub fn refuse(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let node = key.split('.').try_fold(&self.tree, |node, name| node.get(name));
        ConfigError::Value {
            place: node.map_or(Origin::Default, |node| node.origin.clone()),
            key: key.to_owned(),
            problem: Problem::Invalid { message: message.into() },
        }
    }
}
