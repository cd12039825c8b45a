//! From the forge's demand to runners in slots. One task owns the slots and decides who gets one; one task per place at
//! the forge listens; one task per runner walks it from its intent to a clean slot.
//!
//! ```text
//!  listen (one per place) ──Wanted──▶ board ──slot──▶ walk: intent ─▶ register ─▶ keeper ─▶ … ─▶ clean ──Ended──▶ board
//!        ▲ capacity ─────────────────┘                                                                  │
//!        └── messages: into the ledger, then acknowledged                     sweep: registrations of nobody ──┘
//! ```
//!
//! Whatever dies here, jobs go on: a job is looked after by its keeper, and the slot's record tells the next daemon.

mod adopt;
mod board;
mod control;
mod counts;
mod ends;
mod heard;
mod keepers;
mod labels;
mod leave;
mod listen;
mod names;
mod news;
mod open;
mod patience;
mod plan;
mod room;
mod sweep;
mod walk;

#[cfg(test)]
mod flat;

pub use control::{BoardState, Control, PlaceFigures, PlaceShown, Standing};
pub use counts::RunnerTally;
pub use heard::Heard;
pub use keepers::{KEEPER_COMMAND, Keepers, Runners, Running, StartFailure};
pub use labels::Proof;
pub use leave::Presence;
pub use listen::Place;
pub use names::Names;
pub use open::{Dispatch, DispatchError};
pub use walk::Pace;
