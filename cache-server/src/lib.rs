//! The compile cache node. It stores what compilers made, below a repository and a scope, and gives it back only to
//! jobs that may have it ([`Node`]); and it stands before a job's sccache daemon as its near node ([`Relay`]).
//!
//! What must never happen: a build that fails or hangs because of the cache; bytes of one repository or scope that
//! another may not read; an object served that is not, bit for bit, what was stored. What may happen: a miss.

mod access;
mod appender;
mod book;
mod breaker;
mod catalog;
mod config;
mod counts;
mod disk;
mod error;
mod eviction;
mod far;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod health;
mod http;
mod index;
mod keys;
mod memory;
mod metrics;
#[cfg(test)]
mod million;
mod node;
mod objects;
mod parts;
mod reads;
mod relay;
mod savings;
mod secret;
mod segments;
mod store;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod testing;
mod transport;
mod upkeep;
mod uploads;
mod upstream;

// The program, not the library that agents embed.
pub mod cli;
mod control;
mod dashboard;
mod environment;
mod serve;
mod settings;

pub use access::{
    AccessError, AccessFiles, Allowance, Allowances, Book, BookError, Groups, GroupsError, InvalidKind, InvalidRealm,
    InvalidRight, Kind, Lists, Objects, Rate, RealmPattern, Revocation, RevocationError, Revocations, Revoked, Right,
    Rights, StoredToken,
};
pub use config::{Durability, Limits, NodeConfig, Ownership};
pub use error::NodeError;
pub use eviction::{ClassLimit, Retention};
pub use far::{FarConfig, FarError, FarNode, ProbeError};
pub use http::gha::ArtifactLife;
pub use http::public::{NotPublic, PublicUrl};
pub use metrics::{Minute, SlowRequest};
pub use node::{DiskState, IndexState, Node, NodeStatus, ScopeSize, Scopes, TierHits, trim};
pub use relay::{Backend, Relay, RelayCounts, RelayError};
pub use savings::{JobSavings, MissedCrate, Misses, RealmSavings, SavingsReport};
pub use secret::Secret;
pub use transport::{Certificates, ClientCertificates, Listener, TlsError, TlsFiles};
pub use upstream::{
    AzureFile, GcsFile, InvalidUpstream, PeerFile, RemoteError, S3Credentials, S3File, Unreachable, UpstreamConfig,
    UpstreamError, UpstreamFile, UpstreamMode, UpstreamPlace, UpstreamSettings, UpstreamStatus, WarmError, Warmed,
    probe_upstream,
};
