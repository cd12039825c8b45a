//! What one execution used. `None` means *not measured*; zero means measured as zero.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::words;
use crate::{Bytes, Millis};

words! {
    /// How much of the warm target directory fitted the job.
    WarmTarget {
        /// Same commit tree, lock file, toolchain and flags.
        Exact = "exact",
        /// Reused with changes.
        Partial = "partial",
        /// Cold.
        None = "none",
        /// Nobody looked.
        Unknown = "unknown",
    }
}

words! {
    /// What a duration rests on.
    EndBasis {
        Open = "open", Monotonic = "monotonic", Reported = "reported", Heartbeat = "heartbeat", Estimated = "estimated",
    }
}

words! {
    /// Who counted CPU time and memory.
    MeasuredBy { Cgroup2 = "cgroup2", Wait4 = "wait4", JobObject = "job_object", None = "none" }
}

/// CPU, memory and I/O of a job's whole process tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReading {
    pub cpu_us: Option<u64>,
    pub peak_rss: Option<Bytes>,
    pub read: Option<Bytes>,
    pub written: Option<Bytes>,
    pub cpu_count: Option<u32>,
    pub measured_by: MeasuredBy,
}

impl UsageReading {
    pub const NOT_MEASURED: Self = Self {
        cpu_us: None,
        peak_rss: None,
        read: None,
        written: None,
        cpu_count: None,
        measured_by: MeasuredBy::None,
    };
}

/// Compiler calls of one job, as its sccache daemon counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileCounts {
    pub requests: u64,
    pub hits: u64,
    pub misses: u64,
    /// Calls that no cache can serve: links, build scripts, proc macros, incremental crates.
    pub uncacheable: u64,
    pub errors: u64,
}

/// Everything measured about one execution beside its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measures {
    pub usage: UsageReading,
    pub warm_target: WarmTarget,
    pub warm_bytes: Option<Bytes>,
    /// `None` when no wrapper was set or its counts could not be read.
    pub compile: Option<CompileCounts>,
    /// Time inside the compiler that was not waste, and all of it.
    pub compile_useful: Option<Millis>,
    pub compile_total: Option<Millis>,
    /// Digest of source tree, profile, features, lock file, toolchain and flags: two equal ones are one build.
    pub build_fingerprint: Option<String>,
    /// At least half of the build's units were compiled, neither fresh nor served by a cache.
    pub full_build: Option<bool>,
}
