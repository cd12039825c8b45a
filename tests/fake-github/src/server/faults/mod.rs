//! What goes wrong on purpose: single faults on command, and a random plan that a seed repeats.

mod kind;
mod plan;

pub use kind::FaultKind;
pub use plan::{Faults, Injection};

pub(crate) use kind::Effect;
pub(crate) use plan::Plan;
