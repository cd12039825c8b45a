//! The database: an index over the journal that answers reports. All SQL of the ledger lives in this folder.
//! It is never the only copy of anything for longer than a full disk lasts.

mod absorb;
mod ask;
mod rows;
mod run_tally;
mod runs;
mod tally;
mod totals;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_model::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::LedgerError;
use crate::period::rfc3339;

pub(crate) use absorb::Absorbed;
pub use ask::{Cell, MonthData, Series};
pub use run_tally::KindOfRuns;

/// How long a writer waits for another process. Writes take milliseconds; a rebuild holds the journal's lock instead.
const BUSY: Duration = Duration::from_secs(5);

/// Each step brings the database from its index to the next version.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("usage.sql")];

#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    connection: Connection,
    /// Which database file this is. A rebuilt one has another.
    pub(crate) generation: String,
}

impl Store {
    /// Opens the database, makes it when there is none. `new_generation` names it when it is new.
    /// Reads a constant number of pages, whatever the size of the book.
    pub(crate) fn open(path: &Path, new_generation: &str) -> Result<Self, LedgerError> {
        let failed = |cause| LedgerError::Database { action: "open", path: path.to_owned(), cause };
        let connection = Connection::open(path).map_err(failed)?;
        let mut store = Self { path: path.to_owned(), connection, generation: String::new() };
        store.prepare().map_err(failed)?;
        store.migrate(new_generation)?;
        store.generation =
            store.connection.query_row("SELECT generation FROM meta", [], |row| row.get(0)).map_err(failed)?;
        Ok(store)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(BUSY)?;
        self.connection.pragma_update(None, "foreign_keys", true)?;
        self.connection.pragma_update(None, "journal_mode", "wal")?;
        // The journal is synced; what a power cut takes from the database is read from there again.
        self.connection.pragma_update(None, "synchronous", "normal")?;
        // A job opens and closes the book; emptying the log at each close would cost it two syncs of the disk.
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn migrate(&mut self, new_generation: &str) -> Result<(), LedgerError> {
        let path = self.path.clone();
        let failed = |cause| LedgerError::Database { action: "prepare the tables", path: path.clone(), cause };
        let version = |connection: &Connection| -> rusqlite::Result<i64> {
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        };
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if version(&self.connection).map_err(failed)? == known {
            return Ok(());
        }
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Read again: another process may have been first.
        let found = version(&tx).map_err(failed)?;
        if found > known {
            return Err(LedgerError::NewerDatabase { path: path.clone(), found, known });
        }
        for step in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
            tx.execute_batch(step).map_err(failed)?;
        }
        if found == 0 {
            tx.execute("INSERT INTO meta (generation) VALUES (?1)", [new_generation]).map_err(failed)?;
        }
        tx.pragma_update(None, "user_version", known).map_err(failed)?;
        tx.commit().map_err(failed)
    }

    /// Names what was tried when SQLite fails.
    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> LedgerError + use<> {
        let path = self.path.clone();
        move |cause| LedgerError::Database { action, path: path.clone(), cause }
    }
}

/// Renames the database and what SQLite keeps beside it: somebody may want to look into it.
pub(crate) fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, LedgerError> {
    let name = with_suffix(path, &format!(".corrupt-{}", rfc3339(now).replace([':', '.'], "-")));
    let mut aside = name.clone();
    for again in 1.. {
        if !aside.exists() {
            break;
        }
        aside = with_suffix(&name, &format!("-{again}"));
    }
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        match std::fs::rename(&from, &to) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(LedgerError::SetAside { to, cause });
            }
            _ => {}
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
