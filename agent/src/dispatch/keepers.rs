//! Runners as the walk sees them: something that is started with an order and ends. The real ones are keepers,
//! processes of this very program that outlive us.

use std::fs::OpenOptions;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use hearth_host::lock::FileLock;
use hearth_host::processes::{self, Identity};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::environment::Environment;
use crate::journey::chain;
use crate::keeper::Order;
use crate::runner::Versions;
use crate::slots::{Slot, logs};

/// The hidden command under which this program is a keeper.
pub const KEEPER_COMMAND: &str = "keep";
/// A log that is larger begins anew with the next keeper.
const LOG_LIMIT: u64 = 1 << 20;
const SIGTERM: i32 = 15;

/// Starts runners.
pub trait Runners: Send + Sync + 'static {
    type Running: Running;
    /// Whether a runner could be started now, or why not; asked before one is registered.
    fn is_ready(&self) -> Result<(), String>;
    /// Starts a runner in `slot`, which stays held by us as well.
    fn start(&self, order: Order, slot: &Slot) -> impl Future<Output = Result<Self::Running, StartFailure>> + Send;
}

/// A runner that was started.
pub trait Running: Send + 'static {
    /// Waits until nothing of it is left. Can be dropped and called again.
    fn ended(&mut self) -> impl Future<Output = ()> + Send;
    /// Asks it to end unless it has a job.
    fn stop_idle(&self);
}

#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    #[error("cannot start a keeper, {program}")]
    Spawn {
        program: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot hand its order to a keeper")]
    Order(#[source] io::Error),
}

/// Starts keepers.
#[derive(Debug)]
pub struct Keepers {
    program: PathBuf,
    versions: Versions,
    /// What a keeper and the runner program may know of our environment.
    environment: Vec<(&'static str, String)>,
}

impl Keepers {
    pub fn new(program: PathBuf, versions: Versions, environment: &Environment) -> Self {
        const PASSED_ON: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "HEARTH_LOG", "HEARTH_LOG_FORMAT"];
        let known = PASSED_ON.into_iter().filter_map(|name| Some((name, environment.text(name)?.to_owned())));
        Self { program, versions, environment: known.collect() }
    }
}

impl Runners for Keepers {
    type Running = Keeper;

    fn is_ready(&self) -> Result<(), String> {
        self.versions.take().map(drop).map_err(|error| chain(&error))
    }

    async fn start(&self, order: Order, slot: &Slot) -> Result<Keeper, StartFailure> {
        let spawn = |cause| StartFailure::Spawn { program: self.program.clone(), cause };
        let log = logs::keeper_log(&slot.directory);
        let is_large = log.metadata().is_ok_and(|log| log.len() > LOG_LIMIT);
        let mut options = OpenOptions::new();
        let log = options.create(true).write(true).append(!is_large).truncate(is_large).open(log).map_err(spawn)?;
        let mut command = Command::new(&self.program);
        command
            .arg(KEEPER_COMMAND)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(slot.lock_for_child().map_err(spawn)?)
            .stderr(log)
            // What stops us in a terminal is not meant for it.
            .process_group(0);
        let mut child = command.spawn().map_err(spawn)?;
        let order = serde_json::to_vec(&order).map_err(|cause| StartFailure::Order(cause.into()))?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(&order).await.map_err(StartFailure::Order)?;
        }
        let identity = child.id().and_then(|pid| processes::identify(pid).ok());
        Ok(Keeper { identity, alive: Alive::Ours(child) })
    }
}

/// A keeper: one that we started, or one that we found.
#[derive(Debug)]
pub struct Keeper {
    identity: Option<Identity>,
    alive: Alive,
}

#[derive(Debug)]
enum Alive {
    Ours(Child),
    /// Its slot's lock becomes ours when it ends.
    Found(tokio::sync::watch::Receiver<bool>),
}

impl Keeper {
    /// A keeper that an earlier daemon started. `lock` is its slot's; it is taken when the keeper lets go of it.
    pub fn found(identity: Option<Identity>, lock: PathBuf) -> (Self, tokio::sync::oneshot::Receiver<FileLock>) {
        let (tell_lock, lock_is_ours) = tokio::sync::oneshot::channel();
        let (tell_end, ended) = tokio::sync::watch::channel(false);
        // The kernel's wait has no end to it, so it gets a thread that nobody waits for.
        std::thread::spawn(move || {
            match FileLock::exclusive(&lock) {
                Ok(lock) => drop(tell_lock.send(lock)),
                Err(error) => tracing::error!("cannot wait for the keeper of {}: {error}", lock.display()),
            }
            let _nobody_waits = tell_end.send(true);
        });
        (Self { identity, alive: Alive::Found(ended) }, lock_is_ours)
    }
}

impl Running for Keeper {
    async fn ended(&mut self) {
        match &mut self.alive {
            Alive::Ours(child) => {
                if let Err(error) = child.wait().await {
                    tracing::error!("cannot wait for a keeper: {error}");
                }
            }
            Alive::Found(ended) => drop(ended.wait_for(|ended| *ended).await),
        }
    }

    fn stop_idle(&self) {
        if let Some(identity) = self.identity.as_ref().filter(|identity| processes::is_alive(identity)) {
            processes::kill_all(&[identity.pid], SIGTERM);
        }
    }
}
