//! What a fake release of the runner knows of itself: its version, and how long it waits for what. It stands beside the
//! program, in place of what is compiled into the official one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The file's name below `bin/`.
pub const FILE: &str = "fake-runner.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Such as `2.335.1`.
    pub version: String,
    pub pace: Pace,
}

/// How long things take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// How long one question for a job stays open.
    pub poll_ms: u64,
    /// Before a session is asked for again.
    pub session_retry_ms: u64,
    /// For how long a session that exists already is waited for.
    pub conflict_limit_ms: u64,
    /// After a question for a job that went wrong.
    pub poll_retry_ms: u64,
    /// Before the end of a job is told again.
    pub complete_retry_ms: u64,
    /// Between two renewals, in whose answers the fake service says that a job was canceled.
    pub renew_ms: u64,
    /// What a step has after SIGINT, before SIGTERM.
    pub interrupt_ms: u64,
    /// What it has after SIGTERM, before SIGKILL.
    pub terminate_ms: u64,
    /// How long the output of a step is read that others hold open after the step's own process ended.
    pub output_ms: u64,
    /// What a job has after the runner was told to stop.
    pub shutdown_ms: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} is not what a release knows of itself")]
    Parse {
        path: PathBuf,
        #[source]
        cause: serde_json::Error,
    },
}

impl Pace {
    /// As the official one, but that it hears of a cancellation at a renewal, and so renews each second.
    pub const OFFICIAL: Self = Self {
        poll_ms: 50_000,
        session_retry_ms: 30_000,
        conflict_limit_ms: 240_000,
        poll_retry_ms: 15_000,
        complete_retry_ms: 5_000,
        renew_ms: 1_000,
        interrupt_ms: 7_500,
        terminate_ms: 2_500,
        output_ms: 5_000,
        shutdown_ms: 30_000,
    };
    /// For tests that care for what happens and not for how long it takes. What a job may use to end is not shortened.
    pub const BRISK: Self = Self {
        poll_ms: 5_000,
        session_retry_ms: 100,
        conflict_limit_ms: 400,
        poll_retry_ms: 50,
        complete_retry_ms: 100,
        renew_ms: 100,
        interrupt_ms: 400,
        terminate_ms: 400,
        output_ms: 400,
        shutdown_ms: 30_000,
    };

    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
    pub(crate) fn session_retry(&self) -> Duration {
        Duration::from_millis(self.session_retry_ms)
    }
    pub(crate) fn conflict_limit(&self) -> Duration {
        Duration::from_millis(self.conflict_limit_ms)
    }
    pub(crate) fn poll_retry(&self) -> Duration {
        Duration::from_millis(self.poll_retry_ms)
    }
    pub(crate) fn complete_retry(&self) -> Duration {
        Duration::from_millis(self.complete_retry_ms)
    }
    pub(crate) fn renew(&self) -> Duration {
        Duration::from_millis(self.renew_ms)
    }
    pub(crate) fn interrupt(&self) -> Duration {
        Duration::from_millis(self.interrupt_ms)
    }
    pub(crate) fn terminate(&self) -> Duration {
        Duration::from_millis(self.terminate_ms)
    }
    pub(crate) fn output(&self) -> Duration {
        Duration::from_millis(self.output_ms)
    }
    pub(crate) fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }
}

impl Release {
    pub fn new(version: &str, pace: Pace) -> Self {
        Self { version: version.to_owned(), pace }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, ReleaseError> {
        let text = std::fs::read(path).map_err(|cause| ReleaseError::Read { path: path.to_owned(), cause })?;
        serde_json::from_slice(&text).map_err(|cause| ReleaseError::Parse { path: path.to_owned(), cause })
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("texts and numbers are JSON")
    }
}
