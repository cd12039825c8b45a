//! The words of Hearth as types. Everything here is a value: no file, socket, clock reading or task.
//! Imports none of our crates; every other crate imports this one.

mod clock;
mod ids;
mod job;
mod outcome;
mod record;
mod scope;
mod units;

pub use clock::{Clock, ManualClock};
pub use ids::{ExecutionId, InvalidId, LaneId, SlotNumber, SnapshotId, WriterId};
pub use job::{Event, Forge, JobFacts, Ref, RunFacts, WorkTree};
pub use outcome::{Conclusion, Ending, Outcome};
pub use record::{CompileCounts, EndBasis, MeasuredBy, Measures, UsageReading, WarmTarget};
pub use scope::{InvalidScope, Scope};
pub use units::{Bytes, InvalidUnit, Millis, Timestamp};
