//! What is said over the socket: the daemon greets with its version, the caller asks one
//! question, the daemon answers it, then the connection is closed. The greeting comes first so that a caller knows at
//! once whether anybody is awake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hearth_model::{ExecutionId, Millis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::dispatch::BoardState;
use crate::journey::{Begun, Finish, Intent, Receipt, Wish};
use crate::targets::Lease;
use hearth_daemon::frames;

/// The listing of a large checkout is a few MB; more than this is no listing.
const LARGEST: u32 = 256 << 20;

/// Giving back a clone walks it once and may hash nothing; a slow disk gets its time.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Begin(Box<Intent>),
    Lease(Box<Wish>),
    Started(ExecutionId),
    Beat {
        execution: ExecutionId,
        ran: Millis,
    },
    Finish(Box<Finish>),
    /// How the daemon stands to the places that it serves.
    Show,
    /// Take no jobs any more; noted when none is taken.
    Drain,
    /// Answered when no runner is left after that.
    AwaitDrained,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Begun {
        begun: Box<Begun>,
        node: SocketAddr,
        token: String,
    },
    Leased(Box<Lease>),
    Noted,
    Finished(Box<Receipt>),
    Shown(Box<BoardState>),
    Drained,
    /// The question was understood and could not be carried out.
    Failed {
        why: String,
    },
}

/// Both sides are one binary, or do not talk.
pub(super) fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

pub(super) async fn send(stream: &mut UnixStream, value: &impl Serialize) -> io::Result<()> {
    frames::send(stream, value, LARGEST).await
}

pub(super) async fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    frames::receive(stream, LARGEST).await
}
