//! Keeps up with the lists while the node runs: a token that was made is good, one that was revoked is not, within a
//! second and without a restart; and what a revocation condemns is looked for and removed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::gate::{Gate, Reloaded};
use super::revoked::{Revocations, Stored};
use crate::catalog::Filter;
use crate::store::Store;

/// How often the files are looked at; reading them is the rare case.
const ROUND: Duration = Duration::from_secs(1);
/// After a disk that could not be searched.
const TRY_AGAIN: Duration = Duration::from_mins(1);

/// Runs until it is dropped.
pub(crate) async fn follow(gate: Arc<Gate>, store: Arc<Store>) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What was revoked while nobody was here has to be looked for too.
    let mut purge_from = Some(Instant::now());
    loop {
        rounds.tick().await;
        let of = Arc::clone(&gate);
        let Some(reloaded) = store.disk.at_leisure(move || of.reload()).await else { return };
        if reloaded == Reloaded::Changed {
            purge_from = Some(Instant::now());
        }
        // An index that is still being read does not know of all that there is.
        if purge_from.is_none_or(|from| Instant::now() < from) || !store.is_complete() {
            continue;
        }
        let (lists, of) = (gate.lists(), Arc::clone(&store));
        match store.disk.at_leisure(move || purge(&of, &lists.revoked)).await {
            None => return,
            Some(Ok(removed)) => {
                purge_from = None;
                if removed > 0 {
                    info!(cache.removed = removed, "removed what was revoked");
                }
            }
            Some(Err(error)) => {
                purge_from = Some(Instant::now() + TRY_AGAIN);
                warn!(error = %error, "cannot look for what was revoked; that is tried again");
            }
        }
    }
}

/// Removes what the revocations condemn. Blocks.
fn purge(store: &Store, revoked: &Revocations) -> io::Result<u64> {
    if !revoked.condemns_any() {
        return Ok(0);
    }
    store.remove_where(&Filter::default(), |listed| {
        revoked.condemns(Stored { space: &listed.address.space, writer: listed.writer, at: listed.stored_at })
    })
}
