//! Control groups, version 2: a slot's processes as one thing that is limited, counted and killed together, however
//! they detach themselves. Version 1 is left alone.
//!
//! ```text
//!   …/hearth.service        ours by the word of the service manager (`Delegate=yes`)
//!     ├─ agent              the daemon and whoever looks after a job
//!     └─ slots
//!          ├─ 0             a guard and everything below it; limits, counts, the last kill
//!          └─ 1
//! ```
//!
//! Killing and CPU time work wherever there is a version 2 hierarchy; limits need controllers that the machine lets us
//! have. What it does not is said and done without.

mod cgroup;
mod delegation;
mod files;
mod limits;
mod reading;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as platform;

pub use cgroup::{Cgroup, CgroupError};
pub use delegation::{Cgroups, Delegation, DelegationError, Standing, Withheld};
pub use limits::{Cpus, InvalidCpus, IoLimit, Limits, NotApplied, OnOutOfMemory, Weight};
pub use reading::{Pressure, Reading, has_run_out_of_memory};

/// What limits and counts one kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    Cpu,
    Io,
    Memory,
    Pids,
}

impl Controller {
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Io, Self::Memory, Self::Pids];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Io => "io",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }
}

impl std::fmt::Display for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
