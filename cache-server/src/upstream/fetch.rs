//! Reading through: what this node lacks is asked for upstream, sent to the client while it comes, and kept on disk. Only
//! the beginning is waited for, and no longer than the patience that is left; the rest has to come at a pace, or the client
//! is told the truth by a broken answer: sccache then compiles. The first client may go away, the object stays.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::flights::{Boarding, Flight};
use super::remote::{Pieces, Remote as _, RemoteError};
use super::sealed::{Broken as Unsealed, Head, Opener};
use super::tier::Tier;
use crate::disk::{Patience, TooSlow};
use crate::keys::ObjectName;
use crate::reads::{Broken, Found, FoundBody, Nothing, Part, find_named};
use crate::store::{Info, Store};
use crate::uploads::Upload;

/// Pieces between the upstream and the client.
const PIECES_IN_FLIGHT: usize = 8;
/// Bytes of one second. An object that comes more slowly is compiled sooner than read.
const LEAST_PACE: u64 = 1024 * 1024;

/// An object on its way from the upstream to a client.
#[derive(Debug)]
pub(crate) struct Arriving {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Arriving {
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.rest.poll_recv(cx),
        };
        next.map(|piece| {
            // The sender goes before the end when the upstream breaks off.
            let piece = piece.ok_or(Broken);
            if let Ok(piece) = &piece {
                self.left -= piece.len() as u64;
            }
            Some(piece)
        })
    }
}

/// An answer that has begun well.
struct Begun {
    head: Head,
    first: Bytes,
    opener: Opener,
    pieces: Pieces,
    flight: Flight,
    permit: OwnedSemaphorePermit,
}

enum Asked {
    Begun(Box<Begun>),
    Nothing,
    Landed,
}

impl Tier {
    /// The nearest of `names` that the upstream has. All are asked at once, because each costs the same wait.
    pub(crate) async fn find(
        self: &Arc<Self>,
        store: &Arc<Store>,
        names: Vec<ObjectName>,
        part: Part,
        patience: &mut Patience,
    ) -> Result<Found, Nothing> {
        let wanted: Vec<_> = names.iter().copied().filter(|name| !self.is_absent(*name)).collect();
        if wanted.is_empty() {
            self.counts.misses.one();
            return Err(Nothing::Absent);
        }
        if !self.may_ask() {
            self.counts.spared.one();
            return Err(Nothing::Absent);
        }
        let left = patience.left();
        let asked = async {
            let mut asked: FuturesOrdered<_> = wanted.into_iter().map(|name| self.ask(name, left)).collect();
            while let Some(answer) = asked.next().await {
                if !matches!(answer, Asked::Nothing) {
                    // Those behind it are dropped unread.
                    return answer;
                }
            }
            Asked::Nothing
        };
        match patience.wait(asked).await {
            Ok(Asked::Begun(begun)) => {
                self.counts.hits.one();
                let found = self.land(store, *begun);
                if part == Part::Whole {
                    return Ok(found);
                }
                // A part is cut from what is here, once it is.
                let name = found.info.name;
                if let Boarding::Wait(landing) = self.flights.board(name) {
                    patience.wait(landing.landed()).await?;
                }
                find_named(store, vec![name], part, patience).await
            }
            Ok(Asked::Landed) => find_named(store, names, part, patience).await,
            Ok(Asked::Nothing) => {
                self.counts.misses.one();
                Err(Nothing::Absent)
            }
            Err(TooSlow) => {
                self.counts.slow.one();
                self.failed(&RemoteError::TooSlow);
                Err(Nothing::TooSlow)
            }
        }
    }

    async fn ask(&self, name: ObjectName, left: Duration) -> Asked {
        let flight = match self.flights.board(name) {
            Boarding::Fly(flight) => flight,
            Boarding::Wait(landing) => {
                landing.landed().await;
                return Asked::Landed;
            }
        };
        let Ok(permit) = Arc::clone(&self.reads).acquire_owned().await else { return Asked::Nothing };
        let mut pieces = match self.remote.get(name, left).await {
            Ok(Some(pieces)) => pieces,
            Ok(None) => {
                self.succeeded();
                self.found_absent(name);
                return Asked::Nothing;
            }
            Err(error) => {
                self.count_failure(&error);
                return Asked::Nothing;
            }
        };
        let mut opener = Opener::new(self.seal.clone(), name);
        match begin(&mut opener, &mut pieces).await {
            Ok((head, _)) if head.is_revoked(&self.gate) => {
                self.succeeded();
                self.found_absent(name);
                Asked::Nothing
            }
            Ok((head, first)) => {
                self.succeeded();
                Asked::Begun(Box::new(Begun { head, first, opener, pieces, flight, permit }))
            }
            Err(trouble) => {
                self.count_trouble(name, &trouble);
                Asked::Nothing
            }
        }
    }

    /// Has the rest come in the background, to the client and to the disk.
    fn land(self: &Arc<Self>, store: &Arc<Store>, begun: Begun) -> Found {
        let (client, rest) = mpsc::channel(PIECES_IN_FLIGHT);
        let (first, left) = (begun.first.clone(), begun.head.length);
        let head = begun.head.clone();
        let info = Info {
            name: head.address.name(),
            address: head.address,
            length: head.length,
            writer: head.writer,
            stored_at: head.stored_at,
            cost_ms: head.cost_ms,
            attributes: head.attributes,
        };
        let (tier, on) = (Arc::clone(self), Arc::clone(store));
        self.landings().spawn(async move {
            let whole = tier.config.whole_read;
            if timeout(whole, tier.take_in(&on, begun, client)).await.is_err() {
                tier.count_failure(&RemoteError::TooSlow);
            }
        });
        let body = FoundBody::Arriving(Arriving { first: Some(first), rest, left });
        Found { info: Arc::new(info), range: 0..left, body }
    }

    async fn take_in(&self, store: &Arc<Store>, begun: Begun, client: mpsc::Sender<Bytes>) {
        let Begun { head, first, mut opener, mut pieces, flight, permit } = begun;
        let name = head.address.name();
        let stall = store.config.limits.read;
        // Of the upstream's time only: a client may be slower.
        let mut patience = Patience::new(stall + Duration::from_millis(head.length.saturating_mul(1000) / LEAST_PACE));
        // Without room for it here, the client gets it all the same.
        let mut upload = Upload::begin(store, head.into_offer()).await.ok();
        let mut next = Some(first);
        let mut is_first = true;
        loop {
            let piece = match next.take() {
                Some(piece) => piece,
                None => match patience.wait(timeout(stall, piece(&mut opener, &mut pieces))).await {
                    Ok(Ok(Ok(Some(piece)))) => piece,
                    Ok(Ok(Ok(None))) => break,
                    Ok(Ok(Err(trouble))) => return self.count_trouble(name, &trouble),
                    Ok(Err(_)) | Err(TooSlow) => return self.count_failure(&RemoteError::TooSlow),
                },
            };
            self.counts.received_bytes.add(piece.len() as u64);
            if let Some(open) = &mut upload
                && open.write(piece.clone()).await.is_err()
            {
                upload = None;
            }
            if !std::mem::take(&mut is_first) {
                // A client that has gone away does not end it.
                let _ = client.send(piece).await;
            }
        }
        if let Some(upload) = upload
            && let Err(failure) = upload.file().await
        {
            debug!(cache.object = %name.to_hex(), "could not keep an object from the upstream: {failure:?}");
        }
        drop((flight, permit));
    }

    fn count_failure(&self, error: &RemoteError) {
        self.failed(error);
        match error {
            RemoteError::TooSlow => self.counts.slow.one(),
            RemoteError::Declined { .. } | RemoteError::Shut { .. } | RemoteError::Failed { .. } => {
                self.counts.failures.one();
            }
        }
    }

    fn count_trouble(&self, name: ObjectName, trouble: &Trouble) {
        match trouble {
            Trouble::Lost(cause) => {
                debug!(cache.object = %name.to_hex(), error = %cause, "the upstream broke off");
                self.count_failure(&RemoteError::Failed { cause: std::io::ErrorKind::UnexpectedEof.into() });
            }
            Trouble::Unsealed(error) => {
                self.counts.broken.one();
                warn!(cache.object = %name.to_hex(), error = %error, "the upstream sent something else");
            }
        }
    }
}

/// Why a record did not come to its end.
pub(super) enum Trouble {
    Lost(std::io::Error),
    Unsealed(Unsealed),
}

impl From<Unsealed> for Trouble {
    fn from(error: Unsealed) -> Self {
        Self::Unsealed(error)
    }
}

/// The head and the first checked bytes.
pub(super) async fn begin(opener: &mut Opener, pieces: &mut Pieces) -> Result<(Head, Bytes), Trouble> {
    let head = loop {
        if let Some(head) = opener.head()? {
            break head;
        }
        match pieces.next().await {
            Some(Ok(bytes)) => opener.push(&bytes),
            Some(Err(cause)) => return Err(Trouble::Lost(cause)),
            None => return Err(Trouble::Unsealed(Unsealed)),
        }
    };
    Ok((head, piece(opener, pieces).await?.unwrap_or_default()))
}

/// The next checked bytes; `None` at the end of a whole record.
pub(super) async fn piece(opener: &mut Opener, pieces: &mut Pieces) -> Result<Option<Bytes>, Trouble> {
    loop {
        if let Some(chunk) = opener.next()? {
            return Ok(Some(chunk));
        }
        match pieces.next().await {
            Some(Ok(bytes)) => opener.push(&bytes),
            Some(Err(cause)) => return Err(Trouble::Lost(cause)),
            None => return opener.finish().map(|()| None).map_err(Trouble::Unsealed),
        }
    }
}
