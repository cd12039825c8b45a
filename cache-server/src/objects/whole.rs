//! Objects one by one: found, described, stored, removed, listed.

use std::sync::Arc;

use hearth_model::{Bytes, Millis};
use tracing::warn;

use crate::access::{Act, Caller, Done, Gate, Pace, Right};
use crate::catalog::{Listed, Wanted, page};
use crate::disk::{Patience, TooSlow};
use crate::http::inflow::Inflow;
use crate::http::reply::ReplyBody;
use crate::http::webdav::{Objects, Removal};
use crate::keys::{ObjectKey, ObjectName, Space};
use crate::node::Watch;
use crate::reads::{Found, Nothing, Part, find, find_named, measure};
use crate::store::{Info, Store};
use crate::uploads::{Taken, receive, refuse};

/// A node's objects as one caller may have them, and the place where reads and writes are counted.
#[derive(Debug)]
pub(crate) struct NodeObjects {
    pub(super) store: Arc<Store>,
    gate: Arc<Gate>,
    watch: Arc<Watch>,
    pub(super) caller: Arc<Caller>,
}

impl NodeObjects {
    pub(crate) fn new(store: Arc<Store>, gate: Arc<Gate>, watch: Arc<Watch>, caller: Arc<Caller>) -> Self {
        Self { store, gate, watch, caller }
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether the caller may ask for one more thing. The check object is answered without this question.
    pub(crate) fn pace(&self) -> Pace {
        let Some(rate) = self.caller.rate else { return Pace::Free };
        let pace = self.watch.rates.take(self.caller.writer, rate, self.store.clock.monotonic());
        if pace == Pace::TooFast {
            self.store.counts.too_fast.one();
        }
        pace
    }

    /// Whether so many bytes of an object may come or go for him now.
    pub(super) fn pace_of(&self, bytes: u64) -> Pace {
        let Some(per_second) = self.caller.bytes_per_second else { return Pace::Free };
        let now = self.store.clock.monotonic();
        let pace = self.watch.rates.take_bytes(self.caller.writer, per_second, bytes, now);
        if pace == Pace::TooFast {
            self.store.counts.too_fast.one();
        }
        pace
    }

    /// Writes down what the caller has done, when such a book is kept.
    pub(crate) fn note(&self, act: Act, key: &ObjectKey, done: Done) {
        if let Some(audit) = &self.watch.audit {
            audit.note(self.store.clock.now(), &self.caller, act, key, done);
        }
    }

    /// What was stored stays only if its writer was not revoked meanwhile: his objects have been looked for already.
    pub(super) async fn keep(&self, key: &ObjectKey, taken: Taken) -> Taken {
        if taken != Taken::Stored || self.gate.admits(&self.caller) {
            return taken;
        }
        if let Some(address) = self.caller.writable(key) {
            self.remove_object(address.name()).await;
        }
        Taken::Discarded
    }

    async fn remove_object(&self, name: ObjectName) -> Removal {
        let mut patience = Patience::new(self.store.config.limits.write);
        let on = Arc::clone(&self.store);
        let removed = self.store.disk.run(&mut patience, move || on.remove(name));
        if removed.await == Ok(true) { Removal::Removed } else { Removal::Absent }
    }

    pub(crate) async fn find(&self, key: &ObjectKey, part: Part) -> Option<Found> {
        if self.pace() == Pace::TooFast {
            return self.store.counts.read(Err(Nothing::Absent));
        }
        let mut found = find(&self.store, &self.caller, key, part).await;
        if let Ok(there) = &found
            && self.pace_of(there.range.end - there.range.start) == Pace::TooFast
        {
            found = Err(Nothing::Absent);
        }
        let Store { savings, clock, .. } = &*self.store;
        match &found {
            Ok(found) => {
                let cost = (found.info.cost_ms > 0).then(|| Millis(found.info.cost_ms.into()));
                savings.hit(&self.caller, Bytes(found.info.length), cost, clock.now());
            }
            Err(_) => savings.missed(&self.caller, key, clock.now()),
        }
        self.store.counts.read(found)
    }

    /// What the object is that a read would give, for whoever asks only that.
    pub(crate) async fn describe(&self, key: &ObjectKey) -> Option<Arc<Info>> {
        if self.pace() == Pace::TooFast {
            return self.store.counts.read(Err(Nothing::Absent));
        }
        let found = find(&self.store, &self.caller, key, Part::Last(0)).await;
        self.store.counts.read(found.map(|found| found.info))
    }

    /// What the object is that a read would give, when nobody asked.
    pub(crate) async fn look(&self, key: &ObjectKey) -> Option<Arc<Info>> {
        find(&self.store, &self.caller, key, Part::Last(0)).await.ok().map(|found| found.info)
    }

    /// Stores an object, with what its dialect wants to know again.
    pub(crate) async fn store(&self, key: &ObjectKey, attributes: Box<str>, body: Inflow) -> Taken {
        let length = body.length();
        let pace = if self.pace() == Pace::Free { self.pace_of(length) } else { Pace::TooFast };
        let taken = match pace {
            Pace::Free => self.keep(key, receive(&self.store, &self.caller, key, attributes, body).await).await,
            Pace::TooFast => refuse(body, Taken::Discarded).await,
        };
        self.note(Act::Write, key, Done { outcome: taken.as_str(), size: Some(length) });
        self.store.counts.of_write(taken).one();
        taken
    }

    /// What the object is that was listed under this name.
    pub(crate) async fn look_at(&self, listed: &Listed) -> Option<Arc<Info>> {
        let mut patience = Patience::new(self.store.config.limits.read);
        let found = find_named(&self.store, vec![listed.name], Part::Last(0), &mut patience).await;
        found.ok().map(|found| found.info)
    }

    /// The spaces that he may list, nearest first.
    pub(crate) fn listed_spaces(&self) -> &[Space] {
        if self.caller.rights.has(Right::List) { self.caller.reads() } else { &[] }
    }

    /// Up to `limit` objects of a space, in the order of their keys, from behind `after`.
    pub(crate) async fn list(
        &self,
        space: &Space,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Listed>, TooSlow> {
        if self.pace() == Pace::TooFast {
            return Err(TooSlow);
        }
        // Longer than a read: it may go through the whole log.
        let mut patience = Patience::new(self.store.config.limits.client_stall);
        let wanted = Wanted { space: space.clone(), prefix: prefix.to_owned(), after: after.to_owned(), limit };
        page(&self.store, wanted, &mut patience).await?.map_err(|error| {
            warn!(error = %error, "cannot list objects");
            TooSlow
        })
    }
}

impl Objects for NodeObjects {
    async fn get(&self, key: &ObjectKey) -> Option<ReplyBody> {
        let found = self.find(key, Part::Whole).await?;
        Some(ReplyBody::found(found, Arc::clone(&self.store.traffic)))
    }

    async fn length(&self, key: &ObjectKey) -> Option<u64> {
        if self.pace() == Pace::TooFast {
            return self.store.counts.read(Err(Nothing::Absent));
        }
        self.store.counts.read(measure(&self.store, &self.caller, key).await)
    }

    async fn put(&self, key: &ObjectKey, body: Inflow) -> Taken {
        self.store(key, "".into(), body).await
    }

    async fn remove(&self, key: &ObjectKey) -> Removal {
        let removal = match self.caller.removable(key) {
            Some(_) if self.pace() == Pace::TooFast => Removal::Refused,
            Some(name) => self.remove_object(name).await,
            None => Removal::Refused,
        };
        self.note(Act::Remove, key, Done { outcome: removal.as_str(), size: None });
        removal
    }
}
