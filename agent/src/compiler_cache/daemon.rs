//! The job's own sccache daemon: how it is started, when it is ready, and what it counted. It is started by the job's
//! guard, so it sees the job's view and ends with the job.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hearth_host::guard::{EnvironmentBase, Raw, Start, Stdio as GuardStdio};
use hearth_model::CompileCounts;
use tokio::process::Command;

use super::counts::parse_counts;
use super::wrapper::Program;
use crate::environment::Environment;
use crate::slots::JobPlace;

/// The guard's name for it.
pub const DAEMON: &str = "sccache";

/// It starts in some 20 ms; a machine that takes longer than this would lose more than the cache gives.
const START_LIMIT: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(2);
const COUNTS_LIMIT: Duration = Duration::from_secs(3);

/// The kernel's limit for the path of a socket, less the terminating zero.
pub const LONGEST_SOCKET_PATH: usize = 107;

#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("the socket path {path} is longer than {LONGEST_SOCKET_PATH} bytes; use a shorter state directory")]
    LongPath { path: PathBuf },
    #[error("cannot clear the way for its socket {path}")]
    Clear {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("it was not ready within {} s", START_LIMIT.as_secs())]
    Late,
    #[error("it ended at once")]
    Ended,
}

/// Everything that is needed to start one daemon and to point a job at it.
#[derive(Debug, Clone)]
pub struct DaemonPlan {
    program: Program,
    place: JobPlace,
}

impl DaemonPlan {
    /// A daemon for the job in this place.
    pub fn new(program: Program, place: JobPlace) -> Result<Self, Unavailable> {
        for socket in [socket(&place.ours), socket(&place.seen)] {
            if socket.as_os_str().len() > LONGEST_SOCKET_PATH {
                return Err(Unavailable::LongPath { path: socket });
            }
        }
        let socket = socket(&place.ours);
        match std::fs::remove_file(&socket) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Unavailable::Clear { path: socket, cause }),
            _ => Ok(Self { program, place }),
        }
    }

    /// The daemon itself. The secret reaches its environment through the guard's socket and no argument list.
    pub fn start(&self, relay: SocketAddr, secret: &str, inherited: &Environment) -> Start {
        let set = |name: &str, value: &str| (Raw::from(name), Some(Raw::from(value)));
        // The job's own sccache settings name other stores, which would win over ours.
        let foreign = inherited.texts().filter(|(name, _)| name.starts_with("SCCACHE_"));
        let mut environment: Vec<_> = foreign.map(|(name, _)| (Raw::from(name), None)).collect();
        environment.extend([
            set("SCCACHE_START_SERVER", "1"),
            set("SCCACHE_NO_DAEMON", "1"),
            set("SCCACHE_SKIP_CACHE_CHECK", "1"),
            set("SCCACHE_WEBDAV_ENDPOINT", &format!("http://{relay}")),
            set("SCCACHE_WEBDAV_TOKEN", secret),
            set("SCCACHE_WEBDAV_DISABLE_CREATE_DIR", "true"),
            // Honored even for loopback, and the relay is never behind a proxy.
            set("NO_PROXY", "127.0.0.1"),
            set("no_proxy", "127.0.0.1"),
        ]);
        environment.extend(self.variables().into_iter().map(raw));
        Start {
            name: DAEMON.to_owned(),
            program: Raw::from(self.program.0.as_os_str()),
            arguments: Vec::new(),
            directory: Raw::from(self.place.seen.as_os_str()),
            environment_base: EnvironmentBase::Inherited,
            environment,
            stdio: GuardStdio::Null,
            identity: self.place.user.clone(),
        }
    }

    /// What the job gets: the wrapper and where its daemon is; not the daemon's secret.
    pub fn for_job(&self) -> Vec<(Raw, Option<Raw>)> {
        let mut environment = self.variables();
        environment.push(("RUSTC_WRAPPER", self.program.0.clone().into()));
        environment.into_iter().map(raw).collect()
    }

    /// Where the daemon is, for whoever is called as a wrapper.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("SCCACHE_SERVER_UDS", socket(&self.place.seen).into()),
            ("SCCACHE_IDLE_TIMEOUT", "0".into()),
            // Should the daemon die, sccache starts another with the job's environment: then this small directory
            // of the slot is its store, and not one that other jobs share.
            ("SCCACHE_DIR", self.place.seen.join("tmp/sccache").into()),
            ("SCCACHE_IGNORE_SERVER_IO_ERROR", "1".into()),
        ]
    }
}

fn raw((name, value): (&'static str, OsString)) -> (Raw, Option<Raw>) {
    (Raw::from(name), Some(Raw::from(value)))
}

/// Where the daemon of a job in this place listens.
pub fn socket(job: &Path) -> PathBuf {
    job.join("sccache.sock")
}

/// Waits until the daemon takes connections. `has_ended` says whether it has gone already.
pub async fn wait_until_ready(plan: &DaemonPlan, mut has_ended: impl FnMut() -> bool) -> Result<(), Unavailable> {
    let ready = async {
        while tokio::net::UnixStream::connect(socket(&plan.place.ours)).await.is_err() {
            if has_ended() {
                return Err(Unavailable::Ended);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(())
    };
    tokio::time::timeout(START_LIMIT, ready).await.unwrap_or(Err(Unavailable::Late))
}

/// Asks a running daemon for its counts; `None` when it does not answer in time.
pub async fn ask_counts(plan: &DaemonPlan) -> Option<CompileCounts> {
    let mut command = Command::new(&plan.program.0);
    command
        .args(["--show-stats", "--stats-format", "json"])
        .env("SCCACHE_SERVER_UDS", socket(&plan.place.ours))
        .env_remove("SCCACHE_START_SERVER")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(COUNTS_LIMIT, command.output()).await.ok()?.ok()?;
    parse_counts(&output.stdout)
}
