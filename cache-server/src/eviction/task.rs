//! The node's one background task: learns what is on disk, then keeps it within its bounds.

use std::sync::Arc;
use std::time::Duration;

use hearth_model::{Bytes, Millis};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::to_evict;
use crate::config::Ownership;
use crate::index::Candidate;
use crate::store::Store;

/// How often the node looks by itself; requests that need room ring before.
const ROUND: Duration = Duration::from_mins(1);
/// No upload takes that long.
const ABANDONED: Millis = Millis::from_minutes(24 * 60);
/// Objects removed in one go on a blocking thread.
const BATCH: usize = 256;

/// Runs until it is dropped; a piece of work on a blocking thread then still comes to its end.
pub(crate) async fn keep_house(store: Arc<Store>) {
    if store.config.ownership == Ownership::Shared {
        return;
    }
    let mut is_alone = be_alone(&store).await;
    if learn(&store).await == Learned::Everything && is_alone {
        store.index.mark_complete();
    }
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Both branches only wait; a dropped one loses nothing.
        tokio::select! {
            _ = rounds.tick() => store.memory.rest(),
            () = store.eviction_bell.notified() => {}
        }
        if !is_alone && be_alone(&store).await {
            is_alone = true;
            // What others have stored meanwhile is on the disk and in nobody's account.
            if learn(&store).await == Learned::Everything {
                store.index.mark_complete();
            }
        }
        evict(&store).await;
    }
}

/// While jobs that began without us still write, a complete index would deny what they store.
async fn be_alone(store: &Arc<Store>) -> bool {
    let of = Arc::clone(store);
    match store.disk.at_leisure(move || of.files.be_alone()).await {
        Some(Ok(is_alone)) => is_alone,
        Some(Err(error)) => {
            warn!(error = %error, "cannot find out who shares the cache directory");
            false
        }
        None => false,
    }
}

/// One round of housekeeping for a directory that short-lived nodes share.
pub(crate) async fn keep_house_once(store: &Arc<Store>) {
    let of = Arc::clone(store);
    let before = store.clock.now() - ABANDONED;
    if let Some(Err(error)) = store.disk.at_leisure(move || of.files.sweep_uploads(before)).await {
        warn!(error = %error, "cannot sweep abandoned uploads");
    }
    // What is not known cannot be evicted; the next round sees it.
    let _how_much = learn(store).await;
    evict(store).await;
}

/// Whether a walk over the directory came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Learned {
    Everything,
    Part,
}

/// Fills the index shelf by shelf, while requests are served.
async fn learn(store: &Arc<Store>) -> Learned {
    for shelf in 0..=u8::MAX {
        let of = Arc::clone(store);
        let list = move || of.files.list(shelf).map(|all| all.into_iter().for_each(|found| of.index.found(found)));
        match store.disk.at_leisure(list).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                // Without this shelf the index would deny objects that exist, so the disk goes on being asked.
                warn!(cache.shelf = shelf, error = %error, "cannot list the cache directory; its index stays incomplete");
                return Learned::Part;
            }
            None => return Learned::Part,
        }
    }
    let (objects, bytes) = (store.index.objects(), store.index.bytes());
    info!(cache.objects = objects, cache.bytes = bytes.0, "the cache holds {objects} objects, {bytes}");
    Learned::Everything
}

async fn evict(store: &Arc<Store>) {
    let of = Arc::clone(store);
    let Some(plan) = store.disk.at_leisure(move || plan(&of)).await else {
        return;
    };
    if plan.is_empty() {
        return;
    }
    let before = store.counts.evicted.get();
    for batch in plan.chunks(BATCH) {
        let (of, batch) = (Arc::clone(store), batch.to_vec());
        if store.disk.at_leisure(move || remove(&of, batch)).await.is_none() {
            return;
        }
    }
    let gone = store.counts.evicted.get() - before;
    let bytes = store.index.bytes();
    info!(cache.evicted_objects = gone, cache.bytes = bytes.0, "evicted {gone} objects; {bytes} remain");
}

/// What has to go now. Blocks.
fn plan(store: &Store) -> Vec<Candidate> {
    let stored = store.index.bytes();
    let wanted = store.take_wanted();
    // A file system that cannot say how full it is does not stop the budget from being kept.
    let short_of = |more: Bytes| store.short_of(more.0).unwrap_or(Bytes(0));
    let short = Some(short_of(wanted)).filter(|short| *short <= stored);
    // Where even an empty cache would not make room for the upload, only the reserve counts.
    let short = short.unwrap_or_else(|| short_of(Bytes(0)));
    let target = store.marks.target(stored, short, wanted);
    if target < stored { to_evict(store.index.candidates(), stored, target) } else { Vec::new() }
}

/// Blocks.
fn remove(store: &Store, batch: Vec<Candidate>) {
    for candidate in batch {
        match store.remove(candidate.name) {
            Ok(()) => {
                store.counts.evicted.one();
                store.counts.evicted_bytes.add(candidate.on_disk.0);
            }
            Err(error) => warn!(error = %error, "cannot remove an object"),
        }
    }
}
