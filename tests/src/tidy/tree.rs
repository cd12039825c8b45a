//! The files of the repository as one value. The only part of the tidy rules that reads anything.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::source::Source;

/// Text files by path, relative to the root, with `/` between the parts.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

/// Why the tree cannot be read.
#[derive(Debug)]
pub enum TreeError {
    Git {
        said: String,
    },
    Read {
        path: PathBuf,
        cause: io::Error,
    },
    /// A tree without files keeps every rule, which would say nothing.
    Empty,
}

/// A Rust file, taken apart.
pub(super) struct RustFile<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) source: Source,
}

impl Tree {
    /// Everything that git tracks or would track. Files that are not text are left out.
    pub fn read(root: &Path) -> Result<Self, TreeError> {
        let git = |said: String| TreeError::Git { said };
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|cause| git(cause.to_string()))?;
        if !listed.status.success() {
            return Err(git(String::from_utf8_lossy(&listed.stderr).into_owned()));
        }
        let mut files = BTreeMap::new();
        for name in listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let path = root.join(name);
            match fs::read(&path) {
                Ok(bytes) => {
                    if let Ok(text) = String::from_utf8(bytes) {
                        files.insert(name.to_owned(), text);
                    }
                }
                // Tracked and already deleted in the work tree.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(TreeError::Read { path, cause }),
            }
        }
        if files.is_empty() {
            return Err(TreeError::Empty);
        }
        Ok(Self { files })
    }

    /// A tree for tests of the rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(owned).collect() }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(super) fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = RustFile<'_>> {
        let rust = self.files().filter(|(path, _)| Path::new(path).extension().is_some_and(|kind| kind == "rs"));
        rust.map(|(path, text)| RustFile { path, text, source: Source::take_apart(text) })
    }

    /// The manifests of our packages, parsed; those that are no TOML at all are a complaint of their own.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, toml::Table)> {
        let manifests = self.files().filter(|(path, _)| *path == "Cargo.toml" || path.ends_with("/Cargo.toml"));
        manifests.filter_map(|(path, text)| Some((path, text.parse().ok()?)))
    }
}
