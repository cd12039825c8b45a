//! Warm targets: which snapshot a job gets, its private clone, and what becomes of it afterwards.
//!
//! ```text
//!              choose            take                 job ends
//!  snapshots ─────────▶ Warm ─────────▶ Held ─┬─ success, changed ────▶ Returned: a new snapshot
//!       none ─────────▶ Cold ─────────▶ Held ─┼─ success, untouched ──▶ Returned: ready for the next job
//!                                             └─ anything else ───────▶ Discarded
//!  found without an owner ─▶ Suspect ─▶ Discarded
//! ```
//!
//! A clone that is not known to be well is dropped, never repaired. Nothing here knows how a job runs.

mod choose;
pub mod commands;
mod finals;
mod give_back;
mod kept;
mod lane;
mod lease;
mod prepare;
mod retention;
mod snapshot;
mod store;
mod times;

pub use choose::{Candidate, Choice, choose};
pub use commands::ListedSnapshot;
pub use finals::link as link_final_artifacts;
pub use give_back::{GivenBack, Swept, Why};
pub use lane::{LaneKey, LanePaths};
pub use lease::{HandedOut, Lease, Origin};
pub use prepare::Upkept;
pub use snapshot::{Manifest, Snapshot};
pub use store::{Targets, TargetsError};
pub use times::{Restored, restore_checkout};
