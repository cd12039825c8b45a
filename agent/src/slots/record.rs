//! What stands written in a slot about the runner in it, so that whoever comes after a crash knows what to do. Every
//! state is written before the act that it names; transitions consume.
//!
//! ```text
//!  Intent ──▶ Registered ──▶ Started ──▶ Busy ──▶ Finished ──▶ (cleaned: no record)
//!    └──────────────┴────────────┴──────────────────▲
//!  by the daemon ◀──┘            └──▶ by the runner's keeper          by the daemon
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_forge::{RunnerId, RunnerName};
use hearth_host::processes::Identity;
use hearth_host::tree;
use hearth_model::{ExecutionId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot {what} the slot's record {path}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the slot's record {path} is damaged")]
    Damaged {
        path: PathBuf,
        #[source]
        cause: serde_json::Error,
    },
}

/// A transition that no order of events allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a runner that is {from} cannot become {to}")]
pub struct WrongState {
    from: &'static str,
    to: &'static str,
}

/// One runner in one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The registration's name: unique, and ours by its beginning.
    pub runner: RunnerName,
    /// The job that it will carry, should it get one.
    pub execution: ExecutionId,
    /// The URL for which it is registered.
    pub target: String,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// About to be registered. It may be, under its name.
    Intent { at: Timestamp },
    /// Registered, and nothing runs for it yet.
    Registered { at: Timestamp, id: RunnerId },
    /// Its keeper has it; the program is started, or about to be.
    Started { at: Timestamp, id: RunnerId, keeper: Identity },
    /// A job runs.
    Busy { at: Timestamp, id: RunnerId, keeper: Identity },
    /// The program has ended and the books are closed.
    Finished { at: Timestamp, id: Option<RunnerId>, how: Ended },
}

/// How a runner ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It carried its job; the forge has dropped the registration.
    Job,
    /// It ended without a job.
    Idle,
    /// It never ran.
    NeverStarted { why: String },
    /// The forge takes no runner of this version any more.
    TooOld,
    /// It failed before any job.
    Failed { why: String },
}

impl State {
    /// All of them, in their order.
    pub const NAMES: [&str; 5] = ["intent", "registered", "started", "busy", "finished"];

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Intent { .. } => "intent",
            Self::Registered { .. } => "registered",
            Self::Started { .. } => "started",
            Self::Busy { .. } => "busy",
            Self::Finished { .. } => "finished",
        }
    }

    /// A job runs.
    pub const fn has_job(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Intent { at }
            | Self::Registered { at, .. }
            | Self::Started { at, .. }
            | Self::Busy { at, .. }
            | Self::Finished { at, .. } => *at,
        }
    }
}

impl Record {
    pub fn intent(runner: RunnerName, execution: ExecutionId, target: String, at: Timestamp) -> Self {
        Self { runner, execution, target, state: State::Intent { at } }
    }

    /// The registration's id, when it is known.
    pub fn id(&self) -> Option<RunnerId> {
        match self.state {
            State::Intent { .. } => None,
            State::Registered { id, .. } | State::Started { id, .. } | State::Busy { id, .. } => Some(id),
            State::Finished { id, .. } => id,
        }
    }

    pub fn registered(self, id: RunnerId, at: Timestamp) -> Result<Self, WrongState> {
        match self.state {
            State::Intent { .. } => Ok(Self { state: State::Registered { at, id }, ..self }),
            other => Err(WrongState { from: other.name(), to: "registered" }),
        }
    }

    pub fn started(self, keeper: Identity, at: Timestamp) -> Result<Self, WrongState> {
        match self.state {
            State::Registered { id, .. } => Ok(Self { state: State::Started { at, id, keeper }, ..self }),
            other => Err(WrongState { from: other.name(), to: "started" }),
        }
    }

    pub fn busy(self, at: Timestamp) -> Result<Self, WrongState> {
        match self.state {
            State::Started { id, keeper, .. } => Ok(Self { state: State::Busy { at, id, keeper }, ..self }),
            other => Err(WrongState { from: other.name(), to: "busy" }),
        }
    }

    /// Every state may end: a crash can come at any time.
    pub fn finished(self, how: Ended, at: Timestamp) -> Result<Self, WrongState> {
        let id = self.id();
        match self.state {
            State::Finished { .. } => Err(WrongState { from: "finished", to: "finished" }),
            _ => Ok(Self { state: State::Finished { at, id, how }, ..self }),
        }
    }

    fn path(slot: &Path) -> PathBuf {
        slot.join("runner.json")
    }

    /// Whether a slot has a record, readable or not.
    pub fn stands_in(slot: &Path) -> bool {
        Self::path(slot).exists()
    }

    /// The record of a slot; `None` when no runner is in it.
    pub fn read(slot: &Path) -> Result<Option<Self>, RecordError> {
        let path = Self::path(slot);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(RecordError::File { what: "read", path, cause }),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|cause| RecordError::Damaged { path, cause })
    }

    pub fn write(&self, slot: &Path) -> Result<(), RecordError> {
        let path = Self::path(slot);
        let written = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .and_then(|bytes| tree::write_atomically(&path, &bytes));
        written.map_err(|cause| RecordError::File { what: "write", path, cause })
    }

    /// The slot is clean.
    pub fn remove(slot: &Path) -> Result<(), RecordError> {
        let path = Self::path(slot);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|cause| RecordError::File { what: "remove", path, cause }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_millis(1)
    }

    fn keeper() -> Identity {
        Identity { pid: 7, start_ticks: 8, boot_id: "boot".to_owned() }
    }

    fn every_state() -> Vec<Record> {
        let intent =
            Record::intent("hearth-1".parse().unwrap(), ExecutionId::new(at()), "https://x/y".to_owned(), at());
        let registered = intent.clone().registered(RunnerId(5), at()).unwrap();
        let started = registered.clone().started(keeper(), at()).unwrap();
        let busy = started.clone().busy(at()).unwrap();
        let finished = busy.clone().finished(Ended::Job, at()).unwrap();
        vec![intent, registered, started, busy, finished]
    }

    #[test]
    fn every_pair_of_states_is_allowed_or_refused() {
        let allowed = [
            ("intent", "registered"),
            ("registered", "started"),
            ("started", "busy"),
            ("intent", "finished"),
            ("registered", "finished"),
            ("started", "finished"),
            ("busy", "finished"),
        ];
        for from in every_state() {
            let name = from.state.name();
            let attempts = [
                ("registered", from.clone().registered(RunnerId(9), at())),
                ("started", from.clone().started(keeper(), at())),
                ("busy", from.clone().busy(at())),
                ("finished", from.clone().finished(Ended::Idle, at())),
            ];
            for (to, attempt) in attempts {
                assert_eq!(attempt.is_ok(), allowed.contains(&(name, to)), "{name} -> {to}");
                if let Ok(record) = attempt {
                    assert_eq!((record.state.name(), &record.runner), (to, &from.runner));
                }
            }
        }
    }

    #[test]
    fn every_state_has_its_name() {
        assert_eq!(every_state().iter().map(|record| record.state.name()).collect::<Vec<_>>(), State::NAMES);
    }

    #[test]
    fn the_registration_is_known_from_its_making_to_the_end() {
        let ids: Vec<_> = every_state().iter().map(Record::id).collect();
        assert_eq!(ids, [None, Some(5), Some(5), Some(5), Some(5)].map(|id| id.map(RunnerId)));
    }

    #[test]
    fn a_record_survives_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
        for record in every_state() {
            record.write(dir.path()).unwrap();
            assert_eq!(Record::read(dir.path()).unwrap(), Some(record));
        }
        fs::write(dir.path().join("runner.json"), "{").unwrap();
        assert!(matches!(Record::read(dir.path()), Err(RecordError::Damaged { .. })));
        Record::remove(dir.path()).unwrap();
        Record::remove(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }
}
