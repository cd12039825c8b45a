//! Taking parts in, and making an object of them. Nobody is kept waiting for a disk that hangs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_model::{Millis, WriterId};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::ids::{PartId, UploadId};
use super::part::{PartReader, Staged, Summed};
use crate::appender::Filed;
use crate::disk::{Call, Patience};
use crate::http::inflow::{Cut, Inflow};
use crate::keys::ObjectKey;
use crate::savings::Inspector;
use crate::store::Store;
use crate::uploads::{Failure, Offer, Upload};

/// Bytes that are written, and copied, in one go.
const BATCH: usize = 1024 * 1024;
/// Parts may take this share of the node's budget: what never becomes an object must not push out what did.
const SHARE: u64 = 4;
/// And those of one writer this share of that.
const WRITERS_SHARE: u64 = 2;
/// A disk that copies less in a second is too slow.
const LEAST_PER_SECOND: u64 = 32 * 1024 * 1024;
/// An upload to which nothing was added for so long is given up. No address for one is good for longer.
const ABANDONED: Millis = Millis::from_minutes(120);

/// A part that somebody is about to send.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub(crate) upload: UploadId,
    pub(crate) writer: WriterId,
    pub(crate) part: PartId,
    pub(crate) summed: Summed,
}

/// Takes a part in, and gives its MD5 when that was to be summed; the error of the outer result is the client's. Whoever
/// calls has looked at rights and quota.
pub(crate) async fn receive(
    store: &Arc<Store>,
    intake: Intake,
    inflow: &mut Inflow,
) -> Result<Result<[u8; 16], Failure>, Cut> {
    let taken = take_in(store, intake, inflow).await?;
    if taken.is_err() {
        // The rest of the body before the answer: a client that is still sending would see a broken connection.
        inflow.drain().await?;
    }
    Ok(taken)
}

async fn take_in(store: &Arc<Store>, intake: Intake, inflow: &mut Inflow) -> Result<Result<[u8; 16], Failure>, Cut> {
    let mut arrival = match Arrival::begin(store, &intake, inflow.length()).await {
        Ok(arrival) => arrival,
        Err(failure) => return Ok(Err(failure)),
    };
    while let Some(bytes) = inflow.next().await? {
        if let Err(failure) = arrival.write(bytes).await {
            return Ok(Err(failure));
        }
    }
    Ok(arrival.finish(intake).await)
}

/// Makes one object of parts, in their order, and drops the upload. `None` when a part is missing or damaged.
pub(crate) async fn assemble(
    store: &Arc<Store>,
    upload: UploadId,
    order: Vec<PartId>,
    offer: Offer,
) -> Option<Result<Filed, Failure>> {
    let length = offer.length.unwrap_or_default();
    let patience = store.config.limits.write + Duration::from_secs(length / LEAST_PER_SECOND);
    let filed = match copy(store, upload, order, offer, Patience::new(patience)).await {
        Ok(filed) => filed,
        Err(Broken::Target(failure)) => return Some(Err(failure)),
        Err(Broken::Source) => return None,
    };
    let on = Arc::clone(store);
    let mut patience = Patience::new(store.config.limits.write);
    // What cannot be ended now is swept, too.
    if let Ok(Err(error)) = store.disk.run(&mut patience, move || on.parts.end(upload)).await {
        warn!(error = %error, "cannot end an upload that has become an object");
    }
    let on = Arc::clone(store);
    // Behind the answer; what stays is swept.
    store.disk.if_idle(move || {
        if let Err(error) = on.parts.remove(upload) {
            warn!(error = %error, "cannot remove the parts of an upload that has become an object");
        }
    });
    Some(Ok(filed))
}

/// Drops uploads that nobody goes on with.
pub(crate) async fn sweep(store: &Arc<Store>) {
    let on = Arc::clone(store);
    let before = store.clock.now() - ABANDONED;
    match store.disk.at_leisure(move || on.parts.sweep(before)).await {
        Some(Ok(0)) | None => {}
        Some(Ok(swept)) => info!(cache.uploads = swept, "dropped uploads that nobody went on with"),
        Some(Err(error)) => warn!(error = %error, "cannot sweep abandoned uploads"),
    }
}

/// Which side of a copy is to blame.
#[derive(Debug)]
enum Broken {
    Source,
    Target(Failure),
}

impl<E: Into<Failure>> From<E> for Broken {
    fn from(failure: E) -> Self {
        Self::Target(failure.into())
    }
}

async fn copy(
    store: &Arc<Store>,
    upload: UploadId,
    order: Vec<PartId>,
    offer: Offer,
    mut patience: Patience,
) -> Result<Filed, Broken> {
    let mut proof = Proof::of(&offer.address.key);
    let mut object = Upload::begin(store, offer).await?.with_patience(patience.left());
    for part in order {
        let on = Arc::clone(store);
        let open = move || on.parts.open_part(upload, &part);
        let mut reader = store.disk.run(&mut patience, open).await?.map_err(|error| unreadable(&error))?;
        loop {
            let read = move || -> io::Result<(PartReader, Option<Bytes>)> {
                let bytes = reader.next(BATCH)?;
                Ok((reader, bytes))
            };
            let (next, bytes) = store.disk.run(&mut patience, read).await?.map_err(|error| unreadable(&error))?;
            let Some(bytes) = bytes else { break };
            proof.see(&bytes);
            object.write(bytes).await?;
            reader = next;
        }
    }
    proof.end()?;
    Ok(object.finish().await?)
}

/// What some keys promise of their bytes, which is believed of no upload.
struct Proof {
    inspector: Option<Inspector>,
    content: Option<([u8; 32], Sha256)>,
}

impl Proof {
    fn of(key: &ObjectKey) -> Self {
        // A text that is no digest is matched by nothing.
        let digest = |text| blake3::Hash::from_hex(text).map_or([0; 32], |digest| *digest.as_bytes());
        Self {
            inspector: key.is_compilation().then(Inspector::default),
            content: key.content_digest().map(|text| (digest(text), Sha256::new())),
        }
    }

    fn see(&mut self, bytes: &Bytes) {
        if let Some(inspector) = &mut self.inspector {
            inspector.see(bytes);
        }
        if let Some((_, hash)) = &mut self.content {
            hash.update(bytes);
        }
    }

    fn end(self) -> Result<(), Failure> {
        if self.content.is_some_and(|(digest, hash)| hash.finalize()[..] != digest) {
            return Err(Failure::Malformed);
        }
        self.inspector.map_or(Ok(()), |inspector| inspector.finish().map(drop).map_err(|_| Failure::Malformed))
    }
}

fn unreadable(error: &io::Error) -> Broken {
    if error.kind() != io::ErrorKind::NotFound {
        warn!(error = %error, "cannot read a part of an upload");
    }
    Broken::Source
}

/// One part on its way in: a batch is written while the next one arrives, and never two.
struct Arrival {
    store: Arc<Store>,
    patience: Patience,
    /// `None` only while a call is waited for, and once one has failed.
    writing: Option<Call<Result<Staged, Failure>>>,
    batch: Vec<Bytes>,
    batched: usize,
}

impl Arrival {
    async fn begin(store: &Arc<Store>, intake: &Intake, length: u64) -> Result<Self, Failure> {
        if length > store.config.max_object.0 {
            return Err(Failure::TooLarge);
        }
        let (occupied, room) = (store.parts.occupied(intake.writer), store.config.budget.0 / SHARE);
        if occupied.by_all.saturating_add(length) > room
            || occupied.by_writer.saturating_add(length) > room / WRITERS_SHARE
        {
            return Err(Failure::NoRoom);
        }
        let mut patience = Patience::new(store.config.limits.write);
        let (on, upload, summed) = (Arc::clone(store), intake.upload, intake.summed);
        let begin = move || -> Result<Staged, Failure> {
            if on.book.short_of(length).map_err(|error| failed(&error))?.0 > 0 {
                on.ask_for_room(length);
                return Err(Failure::NoRoom);
            }
            on.parts.stage(upload, summed).map_err(|error| failed(&error))
        };
        let writing = Some(store.disk.start(&mut patience, begin).await?);
        Ok(Self { store: Arc::clone(store), patience, writing, batch: Vec::new(), batched: 0 })
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.batched += bytes.len();
        self.batch.push(bytes);
        if self.batched >= BATCH {
            let pieces = std::mem::take(&mut self.batch);
            self.batched = 0;
            let mut staged = self.staged().await?;
            let write = move || {
                staged.write(&pieces).map_err(|error| failed(&error))?;
                Ok(staged)
            };
            self.writing = Some(self.store.disk.start(&mut self.patience, write).await?);
        }
        Ok(())
    }

    async fn finish(mut self, intake: Intake) -> Result<[u8; 16], Failure> {
        let mut staged = self.staged().await?;
        let (on, batch) = (Arc::clone(&self.store), self.batch);
        let keep = move || {
            let Intake { upload, part, .. } = &intake;
            staged.write(&batch).and_then(|()| on.parts.keep(staged, *upload, part)).map_err(|error| failed(&error))
        };
        self.store.disk.run(&mut self.patience, keep).await?
    }

    /// What is written so far.
    async fn staged(&mut self) -> Result<Staged, Failure> {
        let writing = self.writing.take().ok_or(Failure::NoRoom)?;
        writing.wait(&mut self.patience).await?
    }
}

/// Whatever the disk says to a write, the client may go on; only the log differs.
fn failed(error: &io::Error) -> Failure {
    // Not found: the upload was swept, or has become an object meanwhile.
    let is_expected = matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::NotFound
    );
    if !is_expected {
        warn!(error = %error, "cannot keep a part of an upload");
    }
    Failure::NoRoom
}
