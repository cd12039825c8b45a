//! What anyone said about an execution: append-only, each thing once, never changed. Everything else in the book is
//! folded from these. Nothing here judges who is right; `fold` does.

use hearth_model::{ExecutionId, JobFacts, Measures, Millis, Outcome, SlotNumber, Timestamp};
use serde::{Deserialize, Serialize};

/// Who said it. The order of the variants has no meaning; `fold` ranks them field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Our own agent, by its own clock.
    Agent,
    /// A job hook inside the job.
    Hook,
    /// A scale-set message.
    ScaleSet,
    Webhook,
    Rest,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Hook => "hook",
            Self::ScaleSet => "scale_set",
            Self::Webhook => "webhook",
            Self::Rest => "rest",
        }
    }
}

/// The process that looks after an execution. Plain values of the caller's: they are compared, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub pid: u32,
    /// When the process started, in the system's own ticks; with the pid it names one process for ever.
    pub process_start_ticks: u64,
    pub boot_id: String,
}

/// Where an execution runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub machine: String,
    pub slot: SlotNumber,
    pub cpu_count: Option<u32>,
    pub owner: Owner,
}

/// Why an execution has no end that somebody saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The process that looked after it died; the machine lived on.
    Crashed,
    /// The machine went down: it now runs under another boot id.
    Lost,
}

impl Loss {
    /// What befell an execution whose owner is gone, seen from a machine that now runs under `boot_id`.
    pub fn of(owner: &Owner, boot_id: &str) -> Self {
        if owner.boot_id == boot_id { Self::Crashed } else { Self::Lost }
    }
}

/// The last sign of life of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Monotonic time since the start.
    pub ran: Millis,
    pub at: Timestamp,
}

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The job is ours. Written and synced before anything is started for it.
    Accepted {
        at: Timestamp,
        facts: Box<JobFacts>,
        place: Place,
    },
    /// The command is about to be started. Written before the process exists, so that no minute can go unseen; when
    /// it then cannot be started, say [`Outcome::NeverStarted`], which costs nothing.
    Started {
        at: Timestamp,
    },
    Measured {
        measures: Box<Measures>,
    },
    Ended {
        at: Timestamp,
        outcome: Outcome,
        /// Monotonic when the agent says it; the forge's whole seconds otherwise.
        ran: Millis,
    },
    /// Nobody saw the end. Written by whoever found the open row; any real end beats it.
    Lost {
        at: Timestamp,
        how: Loss,
        last_beat: Option<Beat>,
    },
}

/// One thing said, by whom, about which execution. `(source, event_id)` makes it unique: saying it twice adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub source: Source,
    /// For the agent `execution_id/sequence`; every other source has a key of its own that survives redelivery.
    pub event_id: String,
    pub execution: ExecutionId,
    /// When we heard it, by our clock.
    pub heard_at: Timestamp,
    pub fact: Fact,
}

impl Observation {
    /// What the agent itself saw. `sequence` counts the agent's observations of this execution.
    pub fn by_agent(execution: ExecutionId, sequence: u32, heard_at: Timestamp, fact: Fact) -> Self {
        Self { source: Source::Agent, event_id: format!("{execution}/{sequence}"), execution, heard_at, fact }
    }
}
