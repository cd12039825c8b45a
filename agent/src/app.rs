//! The composition root: the parts of one machine's agent, made in order, each from settings and the parts before it.

use std::sync::Arc;

use hearth_cache_server::{Node, NodeConfig, NodeError, Ownership, UpstreamSettings};
use hearth_daemon::key_file::{self, KeyError};
use hearth_daemon::secrets;
use hearth_forge::{Github, GithubSettings, OpenError, Surroundings};
use hearth_host::clock::SystemClock;
use hearth_host::processes;
use hearth_ledger::{Book, LedgerError, Loss};
use hearth_model::{Clock, ExecutionId};
use hearth_trust::Signer;

use crate::dispatch::Heard;
use crate::environment::EXECUTION;
use crate::places::{Places, PlacesError};
use crate::runner::{Versions, VersionsError};
use crate::settings::Settings;
use crate::slots;
use crate::targets::{Targets, TargetsError};

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Places(PlacesError),
    #[error("cannot open the ledger")]
    Ledger(#[source] LedgerError),
    #[error("cannot open the store of warm targets")]
    Targets(#[source] TargetsError),
    #[error("cannot have a key for job tokens")]
    Key(#[source] KeyError),
}

/// The parts of one machine's agent.
#[derive(Debug)]
pub struct App {
    pub settings: Settings,
    pub places: Places,
    pub clock: Arc<dyn Clock>,
    pub book: Book,
    pub targets: Targets,
    signer: Signer,
    /// What the forge said about our runners, in a daemon that listens to one.
    pub heard: Arc<Heard>,
    /// What had to be repaired on the way, one sentence each.
    pub warnings: Vec<String>,
}

impl App {
    /// Opens everything below the state directory. Several processes may have it open at once.
    pub fn open(settings: Settings) -> Result<Self, AppError> {
        let places = Places::open(&settings.state).map_err(AppError::Places)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let opened = Book::open(&places.ledger(), Arc::clone(&clock)).map_err(AppError::Ledger)?;
        let warnings = opened.warnings.iter().map(ToString::to_string).collect();
        let (budget, reserve) = (settings.file.targets.budget.0, settings.file.targets.free_reserve.0);
        let targets = Targets::open(&places.targets(), &places.trash(), budget, reserve).map_err(AppError::Targets)?;
        let key = key_file::read_or_make(&places.token_key()).map_err(AppError::Key)?;
        let signer = Signer::from_key(*key);
        Ok(Self { settings, places, clock, book: opened.book, targets, signer, heard: Arc::default(), warnings })
    }

    pub fn signer(&self) -> Signer {
        self.signer.clone()
    }

    /// The versions of the runner program. Only machines that take jobs from a forge have any.
    pub fn runner_versions(&self) -> Result<Versions, VersionsError> {
        Versions::open(&self.places.runner(), self.settings.runner.clone(), Arc::clone(&self.clock))
    }

    /// The places at GitHub that this machine serves, in the order of the configuration. Sends nothing.
    pub fn githubs(&self) -> Result<Vec<Github>, OpenError> {
        self.settings.github.iter().map(|settings| open_github(settings, &self.clock)).collect()
    }

    /// Opens the compile cache node of this state directory in this process: alone in a daemon, shared by the
    /// processes that look after one job each.
    pub async fn open_node(&self, ownership: Ownership) -> Result<Node, NodeError> {
        // Of several nodes in one directory, none could say what has gone up.
        let upstream = self.settings.upstream.as_ref().filter(|_| ownership == Ownership::Alone);
        let upstream = upstream.map(UpstreamSettings::open).transpose().map_err(NodeError::Upstream)?;
        let config = NodeConfig { ownership, upstream, ..self.node_config() };
        Node::open(config, self.signer(), Arc::clone(&self.clock)).await
    }

    /// Keeps the compile cache within its budget on a machine without a daemon.
    pub async fn trim_cache(&self) -> Result<(), NodeError> {
        hearth_cache_server::trim(self.node_config(), Arc::clone(&self.clock)).await
    }

    fn node_config(&self) -> NodeConfig {
        let file = &self.settings.file.cache;
        NodeConfig { free_reserve: file.free_reserve.0, ..NodeConfig::new(self.places.cache(), file.budget.0) }
    }

    /// Closes what a crash left open: executions whose owner is dead are ended, with all their processes, and booked
    /// as lost; clones in slots that nobody holds are dropped. Gives the executions that were closed.
    pub fn recover(&self) -> Result<Vec<ExecutionId>, LedgerError> {
        let mut closed = Vec::new();
        let boot_id = processes::boot_id().unwrap_or_default();
        for execution in self.book.open_executions()? {
            let Some(owner) = execution.place.as_ref().map(|place| place.owner.clone()) else { continue };
            let identity = processes::Identity {
                pid: owner.pid,
                start_ticks: owner.process_start_ticks,
                boot_id: owner.boot_id.clone(),
            };
            if processes::is_alive(&identity) {
                continue;
            }
            let how = Loss::of(&owner, &boot_id);
            if how == Loss::Crashed
                && let Err(error) = processes::end_marked(EXECUTION, &execution.id.to_string())
            {
                tracing::error!(job.execution = %execution.id, "cannot end what a crashed job left: {error}");
                continue;
            }
            self.book.close_lost(&execution, how, self.clock.now())?;
            closed.push(execution.id);
        }
        self.clear_free_slots();
        Ok(closed)
    }

    fn clear_free_slots(&self) {
        for (number, occupancy) in slots::occupancy(&self.places, self.settings.file.slots.count) {
            let build = slots::job_directory(&self.places.slot(number)).join("build");
            if occupancy == slots::Occupancy::Busy || !build.exists() {
                continue;
            }
            // Between the look and now somebody may have taken the slot; then the clone is theirs.
            let lock = slots::lock_file(&self.places.slot(number));
            if let Ok(Some(_ours)) = hearth_host::lock::FileLock::try_exclusive(&lock)
                && let Err(error) = self.targets.discard(&build)
            {
                tracing::warn!("cannot drop the clone in slot {number}: {error}");
            }
        }
    }
}

/// Opens a place at GitHub. Reads its secrets and sends nothing.
pub fn open_github(settings: &GithubSettings, clock: &Arc<dyn Clock>) -> Result<Github, OpenError> {
    Github::open(settings, &Surroundings { clock: Arc::clone(clock), exposure: secrets::exposure })
}
