//! Filling a node from another one, or from an object store: names page by page, a few records at once, only what is
//! missing. What was fetched stays, so that one that was broken off goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::time::timeout;

use super::fetch::{Trouble, begin, piece};
use super::remote::{AnyRemote, Remote as _, RemoteError};
use super::sealed::Opener;
use super::{SealKey, UpstreamError};
use crate::access::Gate;
use crate::keys::ObjectName;
use crate::store::Store;
use crate::uploads::{Failure, Upload};

/// Names of one page.
const PAGE: usize = 1000;
/// Until a page or a record begins to come, and until a record has come whole. Nobody waits for these.
const BEGIN: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_mins(10);

/// How far it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warmed {
    /// Names that the other side has.
    pub seen: u64,
    /// Of those, what was here already.
    pub present: u64,
    pub fetched: u64,
    pub fetched_bytes: u64,
    /// What could not be had: gone meanwhile, revoked here, another realm's, not sealed by this fleet, broken off.
    pub failed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    #[error("cannot use the other side")]
    Place(#[source] UpstreamError),
    #[error("cannot list what the other side has")]
    List(#[source] RemoteError),
    #[error("the other side did not list what it has within {} seconds", BEGIN.as_secs())]
    Silent,
    #[error("there is no more room in the cache")]
    Full,
}

enum Brought {
    Here(u64),
    Not,
    NoRoom,
}

pub(crate) async fn warm(
    store: &Arc<Store>,
    seal: &SealKey,
    gate: &Gate,
    remote: &AnyRemote,
    calls: usize,
    progress: impl Fn(&Warmed),
) -> Result<Warmed, WarmError> {
    let mut warmed = Warmed::default();
    let mut after = None;
    loop {
        let page = timeout(BEGIN, remote.list(after, PAGE)).await;
        let names = page.map_err(|_| WarmError::Silent)?.map_err(WarmError::List)?;
        let Some(last) = names.last() else { return Ok(warmed) };
        after = Some(*last);
        warmed.seen += names.len() as u64;
        let missing: Vec<_> = names.into_iter().filter(|name| !store.book.index.contains(*name)).collect();
        warmed.present = warmed.seen - warmed.fetched - warmed.failed - missing.len() as u64;
        let mut brought = stream::iter(missing)
            .map(|name| async move {
                let whole = timeout(WHOLE, bring(store, seal, gate, remote, name));
                whole.await.unwrap_or(Brought::Not)
            })
            .buffer_unordered(calls.max(1));
        while let Some(brought) = brought.next().await {
            match brought {
                Brought::Here(bytes) => {
                    warmed.fetched += 1;
                    warmed.fetched_bytes += bytes;
                }
                Brought::Not => warmed.failed += 1,
                Brought::NoRoom => return Err(WarmError::Full),
            }
            progress(&warmed);
        }
        progress(&warmed);
    }
}

async fn bring(store: &Arc<Store>, seal: &SealKey, gate: &Gate, remote: &AnyRemote, name: ObjectName) -> Brought {
    let Ok(Some(mut pieces)) = remote.get(name, BEGIN).await else { return Brought::Not };
    let mut opener = Opener::new(seal.clone(), name);
    let taken = async {
        let (head, first) = begin(&mut opener, &mut pieces).await?;
        if head.is_revoked(gate) {
            return Err(NotBrought::Other);
        }
        let length = head.length;
        let mut upload = Upload::begin(store, head.into_offer()).await?;
        upload.write(first).await?;
        while let Some(piece) = piece(&mut opener, &mut pieces).await? {
            upload.write(piece).await?;
        }
        upload.file().await?;
        Ok::<_, NotBrought>(length)
    };
    match taken.await {
        Ok(length) => Brought::Here(length),
        Err(NotBrought::NoRoom) => Brought::NoRoom,
        Err(NotBrought::Other) => Brought::Not,
    }
}

enum NotBrought {
    NoRoom,
    Other,
}

impl From<Trouble> for NotBrought {
    fn from(_: Trouble) -> Self {
        Self::Other
    }
}

impl From<Failure> for NotBrought {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoRoom => Self::NoRoom,
            Failure::TooLarge | Failure::TooSlow | Failure::Short | Failure::Malformed => Self::Other,
        }
    }
}
