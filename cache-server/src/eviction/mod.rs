//! Making room: which objects go ([`to_evict`], pure), and the one task that removes them. It never holds up a request:
//! requests only ring its bell.

#[cfg_attr(not(test), expect(dead_code, reason = "for the index that comes next"))]
mod budgets;
mod plan;
#[cfg(test)]
mod replay;
#[cfg_attr(not(test), expect(dead_code, reason = "for the index that comes next"))]
mod standing;
mod task;
#[cfg_attr(not(test), expect(dead_code, reason = "for the index that comes next"))]
mod turn;

pub use budgets::{ClassLimit, Retention};
pub(crate) use plan::{Watermarks, to_evict};
pub(crate) use task::{keep_house, keep_house_once};
