//! Making room: what an object is worth ([`Standing`]), how much may stay ([`Budgets`]), which go ([`Turn`]), all of it
//! pure, and the one task that removes them. It never holds up a request: requests only ring its bell.

mod budgets;
mod counts;
#[cfg(test)]
mod replay;
mod standing;
mod task;
mod turn;

pub(crate) use budgets::Budgets;
pub use budgets::{ClassLimit, Retention};
pub(crate) use counts::{Evictions, Reason};
pub(crate) use standing::{Class, Pin, Standing, counts};
pub(crate) use task::{Hand, collect_down_to, keep_house, keep_house_once};
pub(crate) use turn::{Candidate, Turn};
