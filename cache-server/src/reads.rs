//! Reading an object for a client: the nearest scope that has it, from memory or disk, its first segment checked before
//! anything is promised, the rest read ahead by one segment while the client takes what it has.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::access::Caller;
use crate::blobs::{ReadError, VerifiedReader};
use crate::disk::{Patience, TooSlow};
use crate::index::Note;
use crate::keys::{ObjectKey, ObjectName};
use crate::memory::Pieces;
use crate::store::Store;

/// An object that will be sent.
#[derive(Debug)]
pub(crate) enum Found {
    /// All of it, from memory.
    Here(Pieces),
    /// All or the beginning of it, from disk.
    Streaming(Box<ObjectStream>),
}

/// Why there is nothing to send. Both are a miss for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nothing {
    Absent,
    TooSlow,
}

impl From<TooSlow> for Nothing {
    fn from(_: TooSlow) -> Self {
        Self::TooSlow
    }
}

/// Finds the object in the spaces that the caller may read.
pub(crate) async fn find(store: &Arc<Store>, caller: &Caller, key: &ObjectKey) -> Result<Found, Nothing> {
    let names = candidates(store, caller, key);
    // While the index is incomplete a nearer scope may still hold the object, so memory is not asked.
    if store.index.is_complete()
        && let Some(name) = names.first()
        && let Some(pieces) = store.memory.get(*name)
    {
        note_use(store, *name);
        store.counts.memory_hits.one();
        return Ok(Found::Here(pieces));
    }
    if names.is_empty() {
        return Err(Nothing::Absent);
    }
    let mut patience = Patience::new(store.config.limits.read);
    let on = Arc::clone(store);
    let found = store.disk.run(&mut patience, move || open_checked(&on, &names)).await?;
    let (name, reader, first) = found.ok_or(Nothing::Absent)?;
    note_use(store, name);
    let kept = store.memory.takes(reader.footer().length).then(Vec::new);
    Ok(Found::Streaming(Box::new(ObjectStream {
        store: Arc::clone(store),
        name,
        left: reader.footer().length,
        kept,
        state: Streaming::Ready(reader, first),
    })))
}

/// The object's length, by its footer alone.
pub(crate) async fn measure(store: &Arc<Store>, caller: &Caller, key: &ObjectKey) -> Result<u64, Nothing> {
    let names = candidates(store, caller, key);
    if names.is_empty() {
        return Err(Nothing::Absent);
    }
    let mut patience = Patience::new(store.config.limits.read);
    let on = Arc::clone(store);
    let found = store.disk.run(&mut patience, move || on.open_first(&names)).await?;
    found.map(|(_, reader)| reader.footer().length).ok_or(Nothing::Absent)
}

/// The names worth asking the disk for. A complete index answers most misses without it.
fn candidates(store: &Store, caller: &Caller, key: &ObjectKey) -> Vec<ObjectName> {
    let mut names = caller.readable(key);
    if store.index.is_complete() {
        names.retain(|name| store.index.contains(*name));
    }
    names
}

/// Opens the nearest good object and checks its first segment, so that damage there is a miss. Blocks.
fn open_checked(store: &Store, names: &[ObjectName]) -> Option<(ObjectName, VerifiedReader, Bytes)> {
    let mut rest = names;
    loop {
        let (name, mut reader) = store.open_first(rest)?;
        match reader.read_segment() {
            Ok(first) => return Some((name, reader, first)),
            Err(error) => store.unreadable(name, &error),
        }
        let at = rest.iter().position(|other| *other == name)?;
        rest = &rest[at + 1..];
    }
}

fn note_use(store: &Arc<Store>, name: ObjectName) {
    if store.touch(name) == Note::Due {
        let on = Arc::clone(store);
        // Left out, it only makes a restart take the object for older than it is.
        store.disk.if_idle(move || on.note_use(name));
    }
}

type NextSegment = Pin<Box<dyn Future<Output = Result<(VerifiedReader, Bytes), Broken>> + Send>>;

/// The object cannot be sent to its end; the connection is broken off, which the client takes for a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object could not be read to its end")]
pub(crate) struct Broken;

/// An object on its way from the disk to a client.
pub(crate) struct ObjectStream {
    store: Arc<Store>,
    name: ObjectName,
    /// Bytes that the client has not been given yet.
    left: u64,
    /// What was read so far, when the memory tier will take the object.
    kept: Option<Pieces>,
    state: Streaming,
}

enum Streaming {
    Ready(VerifiedReader, Bytes),
    Reading(NextSegment),
    Done,
}

impl std::fmt::Debug for ObjectStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectStream").field("name", &self.name).field("left", &self.left).finish_non_exhaustive()
    }
}

impl ObjectStream {
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let (reader, bytes) = match std::mem::replace(&mut self.state, Streaming::Done) {
            Streaming::Done => return Poll::Ready(None),
            Streaming::Ready(reader, bytes) => (reader, bytes),
            Streaming::Reading(mut next) => match next.as_mut().poll(cx) {
                Poll::Ready(Ok(ready)) => ready,
                Poll::Ready(Err(broken)) => return Poll::Ready(Some(Err(broken))),
                Poll::Pending => {
                    self.state = Streaming::Reading(next);
                    return Poll::Pending;
                }
            },
        };
        self.left -= bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.push(bytes.clone());
        }
        if reader.remaining() > 0 {
            self.read_ahead(cx, reader);
        } else if let Some(kept) = self.kept.take() {
            self.store.memory.insert(self.name, kept);
        }
        if bytes.is_empty() { Poll::Ready(None) } else { Poll::Ready(Some(Ok(bytes))) }
    }

    /// Has the next segment read while the client takes this one.
    fn read_ahead(&mut self, cx: &mut Context<'_>, reader: VerifiedReader) {
        let mut next: NextSegment = Box::pin(read_on(Arc::clone(&self.store), self.name, reader));
        self.state = match next.as_mut().poll(cx) {
            Poll::Ready(Ok((reader, bytes))) => Streaming::Ready(reader, bytes),
            // The failure is kept for when its turn comes.
            Poll::Ready(Err(broken)) => Streaming::Reading(Box::pin(std::future::ready(Err(broken)))),
            Poll::Pending => Streaming::Reading(next),
        };
    }
}

async fn read_on(
    store: Arc<Store>,
    name: ObjectName,
    mut reader: VerifiedReader,
) -> Result<(VerifiedReader, Bytes), Broken> {
    let mut patience = Patience::new(store.config.limits.read);
    let on = Arc::clone(&store);
    let read = move || -> Result<(VerifiedReader, Bytes), ReadError> {
        let segment = reader.read_segment().inspect_err(|error| on.unreadable(name, error))?;
        Ok((reader, segment))
    };
    match store.disk.run(&mut patience, read).await {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(_)) => Err(Broken),
        Err(TooSlow) => {
            store.counts.slow_reads.one();
            Err(Broken)
        }
    }
}
