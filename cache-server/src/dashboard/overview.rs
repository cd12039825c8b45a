//! One reading of a node.

use hearth_model::Timestamp;

use crate::metrics::{Minute, SlowRequest};
use crate::node::{Node, NodeStatus, Scopes, TierHits};
use crate::savings::SavingsReport;
use crate::upstream::UpstreamStatus;

/// Scopes, crates and repositories that are listed by name.
const LISTED: usize = 10;

#[derive(Debug)]
pub(super) struct Overview {
    pub(super) read_at: Timestamp,
    pub(super) status: NodeStatus,
    pub(super) tiers: TierHits,
    pub(super) minutes: Vec<Minute>,
    pub(super) slowest: Vec<SlowRequest>,
    pub(super) savings: SavingsReport,
    pub(super) scopes: Scopes,
    pub(super) upstream: Option<UpstreamStatus>,
}

impl Overview {
    pub(super) fn read(node: &Node) -> Self {
        Self {
            read_at: node.now(),
            status: node.status(),
            tiers: node.tier_hits(),
            minutes: node.minutes(),
            slowest: node.slowest(),
            savings: node.savings(LISTED),
            scopes: node.scopes(LISTED),
            upstream: node.upstream(),
        }
    }
}
