//! Looks at everything that says how this machine stands. Takes nothing, makes nothing, and needs no daemon.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_host::clock::SystemClock;
use hearth_host::processes;
use hearth_host::space::Space;
use hearth_ledger::{Book, LedgerError};
use hearth_model::{Clock, SlotNumber, Timestamp};

use crate::desk::{self, DeskError};
use crate::dispatch::{BoardState, PlaceShown};
use crate::jobs::{OpenJob, job_in, open_jobs};
use crate::journey::chain;
use crate::places::Places;
use crate::runner::{Deadline, RunnerVersion, Versions, VersionsError};
use crate::settings::Settings;
use crate::slots::{self, Occupancy, Record, RecordError, State};
use crate::supervision::lack_of_room;
use crate::up::Running;

#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(
        "cannot look into the state directory {path}; ask as the user who runs the daemon, or name another with --state"
    )]
    State {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// How the machine stands at one time.
#[derive(Debug)]
pub struct Status {
    pub state: PathBuf,
    pub now: Timestamp,
    /// What little room the disk of the state directory has, when it is too little for a job.
    pub lacks_room: Option<Space>,
    pub daemon: Daemon,
    pub is_draining: bool,
    /// As the daemon sees them; none without one.
    pub places: Vec<PlaceShown>,
    /// Whether any are configured.
    pub has_places: bool,
    pub slots: Vec<SlotShown>,
    /// Open jobs, or why nobody can say.
    pub jobs: Result<Vec<OpenJob>, String>,
    /// `None`: there is no store of runner programs.
    pub program: Option<Result<RunnerProgram, String>>,
}

#[derive(Debug)]
pub enum Daemon {
    Up(Box<Running>),
    /// Somebody holds the socket, and does not answer as it should.
    Unwell {
        running: Option<Box<Running>>,
        why: String,
    },
    /// The second word is what one left that did not end in order.
    Down {
        crashed: Option<Box<Running>>,
    },
}

#[derive(Debug)]
pub struct SlotShown {
    pub number: SlotNumber,
    pub state: SlotState,
}

#[derive(Debug)]
pub enum SlotState {
    Free,
    /// Somebody has it without a runner: a job of this machine's own.
    Local,
    Runner {
        record: Box<Record>,
        keeper: Keeper,
    },
    Unreadable {
        why: String,
    },
}

/// The process that looks after a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// It has not begun, or is not needed any more.
    None,
    Alive,
    Gone,
}

/// The version that the next runner starts with.
#[derive(Debug)]
pub struct RunnerProgram {
    /// `None`: there is no version that could be started.
    pub version: Option<RunnerVersion>,
    pub deadline: Option<Deadline>,
    /// What a person has to know about it.
    pub warning: Option<String>,
}

impl Status {
    pub async fn look(settings: &Settings) -> Result<Self, LookError> {
        let places = Places::at(&settings.state);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        if let Err(cause) = fs::read_dir(places.root())
            && cause.kind() != io::ErrorKind::NotFound
        {
            return Err(LookError::State { path: places.root().to_owned(), cause });
        }
        let (daemon, board) = daemon(&places).await;
        let count = settings.file.slots.count;
        Ok(Self {
            state: places.root().to_owned(),
            now: clock.now(),
            lacks_room: lack_of_room(places.root()),
            daemon,
            is_draining: board.is_draining,
            places: board.places,
            has_places: !settings.github.is_empty(),
            slots: look_at_slots(&places, count),
            jobs: jobs(&places.ledger(), &clock).map_err(|error| chain(&error)),
            program: program(&places, settings, &clock).map(|program| program.map_err(|error| chain(&error))),
        })
    }

    /// The job in a slot, when the ledger knows it.
    pub fn job_in(&self, slot: SlotNumber) -> Option<&OpenJob> {
        job_in(self.jobs.as_ref().ok()?, slot)
    }
}

async fn daemon(places: &Places) -> (Daemon, BoardState) {
    let running = Running::read(&places.announcement()).ok().map(Box::new);
    let nothing = BoardState::default;
    match (desk::show(places).await, running) {
        (Ok(board), Some(running)) => (Daemon::Up(running), board),
        (Ok(board), None) => {
            (Daemon::Unwell { running: None, why: "it is just starting or stopping".to_owned() }, board)
        }
        (Err(DeskError::Unreachable(_)), crashed) => (Daemon::Down { crashed }, nothing()),
        (Err(error), running) => (Daemon::Unwell { running, why: chain(&error) }, nothing()),
    }
}

fn look_at_slots(places: &Places, count: u16) -> Vec<SlotShown> {
    let mut records: std::collections::BTreeMap<_, _> = slots::records(places, count).into_iter().collect();
    let shown = |(number, occupancy)| SlotShown { number, state: slot_state(records.remove(&number), occupancy) };
    slots::occupancy(places, count).into_iter().map(shown).collect()
}

fn slot_state(record: Option<Result<Record, RecordError>>, occupancy: Occupancy) -> SlotState {
    match (record, occupancy) {
        (None, Occupancy::Free) => SlotState::Free,
        (None, Occupancy::Busy) => SlotState::Local,
        (Some(Err(error)), _) => SlotState::Unreadable { why: chain(&error) },
        (Some(Ok(record)), _) => {
            let keeper = match &record.state {
                State::Started { keeper, .. } | State::Busy { keeper, .. } => {
                    if processes::is_alive(keeper) {
                        Keeper::Alive
                    } else {
                        Keeper::Gone
                    }
                }
                State::Intent { .. } | State::Registered { .. } | State::Finished { .. } => Keeper::None,
            };
            SlotState::Runner { record: Box::new(record), keeper }
        }
    }
}

fn jobs(ledger: &Path, clock: &Arc<dyn Clock>) -> Result<Vec<OpenJob>, LedgerError> {
    // Opening makes what is missing, and looking must not.
    if !ledger.exists() {
        return Ok(Vec::new());
    }
    open_jobs(&Book::open(ledger, Arc::clone(clock))?.book)
}

fn program(
    places: &Places,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Option<Result<RunnerProgram, VersionsError>> {
    let root = places.runner();
    let read = || {
        let versions = Versions::open(&root, settings.runner.clone(), Arc::clone(clock))?;
        let current = versions.list()?.into_iter().find(|version| version.current);
        let deadline = current.as_ref().and_then(|current| current.deadline);
        let version = current.map(|current| current.version);
        let warning = version.zip(deadline).and_then(|(version, deadline)| {
            deadline.warning(version, clock.now(), settings.runner.warn_before).map(|warning| warning.to_string())
        });
        Ok(RunnerProgram { version, deadline, warning })
    };
    root.exists().then(read)
}
