//! Room that dead records hold: segments without a live one go; thin ones are emptied by copying what lives in them to
//! the segment that is being filled. A copy counts once it is logged, and the old segment goes once the copies are on
//! disk, so whenever the power goes, each record is in one of both.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::Bytes;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::appender::{Filed, Order, Ready};
use crate::index::{Added, Entry, Fact, Site};
use crate::segments::{ReadError, SOLE, Segment};
use crate::store::Store;

/// Copied in one go.
const STEP: u64 = 4 << 20;
/// The pause after it: requests come first.
const PAUSE: Duration = Duration::from_millis(50);
/// Segments smaller than this are worth putting together, once there are this many.
const SMALL: u64 = SOLE;
const MANY: usize = 16;
/// A log is written anew when it is this much longer than what it has to say, and at least so long.
const LOG_SLACK: u64 = 3;
const LOG_MIN: u64 = 4 << 20;
/// What an object's fact takes in the log, generously.
const FACT: u64 = 256;
/// Logs of writers that are no more, before they are put into one.
const DEAD_LOGS: usize = 8;

/// How much others are spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Leisurely,
    /// Somebody waits for the room.
    Urgent,
}

/// Gives back what is dead, as far as that is worth it.
pub(crate) async fn tidy(store: &Arc<Store>) {
    let of = Arc::clone(store);
    // The next round does what this one could not.
    let _ = store.disk.at_leisure(move || give_back(&of)).await;
    if store.book.is_alone() {
        let mostly_dead = |segment: &Segment| segment.on_disk().saturating_sub(segment.live()) > segment.on_disk() / 2;
        compact(store, Pace::Leisurely, mostly_dead).await;
        let small = |segment: &Segment| segment.end() < SMALL && segment.live() > 0;
        if store.book.shelf.all().iter().filter(|segment| segment.is_sealed() && small(segment)).count() > MANY {
            compact(store, Pace::Leisurely, small).await;
        }
    }
    let of = Arc::clone(store);
    if let Some(Err(error)) = store.disk.at_leisure(move || shorten_log(&of)).await {
        warn!(error = %error, "cannot write the index log anew");
    }
}

/// Room that takes no copying. Blocks.
fn give_back(store: &Store) {
    for segment in store.book.shelf.all() {
        let spent = store.book.is_alone() && segment.is_spent();
        let result = if spent { store.book.remove_segment(&segment) } else { store.book.shelf.bury_waiting(&segment) };
        if let Err(error) = result {
            warn!(cache.segment = %segment.id, error = %error, "cannot give room back");
        }
    }
}

/// Empties the segments that are `thin`, thinnest first.
pub(crate) async fn compact(store: &Arc<Store>, pace: Pace, thin: impl Fn(&Segment) -> bool) {
    let mut all = store.book.shelf.all();
    all.retain(|segment| segment.is_sealed() && segment.live() > 0 && thin(segment));
    all.sort_by_key(|segment| segment.live());
    for segment in all {
        // So that it is not removed before the copies are on disk.
        segment.expect();
        let emptied = empty(store, pace, &segment).await;
        segment.settle();
        match emptied {
            Some(Ok(())) => {
                store.counts.compacted.one();
                debug!(cache.segment = %segment.id, "emptied a segment");
                let of = Arc::clone(store);
                let _ = store.disk.at_leisure(move || give_back(&of)).await;
            }
            // Without room for the copies it stays as it is.
            Some(Err(error)) if error.kind() == io::ErrorKind::StorageFull => return,
            Some(Err(error)) => warn!(cache.segment = %segment.id, error = %error, "cannot empty a segment"),
            None => return,
        }
    }
}

async fn empty(store: &Arc<Store>, pace: Pace, segment: &Arc<Segment>) -> Option<io::Result<()>> {
    let mut entries = store.book.index.in_segment(segment.slot);
    entries.sort_by_key(|entry| entry.place().offset);
    let mut rest = entries.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let step = rest.iter().take_while(|entry| {
            let first = bytes == 0;
            bytes += entry.size();
            first || bytes <= STEP
        });
        let (now, later) = rest.split_at(step.count());
        rest = later;
        let (of, now) = (Arc::clone(store), now.to_vec());
        let copied = store.disk.at_leisure(move || copy_all(&of, &now)).await?;
        if copied.is_err() {
            return Some(copied);
        }
        if pace == Pace::Leisurely {
            sleep(PAUSE).await;
        }
    }
    let book = Arc::clone(&store.book);
    store.disk.at_leisure(move || book.sync()).await
}

/// Blocks until all copies are written, together.
fn copy_all(store: &Store, entries: &[Entry]) -> io::Result<()> {
    let mut copies = Vec::with_capacity(entries.len());
    for entry in entries {
        copies.extend(copy(store, entry)?);
    }
    for copied in copies {
        match copied.blocking_recv() {
            Ok(Ok(Filed::New | Filed::Gone | Filed::Same | Filed::Divergent)) | Err(_) => {}
            Ok(Err(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Has a record copied to the segment that is being filled, if there is anything to copy. Blocks.
fn copy(store: &Store, entry: &Entry) -> io::Result<Option<oneshot::Receiver<io::Result<Filed>>>> {
    let read = || -> Result<_, ReadError> {
        let record = store.book.record(entry).ok_or(ReadError::Gone)?;
        record.whole(&*store.book.shelf.file(&record.segment)?)
    };
    let (head, hashes, bytes) = match read() {
        Ok(record) => record,
        Err(ReadError::Io(error)) => return Err(error),
        Err(error) => {
            store.unreadable(entry, &error);
            return Ok(None);
        }
    };
    // What has changed since is in the index, not in the head.
    let Some(entry) = store.book.index.get(entry.name()) else { return Ok(None) };
    let Some(site) = store.book.site(entry.place()) else { return Ok(None) };
    let added = Added {
        site,
        layout: head.layout(),
        name: head.name,
        address: head.address,
        writer: head.writer,
        stored_at: head.stored_at,
        used_at: entry.used(),
        cost_ms: entry.cost_ms(),
        pinned: entry.is_pinned(),
    };
    store.counts.compacted_bytes.add(bytes.len() as u64);
    let ready = Box::new(Ready { added, hashes });
    let order = |answer| Order::Move { from: entry.place(), ready, record: vec![bytes.into()], answer };
    // An appender that has stopped copies nothing, and nothing is removed then.
    Ok(store.appender.order_blocking(order))
}

/// Writes the log anew when most of it is of no use any more. Blocks.
fn shorten_log(store: &Store) -> io::Result<()> {
    let book = &store.book;
    let needed = book.index.objects() * FACT;
    let too_long = book.logs.bytes() > LOG_MIN.max(needed.saturating_mul(LOG_SLACK));
    if !book.index.is_loaded() || !too_long && book.logs.count() <= DEAD_LOGS {
        return Ok(());
    }
    book.index.begin_marking();
    let bytes = book.logs.merge(|fact| book.learn(fact), |fact| keep(store, fact))?;
    debug!(cache.log_bytes = bytes, "wrote the index log anew, {}", Bytes(bytes));
    Ok(())
}

/// What of a fact is still worth writing down.
fn keep(store: &Store, fact: Fact) -> Option<Fact> {
    let book = &store.book;
    if let Fact::Added(added) | Fact::Moved { to: added, .. } = &fact
        && book.is_rival(added)
    {
        return Some(fact);
    }
    match fact {
        Fact::Added(added) | Fact::Moved { to: added, .. } => {
            let entry = book.index.get(added.name).filter(|entry| book.site(entry.place()) == Some(added.site))?;
            let unseen = book.index.mark(added.name);
            let (used_at, cost_ms, pinned) = (entry.used(), entry.cost_ms(), entry.is_pinned());
            unseen.then(|| Fact::Added(Box::new(Added { used_at, cost_ms, pinned, ..*added })))
        }
        // While others write, a log of theirs may have the record that this one denies.
        Fact::Removed { site, .. } => (!book.is_alone() && exists(store, site)).then_some(fact),
        Fact::Diverged(divergence) => book.index.contains(divergence.name).then_some(fact),
        Fact::Used(_) | Fact::Pinned { .. } | Fact::Cost { .. } => None,
    }
}

fn exists(store: &Store, site: Site) -> bool {
    store.book.shelf.slot_of(site.segment).is_ok_and(|slot| slot.is_some())
}
