//! The guard: a small process between us and a job. It is the parent of everything the job starts, however the job
//! detaches it, and it ends all of it, whether the job ended, we asked, or we died.
//!
//! ```text
//!   us ──socket── guard ──┬── sccache daemon
//!    │                    └── command ── its children …  (orphans come back to the guard)
//!    └ dies: the guard sees the socket close and ends everything
//!      guard dies: the kernel ends its direct children, the rest comes to us and we end it
//! ```
//!
//! Messages are one JSON object per line. The guard knows nothing of jobs, leases or scopes.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use hearth_model::{Bytes, MeasuredBy, UsageReading};
use serde::{Deserialize, Serialize};

use crate::users::Identity;
use crate::view::{View, ViewError};

mod client;
mod log;
mod output;
mod process;
mod start;

pub use client::Guard;
pub use output::LINE_LIMIT;
pub use process::run;

/// A text as the system has it: any bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Raw(Vec<u8>);

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_os().fmt(f)
    }
}

impl<T: Into<OsString>> From<T> for Raw {
    fn from(text: T) -> Self {
        Self(text.into().into_vec())
    }
}

impl From<Raw> for PathBuf {
    fn from(text: Raw) -> Self {
        OsString::from_vec(text.0).into()
    }
}

impl Raw {
    fn as_os(&self) -> &std::ffi::OsStr {
        std::ffi::OsStr::from_bytes(&self.0)
    }
}

/// Where a process's output goes. Its input is the guard's own for `Inherit` and empty otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdio {
    Inherit,
    Null,
    /// Output and errors together into a file, by way of the guard.
    Log(Log),
}

/// A file that takes a process's output and never grows beyond a limit: it begins anew at half of it, and what was
/// there before stands beside it with `.old` behind its name. Nobody but its owner may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    pub path: Raw,
    /// Of both files together.
    pub limit_bytes: u64,
    pub lines: Lines,
}

/// Whether we hear of each line as well, by [`Event::Line`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    Told,
    Untold,
}

/// What a process's environment is made of before its own variables are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentBase {
    /// The guard's own environment, which is that of whoever started it.
    Inherited,
    /// Nothing at all.
    Empty,
}

/// A process to start.
#[derive(Clone, Serialize, Deserialize)]
pub struct Start {
    /// Our name for it in events.
    pub name: String,
    pub program: Raw,
    pub arguments: Vec<Raw>,
    pub directory: Raw,
    pub environment_base: EnvironmentBase,
    /// Changes to the base: `None` removes.
    pub environment: Vec<(Raw, Option<Raw>)>,
    pub stdio: Stdio,
    /// As whom it runs; `None` is as the guard.
    pub identity: Option<Identity>,
}

impl fmt::Debug for Start {
    /// Variables by name only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Start")
            .field("name", &self.name)
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("directory", &self.directory)
            .field("environment_base", &self.environment_base)
            .field("environment", &names)
            .field("stdio", &self.stdio)
            .field("identity", &self.identity)
            .finish()
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Enter a private mount namespace; answered by `Entered`.
    Enter,
    /// Put a view together in that namespace; answered by `Assembled`.
    Assemble(View),
    Start(Start),
    /// Send a signal to a process and all that descends from it.
    Signal {
        name: String,
        number: i32,
    },
    /// End everything; answered by `Swept`, after which the guard ends.
    Sweep,
}

/// What the guard tells us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Entered {
        errno: Option<i32>,
    },
    Assembled {
        refusal: Option<ViewError>,
    },
    Started {
        name: String,
        pid: u32,
    },
    NotStarted {
        name: String,
        errno: i32,
    },
    /// A line that a process wrote, cut at [`LINE_LIMIT`]. Those of a process come before its `Ended`.
    Line {
        name: String,
        text: String,
        /// Lines before this one that were not told because there were too many of them at once.
        left_out: u64,
    },
    Ended {
        name: String,
        how: How,
    },
    Swept {
        ended: u32,
        remaining: u32,
        usage: Usage,
    },
    /// The guard is gone without having said so. Our own sweep has run.
    GuardLost,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Exited(i32),
    Signaled(i32),
}

/// What all processes that the guard has waited for used together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub cpu_us: u64,
    /// Of the largest single process.
    pub peak_rss: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
}

impl Usage {
    pub fn reading(self) -> UsageReading {
        UsageReading {
            cpu_us: Some(self.cpu_us),
            peak_rss: Some(Bytes(self.peak_rss)),
            read: Some(Bytes(self.read_bytes)),
            written: Some(Bytes(self.written_bytes)),
            cpu_count: std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok()),
            measured_by: MeasuredBy::Wait4,
        }
    }
}

/// The one error of a guard: it cannot be started or spoken to.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("cannot start the guard process {program}")]
    Start {
        program: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot speak to the guard process")]
    Speak {
        #[source]
        cause: io::Error,
    },
}
