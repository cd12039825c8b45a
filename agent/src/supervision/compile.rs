//! The compile cache of one job, put together: relay, wrapper, daemon. Each trouble ends in a job without a
//! wrapper and a sentence that says why.

use std::ffi::OsString;
use std::path::Path;

use hearth_cache_server::{ProbeError, Relay, RelayCounts, RelayError, Secret};
use hearth_host::guard::Raw;
use hearth_model::CompileCounts;

use super::supervisor::{SuperviseError, Supervisor};
use crate::compiler_cache::{
    CompilerCacheFile, DAEMON, DaemonPlan, Program, Unavailable, Unwrapped, ask_counts, choose_wrapper,
    wait_until_ready,
};
use crate::desk::{BackendError, Desk, NodeAccess};
use crate::environment::Environment;
use crate::journey::Begun;
use crate::slots::JobPlace;

/// Why a job does without.
#[derive(Debug, thiserror::Error)]
pub enum Without {
    #[error(transparent)]
    Wrapper(Unwrapped),
    #[error(transparent)]
    Backend(BackendError),
    #[error(transparent)]
    Relay(RelayError),
    #[error("cannot draw a secret")]
    Secret(#[source] std::io::Error),
    #[error("the cache node does not answer")]
    Probe(#[source] ProbeError),
    #[error("the sccache daemon cannot be used")]
    Daemon(#[source] Unavailable),
    #[error("the sccache daemon cannot be started")]
    Start(#[source] std::io::Error),
    #[error(transparent)]
    Supervise(SuperviseError),
    #[error("the job runs in a container, where our paths do not exist")]
    Container,
    #[error("its counts have been read, and it has ended")]
    Ended,
}

/// A running compile cache of one job.
#[derive(Debug)]
pub struct CompileCache {
    relay: Relay,
    plan: DaemonPlan,
}

/// What the daemon and the relay counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub compile: Option<CompileCounts>,
    pub relay: RelayCounts,
}

/// Decides on the wrapper before anything is started for it.
pub fn wrapper(config: &CompilerCacheFile, environment: &Environment, programs: &Path) -> Result<Program, Without> {
    let own =
        std::env::current_exe().map_err(|cause| Without::Wrapper(Unwrapped::Link { path: programs.into(), cause }))?;
    choose_wrapper(config, environment, &own, programs).map_err(Without::Wrapper)
}

impl CompileCache {
    pub async fn start(
        program: Program,
        desk: &Desk,
        begun: &Begun,
        access: &NodeAccess,
        supervisor: &mut Supervisor,
        place: JobPlace,
        environment: &Environment,
    ) -> Result<Self, Without> {
        let backend = desk.backend(begun, access).await.map_err(Without::Backend)?;
        let secret = Secret::random().map_err(Without::Secret)?;
        let relay = Relay::start(backend, secret.clone()).await.map_err(Without::Relay)?;
        // Asked first: a daemon that starts against a bad answer fails the build.
        if let Err(error) = relay.probe().await {
            if matches!(error, ProbeError::TooSlow) {
                desk.presume_gone();
            }
            return Err(Without::Probe(error));
        }
        let plan = DaemonPlan::new(program, place).map_err(Without::Daemon)?;
        let mut start = plan.start(relay.addr(), secret.expose(), environment);
        start.environment.push((crate::environment::EXECUTION.into(), Some(Raw::from(begun.execution.to_string()))));
        supervisor.start_process(start).await.map_err(Without::Supervise)?.map_err(Without::Start)?;
        wait_until_ready(&plan, || supervisor.has_ended(DAEMON)).await.map_err(Without::Daemon)?;
        Ok(Self { relay, plan })
    }

    /// What has to stand in the job's environment.
    pub fn for_job(&self) -> Vec<(Raw, Option<Raw>)> {
        self.plan.for_job()
    }

    /// The same without naming the wrapper.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        self.plan.variables()
    }

    /// What the daemon has counted so far.
    pub async fn counts(&self) -> Option<CompileCounts> {
        ask_counts(&self.plan).await
    }

    /// Reads the counts. The daemon itself ends with the job's processes: a command that has ended has nothing under
    /// way, because sccache answers cargo only after it has stored.
    pub async fn finish(self) -> Counted {
        let compile = ask_counts(&self.plan).await;
        Counted { compile, relay: self.relay.stop().await }
    }
}
