//! What can be wrong with a configuration, as values whose text a person can act on. Decides nothing, reads nothing.

use std::fmt;
use std::path::PathBuf;

use hearth_model::Bytes;

use super::Origin;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read configuration file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("configuration file {} is larger than {limit}", path.display())]
    TooLarge { path: PathBuf, limit: Bytes },
    #[error("{place}: {message}")]
    Syntax { place: Origin, message: String },
    #[error("environment {variable} is not valid Unicode")]
    NotUnicode { variable: String },
    #[error("{}{}", Prefix(place), Sentence { key, problem })]
    Value {
        place: Origin,
        /// Dotted, list items by number: `forge.runners[2].label`.
        key: String,
        problem: Problem,
    },
    #[error("cannot write the configuration as TOML")]
    Show {
        #[source]
        cause: toml::ser::Error,
    },
}

/// What is wrong with one key or its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    UnknownKey {
        known: &'static [&'static str],
    },
    UnknownWord {
        word: String,
        known: &'static [&'static str],
    },
    WrongType {
        expected: String,
        found: String,
    },
    Missing,
    /// The type was right and the value was not; the sentence names the value.
    Invalid {
        message: String,
    },
}

/// The place, unless there is none to point at.
struct Prefix<'a>(&'a Origin);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Origin::Default => Ok(()),
            place => write!(f, "{place}: "),
        }
    }
}

struct Sentence<'a> {
    key: &'a str,
    problem: &'a Problem,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        match self.problem {
            Problem::UnknownKey { known } => {
                let name = key.rsplit('.').next().unwrap_or(key);
                write!(f, "unknown key `{key}`; {}", Advice { name, known })
            }
            Problem::UnknownWord { word, known } => {
                write!(f, "`{key}` cannot be `{word}`; {}", Advice { name: word, known })
            }
            Problem::WrongType { expected, found } => write!(f, "`{key}` must be {expected}, found {found}"),
            Problem::Missing => write!(f, "`{key}` is missing"),
            Problem::Invalid { message } => write!(f, "`{key}`: {message}"),
        }
    }
}

/// The nearest right name or, when none is near, all of them.
struct Advice<'a> {
    name: &'a str,
    known: &'a [&'static str],
}

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(near) = nearest(self.name, self.known) {
            return write!(f, "did you mean `{near}`?");
        }
        match self.known {
            [] => f.write_str("no key is known here"),
            known => {
                f.write_str("known are ")?;
                for (index, name) in known.iter().enumerate() {
                    write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// The known name that was probably meant: at most one letter in three is wrong, swapped, missing or too many.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (strsim::osa_distance(&plain(name), &plain(candidate)), candidate.chars().count(), *candidate))
        .filter(|(distance, length, _)| *distance * 3 <= (*length).max(3))
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., candidate)| candidate)
}
