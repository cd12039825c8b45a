//! The keeper: the process that looks after one runner in one slot, from the start of the runner program to the record
//! of its job. The daemon starts it and hands it an [`Order`]; from then on it needs nobody. A daemon that is stopped,
//! killed or upgraded interrupts no job: the keeper goes on, and keeps the books by itself if it has to.
//!
//! ```text
//!  order ─▶ fresh directory ─▶ guard, view, hook socket ─▶ Started ─▶ runner program ─┬─ started hook ─▶ Busy
//!                                                                                     └─ ends ─▶ books ─▶ Finished
//! ```
//!
//! It never speaks to the forge; registrations are the daemon's.

mod container;
mod directory;
mod error;
mod group;
mod job;
mod keep;
mod open;
mod order;
mod outcome;
mod ownership;
mod program;
mod view;
mod written;

pub use directory::{BuildDirectory, WORK, clear};
pub use error::KeepError;
pub use keep::keep;
pub use order::Order;
pub use view::Setting;
