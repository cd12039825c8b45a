//! What happened: one row per execution, folded from what was said. A value; it decides nothing and reads nothing.

use hearth_model::{EndBasis, Ending, ExecutionId, JobFacts, Measures, Millis, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

use crate::observation::Place;

/// How far an execution has come.
///
/// ```text
/// accepted ──▶ running ──▶ ended      charged: whole minutes, at least one
///     └────────────┴─────▶ voided     never started: charged nothing
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Accepted,
    Running,
    Ended,
    Voided,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Voided => "voided",
        }
    }

    pub const fn is_open(self) -> bool {
        matches!(self, Self::Accepted | Self::Running)
    }
}

/// One job of one attempt on one runner, as the book knows it. `None` means that nobody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    pub id: ExecutionId,
    pub state: State,
    pub facts: Option<JobFacts>,
    pub place: Option<Place>,
    pub accepted_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// How long it ran; what that rests on is `end_basis`.
    pub ran: Option<Millis>,
    pub end_basis: EndBasis,
    pub outcome: Option<Outcome>,
    pub ending: Option<Ending>,
    pub measures: Option<Measures>,
    /// How often two clocks or two sources contradicted each other.
    pub disagreements: u32,
}

impl Execution {
    /// Whole minutes as a forge would bill them; `None` while the execution is open.
    pub fn billable_minutes(&self) -> Option<u64> {
        match self.state {
            State::Ended => self.ran.map(Millis::billable_minutes),
            State::Voided => Some(0),
            State::Accepted | State::Running => None,
        }
    }
}
