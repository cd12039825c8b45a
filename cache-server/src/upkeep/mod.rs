//! What a node does beside the path of requests: learns what is on disk, has what was stored reach the disk, gives dead
//! room back, checks what lies there, keeps its log short. None of it holds up a request.

mod compaction;
mod learning;
mod scrub;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tracing::{info, warn};

pub(crate) use compaction::{Pace, compact, tidy};
pub(crate) use scrub::{Checked, check};

use crate::config::{Durability, Ownership};
use crate::parts;
use crate::store::Store;
use crate::uploads::sweep_aside;

/// How often a node looks after what nobody waits for.
const ROUND: Duration = Duration::from_mins(1);

/// Learns what is on disk, then looks after it. Runs until it is dropped; a piece of work on a blocking thread then still
/// comes to its end.
pub(crate) async fn look_after(store: Arc<Store>) {
    learning::learn(&store).await;
    if store.config.ownership == Ownership::Shared {
        return;
    }
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_uses = Instant::now() + store.config.limits.touch;
    let mut scrub = scrub::Scrub::default();
    loop {
        // Both branches only wait; a dropped one loses nothing.
        tokio::select! {
            _ = rounds.tick() => {
                store.memory.rest();
                store.windows.rest().await;
                tidy(&store).await;
                parts::sweep(&store).await;
                sweep_aside(&store).await;
                scrub.go_on(&store, ROUND).await;
            }
            () = sleep_until(next_uses) => {
                next_uses = Instant::now() + store.config.limits.touch;
                let of = Arc::clone(&store);
                // The next time writes them otherwise.
                let _ = store.disk.at_leisure(move || of.note_uses()).await;
            }
        }
    }
}

/// Has what was stored reach the disk, a while after it was. Runs until it is dropped.
pub(crate) async fn keep_synced(store: Arc<Store>) {
    if store.config.durability != Durability::Batch {
        return;
    }
    loop {
        store.book.unsynced.notified().await;
        sleep(store.config.limits.sync).await;
        let book = Arc::clone(&store.book);
        if let Some(Err(error)) = store.disk.at_leisure(move || book.sync()).await {
            warn!(error = %error, "cannot have what was stored reach the disk");
        }
    }
}

/// One round for a directory that short-lived nodes share.
pub(crate) async fn look_after_once(store: &Arc<Store>) {
    learning::learn(store).await;
    tidy(store).await;
    sweep_aside(store).await;
    let (objects, bytes) = (store.book.index.objects(), store.book.index.bytes());
    info!(cache.objects = objects, cache.bytes = bytes.0, "the cache holds {objects} objects, {bytes}");
}
