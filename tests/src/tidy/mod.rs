//! The rules of the source tree that neither compiler nor clippy can hold. Each rule is a pure function from a tree of
//! files to complaints, tested on small trees here and run over the real one by `tests/tidy.rs`. A new rule is one
//! function, its tests, and one line there.

pub mod documents;
pub mod manifests;
pub mod rooms;
mod source;
pub mod style;
mod tree;

use std::fmt;

pub use tree::{Tree, TreeError};

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Relative to the root of the repository.
    pub path: String,
    /// Counted from 1; 0 when the whole file is meant.
    pub line: usize,
    pub what: String,
}

impl Complaint {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// The places of the complaints, for tests of the rules.
#[cfg(test)]
fn places(complaints: &[Complaint]) -> Vec<String> {
    complaints.iter().map(|complaint| format!("{}:{}", complaint.path, complaint.line)).collect()
}
