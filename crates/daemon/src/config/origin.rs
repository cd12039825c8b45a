//! Where a value came from. Carried beside every value from the parser to the error message and to `config show`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A place in the file; line and column count from 1, the column in characters.
    File {
        path: Arc<PathBuf>,
        line: usize,
        column: usize,
    },
    Environment {
        variable: String,
    },
    /// As it was written on the command line, dashes included.
    Flag {
        flag: String,
    },
}

impl Origin {
    /// The place of a byte of a file's text.
    pub(super) fn in_file(path: &Arc<PathBuf>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self::File {
            path: Arc::clone(path),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Origin {
    /// The way editors and people point at it: `/etc/hearth.toml:3:1`, `environment HEARTH_SLOTS`, `flag --slots`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}
