//! Reading an object for a client: the nearest scope that has it, its first piece checked before anything is promised.
//! What the system has in its memory is read at once; only for the rest a blocking thread is asked, with a patience, and
//! then the next piece is read while the client takes this one.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::access::Caller;
use crate::disk::{Patience, TooSlow};
use crate::keys::{ObjectKey, ObjectName};
use crate::memory::Pieces;
use crate::segments::{ReadError, RecordReader, Source, Step};
use crate::store::{Info, Opened, Store};
use crate::upstream::Arriving;

/// Which part of an object is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// From here to the end.
    From(u64),
    /// From the first to the last, both included.
    Between(u64, u64),
    /// As many bytes at the end.
    Last(u64),
}

impl Part {
    /// Which bytes of an object of this length; empty when it has none of those.
    pub(crate) fn of(self, length: u64) -> Range<u64> {
        let (from, to) = match self {
            Self::Whole => (0, length),
            Self::From(first) => (first, length),
            Self::Between(first, last) => (first, last.saturating_add(1)),
            Self::Last(count) => (length.saturating_sub(count), length),
        };
        let to = to.min(length);
        from.min(to)..to
    }
}

/// An object that will be sent, or a part of it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) info: Arc<Info>,
    pub(crate) range: Range<u64>,
    pub(crate) body: FoundBody,
}

#[derive(Debug)]
pub(crate) enum FoundBody {
    /// All of it, from memory.
    Here(Pieces),
    /// All or the beginning of it, from disk.
    Streaming(Box<ObjectStream>),
    /// On its way from the tier behind the disk.
    Arriving(Arriving),
}

impl FoundBody {
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<Bytes, Broken>> {
        match self {
            Self::Here(pieces) => stream::iter(pieces.into_iter().map(Ok)).boxed(),
            Self::Streaming(mut body) => stream::poll_fn(move |cx| body.poll_next(cx)).boxed(),
            Self::Arriving(mut body) => stream::poll_fn(move |cx| body.poll_next(cx)).boxed(),
        }
    }
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
pub(crate) async fn find(store: &Arc<Store>, caller: &Caller, key: &ObjectKey, part: Part) -> Result<Found, Nothing> {
    let mut patience = Patience::new(store.config.limits.read);
    let names = caller.readable(key);
    let found = find_named(store, names.clone(), part, &mut patience).await;
    match &store.tier {
        Some(tier) if matches!(found, Err(Nothing::Absent)) => tier.find(store, names, part, &mut patience).await,
        _ => found,
    }
}

/// Finds the first good object of these names.
pub(crate) async fn find_named(
    store: &Arc<Store>,
    names: Vec<ObjectName>,
    part: Part,
    patience: &mut Patience,
) -> Result<Found, Nothing> {
    let names = known(store, names, patience).await?;
    let Some(nearest) = names.first() else { return Err(Nothing::Absent) };
    if let Some((info, pieces)) = store.memory.get(*nearest) {
        store.touch(*nearest);
        store.counts.memory_hits.one();
        let range = part.of(info.length);
        let body = FoundBody::Here(cut(pieces, &range));
        return Ok(Found { info, range, body });
    }
    let wanted = move |length| part.of(length);
    let (opened, source) = match store.open_first(&names, wanted, Source::Memory) {
        Step::Done(opened) => (opened, Source::Memory),
        Step::WouldWait => {
            let on = Arc::clone(store);
            let open = move || match on.open_first(&names, wanted, Source::Disk) {
                Step::Done(opened) => opened,
                Step::WouldWait => None,
            };
            (store.disk.run(patience, open).await?, Source::Disk)
        }
    };
    let Opened { info, range, reader, first } = opened.ok_or(Nothing::Absent)?;
    store.touch(info.name);
    let is_whole = range == (0..info.length);
    let kept = (is_whole && store.memory.takes(info.length)).then(Vec::new);
    let stream = ObjectStream {
        store: Arc::clone(store),
        info: Arc::clone(&info),
        left: range.end - range.start,
        kept,
        source,
        state: Streaming::Ready(reader, first),
    };
    Ok(Found { info, range, body: FoundBody::Streaming(Box::new(stream)) })
}

/// The object's length, by the index alone.
pub(crate) async fn measure(store: &Arc<Store>, caller: &Caller, key: &ObjectKey) -> Result<u64, Nothing> {
    let mut patience = Patience::new(store.config.limits.read);
    let names = known(store, caller.readable(key), &mut patience).await?;
    let entry = names.first().and_then(|name| store.book.index.get(*name)).ok_or(Nothing::Absent)?;
    Ok(entry.place().layout.length)
}

/// Those of the names that the index has. When it may not know all of them yet, waits until it does.
async fn known(
    store: &Arc<Store>,
    mut names: Vec<ObjectName>,
    patience: &mut Patience,
) -> Result<Vec<ObjectName>, Nothing> {
    let index = &store.book.index;
    let in_doubt =
        |names: &[ObjectName]| !store.is_complete() && !names.first().is_some_and(|name| index.contains(*name));
    if in_doubt(&names) && !index.is_loaded() {
        patience.wait(index.loaded()).await?;
    }
    if in_doubt(&names) {
        let book = Arc::clone(&store.book);
        store.disk.run(patience, move || book.learn_from_others()).await?;
    }
    names.retain(|name| index.contains(*name));
    Ok(names)
}

/// What lies in `range` of the pieces.
fn cut(pieces: Pieces, range: &Range<u64>) -> Pieces {
    let mut at = 0;
    let keep = |piece: Bytes| {
        let length = piece.len() as u64;
        let within = |offset: u64| usize::try_from(offset.saturating_sub(at).min(length)).ok();
        let cut = within(range.start)..within(range.end);
        at += length;
        match (cut.start, cut.end) {
            (Some(from), Some(to)) if from < to => Some(piece.slice(from..to)),
            _ => None,
        }
    };
    pieces.into_iter().filter_map(keep).collect()
}

type NextPiece = Pin<Box<dyn Future<Output = Result<(RecordReader, Bytes), Broken>> + Send>>;

/// The object cannot be sent to its end; the connection is broken off, which the client takes for a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object could not be read to its end")]
pub(crate) struct Broken;

/// An object on its way from the disk to a client.
pub(crate) struct ObjectStream {
    store: Arc<Store>,
    info: Arc<Info>,
    /// Bytes that the client has not been given yet.
    left: u64,
    /// What was read so far, when the memory tier will take the object.
    kept: Option<Pieces>,
    /// Where the last piece came from, and the next one probably will.
    source: Source,
    state: Streaming,
}

enum Streaming {
    Ready(RecordReader, Bytes),
    /// The next piece is read when it is wanted, at once.
    Idle(RecordReader),
    Reading(NextPiece),
    Done,
}

impl std::fmt::Debug for ObjectStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectStream").field("info", &self.info).field("left", &self.left).finish_non_exhaustive()
    }
}

impl ObjectStream {
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let (reader, bytes) = loop {
            match std::mem::replace(&mut self.state, Streaming::Done) {
                Streaming::Done => return Poll::Ready(None),
                Streaming::Ready(reader, bytes) => break (reader, bytes),
                Streaming::Idle(mut reader) => match reader.next(Source::Memory) {
                    Ok(Step::Done(bytes)) => break (reader, bytes),
                    // A failure too: what follows from it takes the disk.
                    Ok(Step::WouldWait) | Err(_) => {
                        self.source = Source::Disk;
                        self.state = Streaming::Reading(self.read_on(reader));
                    }
                },
                Streaming::Reading(mut next) => match next.as_mut().poll(cx) {
                    Poll::Ready(Ok(ready)) => break ready,
                    Poll::Ready(Err(broken)) => return Poll::Ready(Some(Err(broken))),
                    Poll::Pending => {
                        self.state = Streaming::Reading(next);
                        return Poll::Pending;
                    }
                },
            }
        };
        self.left -= bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.push(bytes.clone());
        }
        if !reader.is_done() {
            self.prepare(cx, reader);
        } else if let Some(kept) = self.kept.take() {
            self.store.memory.insert(Arc::clone(&self.info), kept);
        }
        if bytes.is_empty() { Poll::Ready(None) } else { Poll::Ready(Some(Ok(bytes))) }
    }

    /// Has the next piece read from a slow disk while the client takes this one.
    fn prepare(&mut self, cx: &mut Context<'_>, reader: RecordReader) {
        if self.source == Source::Memory {
            self.state = Streaming::Idle(reader);
            return;
        }
        let mut next = self.read_on(reader);
        self.state = match next.as_mut().poll(cx) {
            Poll::Ready(Ok((reader, bytes))) => Streaming::Ready(reader, bytes),
            // The failure is kept for when its turn comes.
            Poll::Ready(Err(broken)) => Streaming::Reading(Box::pin(std::future::ready(Err(broken)))),
            Poll::Pending => Streaming::Reading(next),
        };
    }

    fn read_on(&self, reader: RecordReader) -> NextPiece {
        Box::pin(read_on(Arc::clone(&self.store), self.info.name, reader))
    }
}

async fn read_on(
    store: Arc<Store>,
    name: ObjectName,
    mut reader: RecordReader,
) -> Result<(RecordReader, Bytes), Broken> {
    let mut patience = Patience::new(store.config.limits.read);
    let on = Arc::clone(&store);
    let read = move || -> Result<(RecordReader, Bytes), ReadError> {
        let entry = on.book.index.get(name);
        let piece = match reader.next(Source::Disk) {
            Ok(Step::Done(piece)) => piece,
            Ok(Step::WouldWait) => return Err(ReadError::Gone),
            Err(error) => {
                if let Some(entry) = entry {
                    on.unreadable(&entry, &error);
                }
                return Err(error);
            }
        };
        Ok((reader, piece))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_a_range_request_means() {
        for (part, expected) in [
            (Part::Whole, 0..10),
            (Part::From(4), 4..10),
            (Part::From(10), 10..10),
            (Part::From(11), 10..10),
            (Part::Between(2, 4), 2..5),
            (Part::Between(2, u64::MAX), 2..10),
            (Part::Last(3), 7..10),
            (Part::Last(30), 0..10),
            (Part::Last(0), 10..10),
        ] {
            assert_eq!(part.of(10), expected, "{part:?}");
        }
    }

    #[test]
    fn a_part_is_cut_out_of_pieces() {
        let pieces = || vec![Bytes::from_static(b"0123"), Bytes::from_static(b"45"), Bytes::from_static(b"6789")];
        for from in 0..=10 {
            for to in from..=10 {
                let cut: Vec<u8> = cut(pieces(), &(from..to)).concat();
                assert_eq!(cut, b"0123456789"[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]);
            }
        }
    }
}
