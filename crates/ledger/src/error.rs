//! What can go wrong with the book, and what went wrong but was survived.
//! An error means that the caller's promise is broken; a [`Warning`] means that it was kept another way.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the book could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot prepare the ledger directory {}", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot take the ledger's lock {}", path.display())]
    Lock {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot read the ledger's journal {}", path.display())]
    ReadJournal {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// Neither of the two places took the observations. Nothing was recorded but the last heartbeat.
    #[error("cannot record {count} observations in {}: neither the journal nor the database took them (database: {database})", dir.display())]
    NotRecorded {
        count: usize,
        dir: PathBuf,
        database: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write the heartbeat {}", path.display())]
    Heartbeat {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot {action} in the ledger database {}", path.display())]
    Database {
        action: &'static str,
        path: PathBuf,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("the ledger database {} has version {found}; this program knows versions up to {known}", path.display())]
    NewerDatabase { path: PathBuf, found: i64, known: i64 },
    #[error("cannot move the corrupt ledger database aside to {}", to.display())]
    SetAside {
        to: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("an observation cannot be written as JSON")]
    Encode {
        #[source]
        cause: serde_json::Error,
    },
    #[error("`{text}` is not a month; write it like `2026-11`")]
    InvalidMonth { text: String },
    #[error("`{name}` is not a time zone; write `UTC` or a name like `Europe/Berlin`")]
    UnknownZone {
        name: String,
        #[source]
        cause: jiff::Error,
    },
}

impl LedgerError {
    /// The error with all its causes as text, for a warning: a value that is printed later.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }

    /// SQLite says that the file is not a sound database.
    pub(crate) fn is_corruption(&self) -> bool {
        matches!(
            self,
            Self::Database { cause, .. } if matches!(
                cause.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
            )
        )
    }
}

/// Something that a person should know, although nothing was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The database was corrupt; it was kept under another name and rebuilt from the journal.
    Rebuilt { set_aside: PathBuf, reason: String, executions: u64 },
    /// Lines of the journal that are no observations, such as one that a power cut tore.
    LinesSkipped { count: u64 },
    /// The journal took the observations, the database did not; it catches up at the next write or open.
    DatabaseBehind { reason: String },
    /// The database took the observations, the journal did not; it is given them at the next write.
    JournalBehind { reason: String },
    /// A journal file is shorter than what was read of it; it was read again from its start.
    JournalShrank { file: String },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebuilt { set_aside, reason, executions } => write!(
                f,
                "the ledger database was corrupt ({reason}); it is kept as {} and {executions} executions were rebuilt \
                 from the journal",
                set_aside.display()
            ),
            Self::LinesSkipped { count } => {
                write!(f, "{count} unreadable lines of the ledger's journal were skipped")
            }
            Self::DatabaseBehind { reason } => {
                write!(f, "the ledger's journal is written but its database is not ({reason}); it catches up by itself")
            }
            Self::JournalBehind { reason } => {
                write!(f, "the ledger's database is written but its journal is not ({reason}); it catches up by itself")
            }
            Self::JournalShrank { file } => {
                write!(f, "the ledger's journal file {file} became shorter and was read again")
            }
        }
    }
}
