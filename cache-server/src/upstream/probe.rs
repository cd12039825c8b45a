//! Whether an upstream is there and lets us in: for a person who asks, never on the way of a request.

use std::time::Duration;

use super::remote::{Remote as _, RemoteError, connect};
use super::{UpstreamConfig, UpstreamError};
use crate::keys::ObjectName;

/// A name that no object has.
pub(super) const NOBODY: ObjectName = ObjectName::from_bytes([0; 32]);

/// Why an upstream would be of no use now.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    #[error(transparent)]
    Place(UpstreamError),
    #[error(transparent)]
    Remote(RemoteError),
}

/// Asks for an object that is not there: any answer but a refusal will do.
pub async fn probe_upstream(config: &UpstreamConfig, patience: Duration) -> Result<(), Unreachable> {
    let remote = connect(&config.place).map_err(Unreachable::Place)?;
    remote.get(NOBODY, patience).await.map(drop).map_err(Unreachable::Remote)
}
