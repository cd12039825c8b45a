//! The task that keeps a node within its bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hearth_model::Bytes;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Candidate, Reason, Turn};
use crate::config::Ownership;
use crate::segments::Segment;
use crate::store::Store;
use crate::upkeep::{Pace, compact};

/// How often the node looks by itself; requests that need room ring before.
const ROUND: Duration = Duration::from_mins(1);
/// Objects looked at in one go: some milliseconds, in which no lock is held for longer than a sixteenth of them takes.
const SLICE: usize = 4096;
/// Objects removed in one go on a blocking thread.
const BATCH: usize = 256;

/// Runs until it is dropped; a piece of work on a blocking thread then still comes to its end.
pub(crate) async fn keep_house(store: Arc<Store>) {
    if store.config.ownership == Ownership::Shared {
        return;
    }
    // What is not known cannot be evicted.
    store.book.index.loaded().await;
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Both branches only wait; a dropped one loses nothing.
        tokio::select! {
            _ = rounds.tick() => {}
            () = store.eviction_bell.notified() => {}
        }
        if !store.book.is_alone() {
            be_alone(&store).await;
        }
        evict(&store, Aim::Bounds).await;
    }
}

/// While jobs that began without us still write, a complete index would deny what they store.
async fn be_alone(store: &Arc<Store>) {
    let of = Arc::clone(store);
    if let Some(Err(error)) = store.disk.at_leisure(move || of.book.be_alone()).await {
        warn!(error = %error, "cannot find out who shares the cache directory");
    }
}

/// One round of housekeeping for a directory that short-lived nodes share.
pub(crate) async fn keep_house_once(store: &Arc<Store>) {
    evict(store, Aim::Bounds).await;
}

/// Somebody asks for room now: everything that is too old goes, more of the rest until at most `to` is left, and what
/// dead records hold is given back.
pub(crate) async fn collect_down_to(store: &Arc<Store>, to: Option<Bytes>) {
    evict(store, Aim::Everything { to }).await;
    compact(store, Pace::Urgent, is_thin).await;
}

/// What a turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// To keep within the bounds.
    Bounds,
    /// To look at everything once, and leave no more than this.
    Everything { to: Option<Bytes> },
}

/// One turn, or as much of it as it takes: one slice at least, so that with the rounds everything is looked at that may
/// have become too old.
async fn evict(store: &Arc<Store>, aim: Aim) {
    let of = Arc::clone(store);
    let Some(mut turn) = store.disk.at_leisure(move || begin(&of, aim)).await else {
        return;
    };
    let before = store.counts.evictions.objects();
    let parts = usize::try_from(store.book.index.objects()).unwrap_or(usize::MAX).div_ceil(SLICE).max(1);
    for _ in 0..parts {
        let of = Arc::clone(store);
        let slice = move || {
            let going = turn.choose(&of.book.index.slice(of.eviction_hand.next(parts), parts));
            (turn, going)
        };
        let Some((back, going)) = store.disk.at_leisure(slice).await else { return };
        turn = back;
        for batch in going.chunks(BATCH) {
            let (of, batch) = (Arc::clone(store), batch.to_vec());
            if store.disk.at_leisure(move || remove(&of, batch)).await.is_none() {
                return;
            }
        }
        if turn.is_done() && aim == Aim::Bounds {
            break;
        }
    }
    let gone = store.counts.evictions.objects() - before;
    if gone == 0 {
        return;
    }
    if store.is_over_budget() {
        // What has gone has left room in pieces too small to be given back.
        compact(store, Pace::Urgent, is_thin).await;
    }
    let bytes = store.book.index.bytes();
    info!(cache.evicted_objects = gone, cache.bytes = bytes.0, "evicted {gone} objects; {bytes} remain");
}

/// Whether so much of it is dead that copying the rest is worth it when somebody waits for room.
fn is_thin(segment: &Segment) -> bool {
    segment.on_disk().saturating_sub(segment.live()) > segment.on_disk() / 16
}

/// What has to go now. Blocks.
fn begin(store: &Store, aim: Aim) -> Turn {
    let on_disk = Bytes(store.book.shelf.on_disk());
    let wanted = store.take_wanted();
    // A file system that cannot say how full it is does not stop the budget from being kept.
    let short_of = |more: Bytes| store.book.short_of(more.0).unwrap_or(Bytes(0));
    let short = Some(short_of(wanted)).filter(|short| *short <= on_disk);
    // Where even an empty cache would not make room for the upload, only the reserve counts.
    let short = short.unwrap_or_else(|| short_of(Bytes(0)));
    let over = match aim {
        Aim::Everything { to: Some(to) } => on_disk.saturating_sub(to),
        Aim::Bounds | Aim::Everything { to: None } => Bytes(0),
    };
    let short = short.max(over);
    let used = store.book.index.classes();
    let excess = store.budgets.excess(on_disk, &used, short, wanted);
    Turn::new(store.budgets, excess, used, store.clock.now())
}

/// Blocks.
fn remove(store: &Store, batch: Vec<Candidate>) {
    for candidate in batch {
        if store.remove(candidate.name) {
            let now = store.clock.now();
            let reason = Reason::of(&store.budgets, &candidate, now);
            store.counts.evictions.note(reason, candidate.bytes, candidate.standing.idle(now));
        }
    }
}

/// Where the last slice was. It stays where it is between turns, so that all objects get their turn.
#[derive(Debug, Default)]
pub(crate) struct Hand(AtomicUsize);

impl Hand {
    fn next(&self, parts: usize) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) % parts
    }
}
