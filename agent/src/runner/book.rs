//! What is known of versions beyond their files: a pin, how their first starts went, what GitHub says of them. One small
//! file, changed only by whoever holds the room's lock, and written so that a power cut leaves the old one or the new.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_host::tree;
use hearth_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::deadline::{DeprecationAnswer, NewestOffer};
use super::version::RunnerVersion;

/// More versions than anybody remembers; the oldest are forgotten.
const MOST_VERSIONS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error("cannot read {path}, which keeps what is known of the runner's versions")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path}, which keeps what is known of the runner's versions, is damaged; remove it to begin anew")]
    Damaged {
        path: PathBuf,
        #[source]
        cause: serde_json::Error,
    },
    #[error("cannot write {path}, which keeps what is known of the runner's versions")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    pub(super) pinned: Option<RunnerVersion>,
    pub(super) newest_offer: Option<NewestOffer>,
    pub(super) versions: BTreeMap<RunnerVersion, Standing>,
}

/// What is known of one version, installed or not: one that was given up must not come back by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Standing {
    pub(super) trial: Trial,
    /// When GitHub last refused it as too old.
    pub(super) refused_at: Option<Timestamp>,
    pub(super) answer: Option<DeprecationAnswer>,
}

/// Whether a version works here.
///
/// ```text
///   New ──listens──▶ Proved
///    └──fails so often, and another one can take its place──▶ GivenUp ──pinned by a person──▶ New
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "trial")]
pub enum Trial {
    /// It has not listened for a job yet, and its first starts, so many, have all failed.
    New {
        failed: u32,
    },
    Proved,
    GivenUp {
        at: Timestamp,
        why: WhyGivenUp,
    },
}

impl Default for Trial {
    fn default() -> Self {
        Self::New { failed: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyGivenUp {
    FailedStarts(u32),
    /// `hearth runner rollback`.
    Person,
}

impl Book {
    /// Reads the book; one that is not there is empty.
    pub(super) fn read(path: &Path) -> Result<Self, BookError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(BookError::Read { path: path.to_owned(), cause }),
        };
        serde_json::from_slice(&bytes).map_err(|cause| BookError::Damaged { path: path.to_owned(), cause })
    }

    pub(super) fn write(&mut self, path: &Path) -> Result<(), BookError> {
        while self.versions.len() > MOST_VERSIONS {
            self.versions.pop_first();
        }
        let failed = |cause| BookError::Write { path: path.to_owned(), cause };
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        tree::write_atomically(path, &bytes).map_err(failed)
    }

    pub(super) fn standing(&self, version: RunnerVersion) -> Standing {
        self.versions.get(&version).copied().unwrap_or_default()
    }

    pub(super) fn standing_mut(&mut self, version: RunnerVersion) -> &mut Standing {
        self.versions.entry(version).or_default()
    }

    pub(super) fn is_given_up(&self, version: RunnerVersion) -> bool {
        matches!(self.standing(version).trial, Trial::GivenUp { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_damaged_book_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("book.json");
        let mut book = Book::read(&path).unwrap();
        assert_eq!(book, Book::default());
        let version = RunnerVersion::new(2, 336, 0);
        book.pinned = Some(version);
        let at = Timestamp::from_millis(5);
        book.standing_mut(version).trial = Trial::GivenUp { at, why: WhyGivenUp::FailedStarts(3) };
        book.write(&path).unwrap();
        assert_eq!(Book::read(&path).unwrap(), book);
        for damaged in ["", "{", "7", r#"{"pinned": "latest"}"#] {
            fs::write(&path, damaged).unwrap();
            let error = Book::read(&path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()) && error.contains("remove it"), "{error}");
        }
    }

    #[test]
    fn a_book_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("book.json");
        let mut book = Book::default();
        for patch in 0..100 {
            book.standing_mut(RunnerVersion::new(2, 300, patch)).trial = Trial::Proved;
        }
        book.write(&path).unwrap();
        let kept = Book::read(&path).unwrap().versions;
        assert_eq!(kept.len(), MOST_VERSIONS);
        assert!(kept.contains_key(&RunnerVersion::new(2, 300, 99)), "the newest are kept");
    }
}
