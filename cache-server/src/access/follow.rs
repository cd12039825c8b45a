//! Keeps up with the lists while the node runs: a token that was made is good, one that was revoked is not, within a
//! second and without a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::gate::Gate;
use crate::store::Store;

/// How often the files are looked at; reading them is the rare case.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(crate) async fn follow(gate: Arc<Gate>, store: Arc<Store>) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let of = Arc::clone(&gate);
        if store.disk.at_leisure(move || of.reload()).await.is_none() {
            return;
        }
    }
}
