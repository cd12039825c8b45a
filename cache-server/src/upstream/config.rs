//! What an operator says about the tier behind the disk.

use std::path::PathBuf;
use std::time::Duration;

use hearth_model::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::UpstreamFile;
use crate::secret::Secret;

/// The place behind a node, and how it is treated.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    pub place: UpstreamPlace,
    /// Whether it is asked at all from the start.
    pub mode: UpstreamMode,
    /// Requests at once, reads and writes each.
    pub calls: usize,
    /// A whole read, however steadily it trickles. Its beginning has to come within the node's own read limit.
    pub whole_read: Duration,
    /// A whole write.
    pub write: Duration,
    /// How long an answer that there is no such object is believed.
    pub absent: Duration,
    /// Bigger objects stay here.
    pub max_object: Bytes,
    /// What may wait to go up.
    pub queue_objects: usize,
    pub queue_bytes: Bytes,
    /// So many failures in a row, and it is not asked for `breaker_pause`.
    pub breaker_failures: u32,
    pub breaker_pause: Duration,
}

/// Whether the upstream is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamMode {
    /// It is, for what is not here, and gets what is stored here.
    Online,
    /// It is, for what is not here, and gets nothing: what is stored here meanwhile never goes there, and what waited
    /// before waits on.
    ReadOnly,
    /// Nothing is asked of it; what has to go up waits.
    Offline,
}

/// Where records are kept.
#[derive(Debug, Clone)]
pub enum UpstreamPlace {
    /// Another node, like `https://cache.example:8900/`, with a token that has the right of a peer.
    Peer { endpoint: String, token: Secret, ca: Option<PathBuf> },
    /// S3 or something that speaks like it; without an endpoint, Amazon's.
    S3 {
        bucket: String,
        region: String,
        endpoint: Option<String>,
        prefix: String,
        credentials: Option<S3Credentials>,
        ca: Option<PathBuf>,
    },
    /// Google Cloud Storage. Without credentials, those of the machine.
    Gcs { bucket: String, prefix: String, credentials: Option<PathBuf> },
    /// Azure Blob Storage.
    Azure { container: String, endpoint: String, prefix: String, account: String, key: Secret },
}

#[derive(Debug, Clone)]
pub struct S3Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret,
}

impl UpstreamConfig {
    /// A place, treated as where nobody says otherwise.
    pub fn new(place: UpstreamPlace) -> Self {
        UpstreamFile::default().with_place(place)
    }
}
