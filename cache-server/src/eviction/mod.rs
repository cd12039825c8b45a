//! Making room: which objects go ([`to_evict`], pure), and the one task that removes them. It never holds up a request:
//! requests only ring its bell.

mod plan;
mod task;

pub(crate) use plan::{Watermarks, to_evict};
pub(crate) use task::{keep_house, keep_house_once};
