//! Artifacts whose time is over: nobody is given one any more, and their room comes back with the next look at them. How
//! long one is kept stands in its own record, so each is read once, and remembered by a number.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::{Scope, Timestamp};
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use super::artifacts;
use super::entries::{self, Kept};
use crate::config::Ownership;
use crate::eviction::Reason;
use crate::keys::{Address, ObjectName, Reserved};
use crate::store::Store;

/// How often a node looks by itself.
const ROUND: Duration = Duration::from_mins(1);

/// When each artifact goes that is known, and that is pinned or not.
#[derive(Debug, Default)]
struct Ends(HashMap<ObjectName, Timestamp>);

/// Runs until it is dropped.
pub(crate) async fn remove_expired(store: Arc<Store>) {
    if store.config.ownership == Ownership::Shared {
        return;
    }
    store.book.index.loaded().await;
    let mut ends = Ends::default();
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        ends.look(&store).await;
    }
}

/// One look, for somebody who asks for room now.
pub(crate) async fn remove_expired_once(store: &Arc<Store>) {
    Ends::default().look(store).await;
}

impl Ends {
    async fn look(&mut self, store: &Arc<Store>) {
        let mut known = HashMap::new();
        let mut removed = 0_u64;
        for (space, _) in store.usages().into_iter().filter(|(space, _)| matches!(space.scope, Scope::Run(_))) {
            for (key, name) in store.reserved_keys(&space, Reserved::Artifacts.segment(), None, usize::MAX) {
                let end = match self.0.remove(&name) {
                    Some(end) => end,
                    // One that cannot be read now is looked at the next time; who asks for it reads it himself.
                    None => match entries::look(store, &Address { space: space.clone(), key }).await {
                        Ok(Some(kept)) => end_of(&kept),
                        Ok(None) | Err(_) => continue,
                    },
                };
                if store.clock.now() < end {
                    known.insert(name, end);
                } else if remove(store, name).await {
                    removed += 1;
                }
            }
        }
        self.0 = known;
        if removed > 0 {
            info!(cache.removed = removed, "removed {removed} artifacts whose time is over");
        }
    }
}

/// One that does not say when is kept as long as its class is.
fn end_of(kept: &Kept) -> Timestamp {
    artifacts::end(&kept.attributes).unwrap_or(Timestamp::from_millis(i64::MAX))
}

/// Says whether it went; one that somebody has pinned stays, and nobody is given it.
async fn remove(store: &Arc<Store>, name: ObjectName) -> bool {
    let on = Arc::clone(store);
    let remove = move || {
        let Some(entry) = on.book.index.get(name).filter(|entry| !entry.is_pinned()) else { return false };
        let gone = on.remove(name);
        if gone {
            on.counts.evictions.note(Reason::Age, entry.size(), on.clock.now().since(entry.used()));
        }
        gone
    };
    store.disk.at_leisure(remove).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{ObjectKey, Space};
    use crate::testing::{NOW, Shed, plain};
    use hearth_model::Millis;

    fn artifact(name: &str) -> Address {
        let space = Space { realm: "github.com/acme/rocket".into(), scope: Scope::Run(7) };
        Address { space, key: ObjectKey::reserved(Reserved::Artifacts, &format!("run/{name}")).unwrap() }
    }

    #[tokio::test]
    async fn an_artifact_goes_when_its_time_is_over_and_not_before() {
        let shed = Shed::new().await;
        let ending =
            |seconds| format!("{{\"expires_at\":{},\"job\":\"j\"}}", (NOW + Millis::from_secs(seconds)).as_millis());
        for (name, attributes) in [("soon", ending(10)), ("late", ending(1000)), ("pinned", ending(10))] {
            shed.put_with(&artifact(name), &attributes, &[7; 5000]).await.unwrap();
        }
        shed.put_with(&artifact("never"), "{}", b"x").await.unwrap();
        shed.put(&plain(1, "other"), b"x").await.unwrap();
        let on = Arc::clone(&shed.store);
        tokio::task::spawn_blocking(move || on.set_pinned(artifact("pinned").name(), true)).await.unwrap();
        let mut ends = Ends::default();
        let left = async |ends: &mut Ends| {
            ends.look(&shed.store).await;
            (shed.store.book.index.objects(), ends.0.len())
        };
        assert_eq!(left(&mut ends).await, (5, 4));
        shed.clock.advance(Duration::from_secs(10));
        let before = shed.store.book.index.bytes();
        assert_eq!(left(&mut ends).await, (4, 2), "the pinned one stays");
        assert!(shed.store.book.index.bytes().0 + 5000 < before.0);
        shed.clock.advance(Duration::from_secs(1000));
        assert_eq!(left(&mut Ends::default()).await, (3, 1), "also when nothing is remembered");
        assert_eq!(shed.store.counts.evictions.of(Reason::Age), 2);
    }
}
