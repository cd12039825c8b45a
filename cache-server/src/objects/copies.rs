//! Objects made of objects: a caller's read and his write without the way over his wire. He gets nothing by it that he
//! could not have read and stored himself.

use std::sync::Arc;

use crate::http::inflow::Inflow;
use crate::objects::NodeObjects;
use crate::reads::Found;

impl NodeObjects {
    /// What was found, as a body that comes in.
    pub(crate) fn inflow_of(&self, found: Found) -> Inflow {
        let length = found.range.end - found.range.start;
        // Bytes that never were on a wire are no traffic.
        Inflow::of_stream(found.body.into_stream(), length, &self.store.config.limits, Arc::default())
    }
}
