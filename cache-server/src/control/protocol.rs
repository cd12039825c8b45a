//! What is said over the control socket: the desk greets with its version, the command asks one question, and the desk
//! answers with any number of words, the last of which is [`Said::Done`] or [`Said::Failed`]. An archive goes in pieces,
//! each behind its length, of which the last one is empty. One that cannot be ended has [`BROKEN_OFF`] where the next
//! length would be, and words again behind it.

use std::io;
use std::path::PathBuf;

use hearth_daemon::frames;
use hearth_model::{Bytes, Millis, Scope, WriterId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::node::NodeStatus;
use crate::upstream::UpstreamStatus;

/// No word is longer: keys and realms are bounded.
const LARGEST_WORD: u32 = 64 << 10;
/// No piece of an archive is longer.
pub(crate) const LARGEST_PIECE: u32 = 1 << 20;
/// Instead of a piece's length: no more comes, and it is not the end.
const BROKEN_OFF: u32 = u32::MAX;

/// What a command wants. Not printable: a token may be in it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    Stats,
    List {
        which: Which,
        limit: u64,
    },
    /// Read everything and compare it with its checksums.
    Verify,
    /// Evict and compact now.
    Collect {
        to: Option<Bytes>,
    },
    Pin {
        which: Which,
    },
    Unpin {
        which: Which,
    },
    /// Fetch what another node has and this one lacks.
    Warm {
        endpoint: String,
        token: String,
        /// Certificates to trust beside the system's.
        ca: Option<PathBuf>,
    },
    Export {
        which: Which,
    },
    /// Pieces follow.
    Import,
}

/// Which objects are meant: those for which everything that is said holds
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub(crate) struct Which {
    /// Of this repository, host/owner/name, or group, group:name
    #[arg(long)]
    pub(crate) realm: Option<String>,
    /// Of this scope: trusted, branch/<name>, pr/<number> or run/<number>
    #[arg(long)]
    pub(crate) scope: Option<Scope>,
    /// With exactly this key
    #[arg(long, conflicts_with = "prefix")]
    pub(crate) key: Option<String>,
    /// With keys that begin like this
    #[arg(long)]
    pub(crate) prefix: Option<String>,
}

/// What the desk says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    Stats(Box<Stats>),
    Scope(ScopeUse),
    Object(Box<ObjectLine>),
    Damaged(Damage),
    /// The work goes on: how far it has come, in words.
    Progress(String),
    /// Pieces of an archive follow.
    Archive,
    Done(Report),
    Failed {
        why: String,
    },
}

/// How the store is. Counts are since it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) version: String,
    pub(crate) process: u32,
    /// How long the store has been open.
    pub(crate) open_for: Millis,
    pub(crate) node: NodeStatus,
    /// Hits that memory answered.
    pub(crate) memory_hits: u64,
    pub(crate) evicted_bytes: Bytes,
    pub(crate) upstream: Option<UpstreamStatus>,
}

/// What a scope holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScopeUse {
    pub(crate) realm: String,
    pub(crate) scope: Scope,
    pub(crate) objects: u64,
    pub(crate) bytes: Bytes,
}

/// One object of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectLine {
    pub(crate) realm: String,
    pub(crate) scope: Scope,
    pub(crate) key: String,
    pub(crate) length: Bytes,
    pub(crate) writer: WriterId,
    pub(crate) stored_at: String,
    pub(crate) used_at: String,
    /// How long it took to make, as far as somebody knows.
    pub(crate) cost: Option<Millis>,
    pub(crate) pinned: bool,
}

/// An object that is not what was stored. It is a miss from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Damage {
    pub(crate) object: String,
    /// Realm, scope and key, where the log still has them.
    pub(crate) address: Option<[String; 3]>,
    pub(crate) why: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    Shown { shown: u64 },
    Verified { objects: u64, bytes: Bytes, damaged: u64 },
    Collected { evicted: u64, freed: Bytes, objects: u64, bytes: Bytes },
    Pinned { objects: u64 },
    Warmed { seen: u64, present: u64, fetched: u64, bytes: Bytes, failed: u64 },
    Exported { objects: u64, bytes: Bytes, unreadable: u64, lost_log: Bytes },
    Imported { stored: u64, present: u64, bytes: Bytes, refused: u64, missing: u64 },
}

impl Report {
    /// Whether something was found that somebody should look at.
    pub(crate) fn is_clean(self) -> bool {
        match self {
            Self::Verified { damaged: count, .. } | Self::Warmed { failed: count, .. } => count == 0,
            Self::Exported { unreadable, lost_log, .. } => unreadable == 0 && lost_log == Bytes(0),
            Self::Imported { refused, missing, .. } => refused == 0 && missing == 0,
            Self::Shown { .. } | Self::Collected { .. } | Self::Pinned { .. } => true,
        }
    }
}

/// Both sides are one program, or do not talk.
pub(super) fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

pub(super) async fn send(stream: &mut UnixStream, value: &impl Serialize) -> io::Result<()> {
    frames::send(stream, value, LARGEST_WORD).await
}

pub(super) async fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    frames::receive(stream, LARGEST_WORD).await
}

/// Sends a piece of an archive; an empty one is the end.
pub(crate) async fn send_piece(stream: &mut UnixStream, piece: &[u8]) -> io::Result<()> {
    let length = u32::try_from(piece.len()).ok().filter(|length| *length <= LARGEST_PIECE);
    stream.write_u32_le(length.ok_or(io::ErrorKind::InvalidInput)?).await?;
    stream.write_all(piece).await?;
    stream.flush().await
}

/// Says in the midst of an archive that no more of it comes.
pub(super) async fn break_off(stream: &mut UnixStream) -> io::Result<()> {
    stream.write_u32_le(BROKEN_OFF).await
}

/// What comes of an archive.
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    End,
    BrokenOff,
}

/// The next piece of an archive.
pub(crate) async fn receive_piece(stream: &mut UnixStream) -> io::Result<Piece> {
    let length = stream.read_u32_le().await?;
    if length == BROKEN_OFF {
        return Ok(Piece::BrokenOff);
    }
    if length > LARGEST_PIECE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the piece is too large"));
    }
    let mut piece = Vec::new();
    if stream.take(u64::from(length)).read_to_end(&mut piece).await? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(if piece.is_empty() { Piece::End } else { Piece::Bytes(piece) })
}
