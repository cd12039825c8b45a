//! The tier behind this node's disk: another node or an object store. Slow, hung, full, gone or lying, it costs hits and
//! never a build: reads have a deadline and give up, writes wait in a list on disk.

mod absent;
mod carry;
mod config;
mod counts;
mod fetch;
mod file;
mod flights;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod probe;
mod queue;
mod record;
mod remote;
mod seal_key;
mod sealed;
mod tier;
mod warm;

pub(crate) use carry::carry;
pub use config::{S3Credentials, UpstreamConfig, UpstreamMode, UpstreamPlace};
pub(crate) use fetch::Arriving;
pub use file::{AzureFile, GcsFile, InvalidUpstream, PeerFile, S3File, UpstreamFile, UpstreamSettings};
pub use probe::{Unreachable, probe_upstream};
pub(crate) use record::record_of;
pub(crate) use remote::connect;
pub use remote::{RemoteError, UpstreamError};
pub(crate) use seal_key::SealKey;
pub(crate) use sealed::{Broken as Unsealed, Opener};
pub(crate) use tier::Tier;
pub use tier::UpstreamStatus;
pub(crate) use warm::warm;
pub use warm::{WarmError, Warmed};
