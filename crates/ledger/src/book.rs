//! The book itself: one directory, one value to hold, plain blocking calls.
//!
//! ```text
//! append ──▶ journal (synced) ──▶ database ──▶ reports
//!                │ cannot               │ cannot
//!                ▼                      ▼
//!          database keeps it,     journal has it, the database
//!          owed to the journal    catches up at the next chance
//! ```
//!
//! Promise: when `append` returns `Ok`, the observations are on disk and are counted exactly once, whatever is killed
//! afterwards. The book reads no clock but the one it was given and starts no thread.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_model::{Clock, ExecutionId, Millis, Timestamp};

use crate::beats::Beats;
use crate::error::{LedgerError, Warning};
use crate::execution::Execution;
use crate::journal::{Journal, Locked};
use crate::observation::{Beat, Fact, Loss, Observation, Source};
use crate::period::Period;
use crate::store::{self, Absorbed, MonthData, Store};
use crate::totals::Totals;

const DATABASE: &str = "ledger.sqlite3";

/// The ledger of one machine. Share it freely; calls wait for each other, also between processes.
#[derive(Debug)]
pub struct Book {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    journal: Journal,
    beats: Beats,
    /// `None` while the database cannot be opened; every use tries again.
    store: Mutex<Option<Store>>,
    warnings: Mutex<Vec<Warning>>,
    write_errors: AtomicU64,
}

/// A book and what had to be repaired to open it.
#[derive(Debug)]
pub struct Opened {
    pub book: Book,
    pub warnings: Vec<Warning>,
}

impl Book {
    /// Opens the book in `dir`, makes it when there is none, and brings its database up to date with its journal.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Opened, LedgerError> {
        let (journal_dir, open_dir) = (dir.join("journal"), dir.join("open"));
        for path in [&journal_dir, &open_dir] {
            std::fs::create_dir_all(path).map_err(|cause| LedgerError::Directory { path: path.clone(), cause })?;
        }
        let book = Self {
            dir: dir.to_owned(),
            clock,
            journal: Journal::at(journal_dir),
            beats: Beats::at(open_dir),
            store: Mutex::new(None),
            warnings: Mutex::default(),
            write_errors: AtomicU64::new(0),
        };
        book.bring_up_to_date()?;
        book.sweep_beats();
        let warnings = book.take_warnings();
        Ok(Opened { book, warnings })
    }

    /// What was survived since the last call.
    pub fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many writes of this process failed since it opened the book, in one of the two places or in both.
    pub fn write_errors(&self) -> u64 {
        self.write_errors.load(Ordering::Relaxed)
    }

    /// Records what was said. Saying the same thing again is harmless.
    pub fn append(&self, observations: &[Observation]) -> Result<(), LedgerError> {
        let mut lines = Vec::with_capacity(observations.len());
        for observation in observations {
            let text = serde_json::to_string(observation).map_err(|cause| LedgerError::Encode { cause })?;
            lines.push((observation.clone(), text));
        }
        let mut store = self.store();
        let lock = self.lock()?;
        self.append_locked(&mut store, &lock, &lines)
    }

    fn append_locked(
        &self,
        store: &mut Option<Store>,
        lock: &Locked,
        lines: &[(Observation, String)],
    ) -> Result<(), LedgerError> {
        for (observation, _) in lines {
            if let Fact::Accepted { at, .. } = &observation.fact {
                // Best effort: a crash without it leaves an open row that ran for 0 ms, which is what this says too.
                let _ = self.beats.create(observation.execution, *at);
            }
        }
        let now = self.clock.now();
        let owed = store.as_ref().map_or(Ok(Vec::new()), Store::owed_to_journal).unwrap_or_default();
        let mut bytes = Vec::new();
        for text in owed.iter().chain(lines.iter().map(|(_, text)| text)) {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(b'\n');
        }
        match self.journal.append(lock, now, &bytes) {
            Ok(()) => {
                if let Err(error) = self.on_store(store, lock, |store| {
                    let absorbed = store.absorb(&self.journal)?;
                    self.note(absorbed);
                    Ok(())
                }) {
                    self.write_failed();
                    self.warn(Warning::DatabaseBehind { reason: error.with_causes() });
                }
            }
            Err(cause) => {
                self.write_failed();
                self.keep_without_journal(store, lock, lines, cause)?;
            }
        }
        for (observation, _) in lines {
            if matches!(observation.fact, Fact::Ended { .. } | Fact::Lost { .. }) {
                self.beats.remove(observation.execution);
            }
        }
        Ok(())
    }

    /// The second best place: the database, synced, with a debt to the journal.
    fn keep_without_journal(
        &self,
        store: &mut Option<Store>,
        lock: &Locked,
        lines: &[(Observation, String)],
        cause: std::io::Error,
    ) -> Result<(), LedgerError> {
        let reason = cause.to_string();
        match self.on_store(store, lock, |store| store.keep_for_journal(lines)) {
            Ok(()) => {
                self.warn(Warning::JournalBehind { reason });
                Ok(())
            }
            Err(database) => {
                // The last resort keeps the minutes at least: a record that is written over in place needs no room.
                for (observation, _) in lines {
                    if let Fact::Ended { at, ran, .. } = observation.fact {
                        let _ = self.beats.write(observation.execution, Beat { ran, at }, self.clock.monotonic());
                    }
                }
                Err(LedgerError::NotRecorded {
                    count: lines.len(),
                    dir: self.dir.clone(),
                    database: database.with_causes(),
                    cause,
                })
            }
        }
    }

    /// Notes that an open execution is alive and has run for `ran`. Cheap: one small write, in place.
    pub fn heartbeat(&self, execution: ExecutionId, ran: Millis) -> Result<(), LedgerError> {
        let beat = Beat { ran, at: self.clock.now() };
        self.beats.write(execution, beat, self.clock.monotonic()).map_err(|cause| {
            self.write_failed();
            LedgerError::Heartbeat { path: self.beats.path(execution), cause }
        })
    }

    /// The last sign of life of an execution that has not ended.
    pub fn last_beat(&self, execution: ExecutionId) -> Result<Option<Beat>, LedgerError> {
        self.beats.last(execution).map_err(|cause| LedgerError::Heartbeat { path: self.beats.path(execution), cause })
    }

    /// Closes an execution whose owner is gone, from its last heartbeat. One that has ended meanwhile stays as it is,
    /// and so does one that was closed before; an owner that comes back after all is believed over this.
    pub fn close_lost(&self, execution: &Execution, how: Loss, now: Timestamp) -> Result<(), LedgerError> {
        let observation = Observation {
            source: Source::Agent,
            event_id: format!("{}/lost", execution.id),
            execution: execution.id,
            heard_at: now,
            fact: Fact::Lost { at: now, how, last_beat: self.last_beat(execution.id)? },
        };
        let text = serde_json::to_string(&observation).map_err(|cause| LedgerError::Encode { cause })?;
        let mut store = self.store();
        let lock = self.lock()?;
        let current = self.on_store(&mut store, &lock, |store| {
            let absorbed = store.absorb(&self.journal)?;
            self.note(absorbed);
            store.execution(execution.id)
        });
        match current {
            Ok(Some(current)) if !current.state.is_open() => Ok(()),
            // Without a database nobody knows; the fold settles it.
            _ => self.append_locked(&mut store, &lock, &[(observation, text)]),
        }
    }

    /// Executions that nobody has closed, oldest first. Whether their owners live is for the caller to find out.
    pub fn open_executions(&self) -> Result<Vec<Execution>, LedgerError> {
        self.ask(Store::open_executions)
    }

    pub fn execution(&self, id: ExecutionId) -> Result<Option<Execution>, LedgerError> {
        self.ask(|store| store.execution(id))
    }

    /// The newest executions first.
    pub fn recent(&self, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        self.ask(|store| store.recent(limit))
    }

    /// The same of one repository.
    pub fn recent_of(&self, repository: &str, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        self.ask(|store| store.recent_of(repository, limit))
    }

    /// The executions whose id begins or ends with `part`, the newest first.
    pub fn named(&self, part: &str, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        self.ask(|store| store.named(part, limit))
    }

    /// The sums of one month, of one repository or of all.
    pub fn month(&self, period: &Period, repository: Option<&str>) -> Result<MonthData, LedgerError> {
        let now = self.clock.now();
        self.ask(|store| store.month(period, repository, now))
    }

    /// The sums of all time. Cheap when `known` is what an earlier call gave: only what changed since is read.
    pub fn totals(&self, known: Option<&Totals>) -> Result<Totals, LedgerError> {
        if let Some(known) = known
            && let Some(followed) = self.ask(|store| store.totals_since(known))?
        {
            return Ok(followed);
        }
        // Adding up a large book takes seconds, so it has a connection of its own: no job waits for it.
        match Store::open(&self.dir.join(DATABASE), &self.generation()).and_then(|own| own.totals()) {
            Err(error) if error.is_corruption() => self.ask(Store::totals),
            other => other,
        }
    }

    /// Calls `each` for every execution that ended in the period, oldest first, until it says stop.
    pub fn each_execution(
        &self,
        period: &Period,
        repository: Option<&str>,
        mut each: impl FnMut(Execution) -> std::ops::ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        // Not through `ask`: what was handed out once must not be handed out again after a repair.
        let mut store = self.store();
        let open = self.open_store(&mut store)?;
        open.each_execution(period, repository, &mut each)
    }
}

/// Keeping the database usable.
impl Book {
    fn store(&self) -> MutexGuard<'_, Option<Store>> {
        // A panic elsewhere leaves no half-done state: SQLite rolls back what was not committed.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> Result<Locked, LedgerError> {
        self.journal.lock().map_err(|cause| LedgerError::Lock { path: self.journal.lock_path(), cause })
    }

    fn open_store<'a>(&self, store: &'a mut Option<Store>) -> Result<&'a mut Store, LedgerError> {
        if store.is_none() {
            *store = Some(Store::open(&self.dir.join(DATABASE), &self.generation())?);
        }
        Ok(store.as_mut().expect("it was opened just now"))
    }

    /// A name that no other database file of this book has.
    fn generation(&self) -> String {
        format!("{}", ExecutionId::new(self.clock.now()))
    }

    fn bring_up_to_date(&self) -> Result<(), LedgerError> {
        let mut store = self.store();
        if let Ok(open) = self.open_store(&mut store)
            && matches!(open.is_behind(&self.journal), Ok(false))
        {
            return Ok(());
        }
        let lock = self.lock()?;
        // On a full disk this fails; the torn line then waits for the next writer.
        let _ = self.journal.end_torn_lines(&lock);
        let caught_up = self.on_store(&mut store, &lock, |store| {
            let absorbed = store.absorb(&self.journal)?;
            self.note(absorbed);
            Ok(())
        });
        match caught_up {
            Err(error @ (LedgerError::NewerDatabase { .. } | LedgerError::ReadJournal { .. })) => Err(error),
            Err(error) => {
                self.warn(Warning::DatabaseBehind { reason: error.with_causes() });
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Does `act` on the database. A corrupt one is set aside and rebuilt, once, and `act` is tried again.
    fn on_store<T>(
        &self,
        store: &mut Option<Store>,
        lock: &Locked,
        act: impl Fn(&mut Store) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        match self.open_store(store).and_then(&act) {
            Err(error) if error.is_corruption() => {
                self.rebuild(store, lock, &error)?;
                self.open_store(store).and_then(act)
            }
            other => other,
        }
    }

    /// As [`Self::on_store`], for questions: the journal's lock is taken only for a repair.
    fn ask<T>(&self, question: impl Fn(&Store) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let mut store = self.store();
        match self.open_store(&mut store).and_then(|open| question(open)) {
            Err(error) if error.is_corruption() => {
                let lock = self.lock()?;
                self.rebuild(&mut store, &lock, &error)?;
                self.open_store(&mut store).and_then(|open| question(open))
            }
            other => other,
        }
    }

    fn rebuild(&self, store: &mut Option<Store>, _lock: &Locked, why: &LedgerError) -> Result<(), LedgerError> {
        let path = self.dir.join(DATABASE);
        let ours = store.take().map(|store| store.generation);
        // Another process may have rebuilt it while we waited for the lock.
        let by_another = Store::open(&path, &self.generation())
            .ok()
            .filter(|found| ours.as_ref().is_none_or(|ours| *ours != found.generation));
        if let Some(found) = by_another {
            *store = Some(found);
            return Ok(());
        }
        let aside = store::set_aside(&path, self.clock.now())?;
        let mut fresh = Store::open(&path, &self.generation())?;
        let absorbed = fresh.absorb(&self.journal)?;
        self.note(absorbed);
        self.warn(Warning::Rebuilt {
            set_aside: aside,
            reason: why.with_causes(),
            executions: fresh.count_executions()?,
        });
        *store = Some(fresh);
        Ok(())
    }

    /// Removes the heartbeat files of executions that have ended.
    fn sweep_beats(&self) {
        for execution in self.beats.list().unwrap_or_default() {
            let ended = self.ask(|store| store.execution(execution));
            if ended.is_ok_and(|found| found.is_some_and(|execution| !execution.state.is_open())) {
                self.beats.remove(execution);
            }
        }
    }

    fn note(&self, absorbed: Absorbed) {
        if absorbed.skipped > 0 {
            self.warn(Warning::LinesSkipped { count: absorbed.skipped });
        }
        for file in absorbed.shrank {
            self.warn(Warning::JournalShrank { file });
        }
    }

    fn write_failed(&self) {
        self.write_errors.fetch_add(1, Ordering::Relaxed);
    }

    fn warn(&self, warning: Warning) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // A disk that stays full says the same thing at every write.
        if warnings.last() != Some(&warning) {
            warnings.push(warning);
        }
    }
}
