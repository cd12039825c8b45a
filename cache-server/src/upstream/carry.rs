//! Writing behind: what was stored here goes up later, in the order in which it came, a few at once. What fails is tried
//! again after a pause, what the upstream does not want is let go, and nothing of it ever keeps a client waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::queue::Due;
use super::record::record_of;
use super::remote::{Remote as _, RemoteError};
use super::tier::Tier;
use crate::disk::Patience;
use crate::keys::ObjectName;
use crate::reads::{Nothing, Part, find_named};
use crate::store::Store;

/// The first pause of a name that failed, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A name that failed, and when it may be tried again.
#[derive(Debug, Clone, Copy)]
struct Resting {
    until: Instant,
    pause: Duration,
}

enum Carried {
    Up(u64),
    /// It is not here any more.
    Vanished,
    /// The disk was too busy.
    Later,
    Refused(RemoteError),
}

/// Carries until it is dropped. What was under way then is still in the list.
pub(crate) async fn carry(tier: Arc<Tier>, store: Arc<Store>) {
    let mut under_way: JoinSet<(Due, Carried)> = JoinSet::new();
    let mut names: Vec<ObjectName> = Vec::new();
    let mut resting: HashMap<ObjectName, Resting> = HashMap::new();
    loop {
        tier.try_again().await;
        let now = Instant::now();
        resting.retain(|_, rest| rest.until + LONGEST_PAUSE > now);
        let room = tier.config.calls.saturating_sub(names.len());
        let is_free =
            |name: ObjectName| !names.contains(&name) && resting.get(&name).is_none_or(|rest| rest.until <= now);
        let next = if room > 0 && tier.queue().len() > names.len() && tier.may_give() {
            tier.queue().first(room, is_free)
        } else {
            Vec::new()
        };
        for due in next {
            names.push(due.name);
            let (tier, store) = (Arc::clone(&tier), Arc::clone(&store));
            under_way.spawn(async move { (due, tier.carry_one(&store, due.name).await) });
        }
        let wake = resting.values().map(|rest| rest.until).filter(|until| *until > now).min();
        let wake = wake.unwrap_or(now + tier.pause()).min(now + tier.pause());
        // All branches only wait; a dropped one loses nothing.
        tokio::select! {
            Some(ended) = under_way.join_next() => {
                // One that panicked is tried again after the others.
                let Ok((due, carried)) = ended else { continue };
                let name = due.name;
                names.retain(|other| *other != name);
                let again = match &carried {
                    Carried::Up(_) | Carried::Vanished | Carried::Refused(RemoteError::Declined { .. }) => false,
                    Carried::Later | Carried::Refused(_) => true,
                };
                if again {
                    let pause = resting.get(&name).map_or(PAUSE, |rest| (rest.pause * 2).min(LONGEST_PAUSE));
                    resting.insert(name, Resting { until: Instant::now() + pause, pause });
                }
                tier.settle(&store, due, carried).await;
            }
            () = tier.bell.notified() => {}
            () = sleep_until(wake) => {}
        }
    }
}

impl Tier {
    async fn settle(self: &Arc<Self>, store: &Arc<Store>, due: Due, carried: Carried) {
        let counts = &self.counts;
        match carried {
            Carried::Up(bytes) => {
                self.succeeded();
                counts.carried.one();
                counts.carried_bytes.add(bytes);
            }
            Carried::Vanished => counts.vanished.one(),
            Carried::Later => return counts.carry_failures.one(),
            Carried::Refused(error) => {
                self.failed(&error);
                debug!(cache.object = %due.name.to_hex(), error = %error, "could not carry an object to the upstream");
                if !matches!(error, RemoteError::Declined { .. }) {
                    counts.carry_failures.one();
                    return;
                }
                counts.declined.one();
            }
        }
        let tier = Arc::clone(self);
        let done = store.disk.at_leisure(move || tier.queue().done(due)).await;
        if let Some(Err(error)) = done {
            // It goes up once more after a restart, which changes nothing up there.
            debug!(error = %error, "cannot write down what the upstream has");
        }
    }

    async fn carry_one(&self, store: &Arc<Store>, name: ObjectName) -> Carried {
        let Ok(_permit) = self.writes.acquire().await else { return Carried::Vanished };
        let mut patience = Patience::new(store.config.limits.read);
        let found = match find_named(store, vec![name], Part::Whole, &mut patience).await {
            Ok(found) => found,
            Err(Nothing::Absent) => return Carried::Vanished,
            Err(Nothing::TooSlow) => return Carried::Later,
        };
        let length = found.info.length;
        let (size, record) = record_of(found, self.seal.clone());
        let record = record.map_err(std::io::Error::other).boxed();
        let put = timeout(self.config.write, self.remote.put(name, size, record)).await;
        match put {
            Ok(Ok(())) => Carried::Up(length),
            Ok(Err(error)) => Carried::Refused(error),
            Err(_) => Carried::Refused(RemoteError::TooSlow),
        }
    }
}
