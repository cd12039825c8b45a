//! What a node is told when it is opened. The agent's and the server's configuration files are checked into these
//! types; nothing here reads a file or the environment.

use std::path::PathBuf;
use std::time::Duration;

use hearth_model::Bytes;

use crate::access::{Allowances, Groups};
use crate::eviction::Retention;
use crate::http::gha::ArtifactLife;
use crate::http::public::PublicUrl;
use crate::upstream::UpstreamConfig;

/// One node's store and its limits.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The directory that belongs to this node and to nobody else.
    pub root: PathBuf,
    /// How much disk the stored objects may take.
    pub budget: Bytes,
    /// How much of the file system is left to others.
    pub free_reserve: Bytes,
    /// Bigger objects are refused.
    pub max_object: Bytes,
    /// Memory for objects that were read lately; zero switches this tier off.
    pub memory: Bytes,
    pub limits: Limits,
    pub ownership: Ownership,
    /// Repositories that share what they trust.
    pub groups: Groups,
    /// How much each scope but the trusted one may hold; `None` leaves that to eviction.
    pub scope_quota: Option<Bytes>,
    /// What callers may do, by kind.
    pub allowances: Allowances,
    /// The tier behind the disk.
    pub upstream: Option<UpstreamConfig>,
    pub durability: Durability,
    /// How the budget is divided, and what goes by age.
    pub retention: Retention,
    /// How long artifacts of runs are kept.
    pub artifacts: ArtifactLife,
    /// Where clients find this node; `None` for what each of them says himself.
    pub public_url: Option<PublicUrl>,
}

/// When what was stored reaches the disk. Whatever is chosen, a power cut can only lose objects: what it tore is a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the system thinks fit, usually within half a minute.
    None,
    /// Within [`Limits::sync`], behind the answers.
    Batch,
    /// Before the answer. Writes that come together share the wait.
    Every,
}

/// Whether other nodes may have the directory open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// This node knows everything that the directory holds, answers misses from memory and keeps to the budget. While
    /// nodes that share it are left from before, it asks the disk, and takes over when the last of them is gone.
    Alone,
    /// Short-lived nodes of several processes share it. None of them has the whole account, so none evicts; whoever
    /// keeps the directory calls [`crate::trim`] now and then.
    Shared,
}

impl NodeConfig {
    /// A node at `root` with `budget`, everything else at its default.
    pub fn new(root: PathBuf, budget: Bytes) -> Self {
        Self {
            root,
            budget,
            free_reserve: Bytes::gib(1),
            max_object: Bytes::gib(1),
            memory: Bytes::mib(64),
            limits: Limits::default(),
            ownership: Ownership::Alone,
            upstream: None,
            groups: Groups::default(),
            scope_quota: None,
            allowances: Allowances::default(),
            durability: Durability::Batch,
            retention: Retention::default(),
            artifacts: ArtifactLife::default(),
            public_url: None,
        }
    }
}

/// How long and how many. sccache waits 60 seconds for a read and for ever for a write, so the patience has to be here.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A read that the disk or the far node has not begun to answer by then is a miss.
    pub read: Duration,
    /// A write that is not done by then, counted without the time that the client takes to send, is given up.
    pub write: Duration,
    /// A client that neither sends nor takes a byte for this long is cut off.
    pub client_stall: Duration,
    /// The longest that one upload may take, however steadily it trickles.
    pub upload: Duration,
    /// The longest between two requests of a connection. Longer than clients keep idle connections (reqwest: 90 s), so
    /// that they close first and no request meets a closing connection.
    pub idle: Duration,
    /// The longest that a handshake and the head of a request may take, each from its first byte to its last.
    pub head: Duration,
    /// Further connections are closed at once.
    pub connections: usize,
    /// The same for the connections of one address.
    pub connections_per_peer: usize,
    /// Requests under way on one connection of HTTP/2.
    pub streams: u32,
    /// A stop waits this long for requests that are under way.
    pub stop: Duration,
    /// Times of last use are written to disk this often.
    pub touch: Duration,
    /// With [`Durability::Batch`], the longest that an object waits for reaching the disk.
    pub sync: Duration,
    /// The time in which everything on disk is checked once.
    pub scrub: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(1),
            write: Duration::from_secs(2),
            client_stall: Duration::from_secs(10),
            upload: Duration::from_mins(1),
            idle: Duration::from_mins(2),
            head: Duration::from_secs(10),
            connections: 1024,
            connections_per_peer: 512,
            streams: 64,
            stop: Duration::from_secs(5),
            touch: Duration::from_mins(5),
            sync: Duration::from_secs(1),
            scrub: Duration::from_hours(7 * 24),
        }
    }
}
