//! What the desk does about a store, apart from archives. Lists are said as they are read: nothing is kept of them, and
//! a caller who does not read holds the reading up, not the memory.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::{Bytes, Millis, Timestamp};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::protocol::{Damage, ObjectLine, Report, Said, ScopeUse, Stats, Which, send, version};
use crate::catalog::{Filter, Listed};
use crate::disk::{Call, Patience, TooSlow};
use crate::eviction::collect_down_to;
use crate::http::gha::remove_expired_once;
use crate::index::Read;
use crate::keys::ObjectName;
use crate::node::Node;
use crate::secret::Secret;
use crate::store::Store;
use crate::upkeep::{Checked, check};
use crate::upstream::{UpstreamPlace, WarmError, Warmed};

/// Objects that were read and not said yet.
const AHEAD: usize = 64;
/// A person who waits longer is told how far it has come, and so often.
const WORD: Duration = Duration::from_secs(2);
/// Damaged objects whose keys are looked up.
const NAMED: usize = 10_000;
/// How long a list waits for its turn at the disk.
const TURN: Duration = Duration::from_secs(30);
/// Records fetched at once from another node.
const CALLS: usize = 8;

/// Why what was asked for was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error("the caller has gone")]
    Caller(#[source] io::Error),
    #[error("cannot read the index log")]
    Log(#[source] io::Error),
    #[error("the disk is too busy: a list had no turn within {} seconds; try again", TURN.as_secs())]
    Busy,
    #[error("the store is being closed")]
    Closing,
    #[error("cannot fetch from the other node")]
    Warm(#[source] WarmError),
    #[error("cannot read the archive")]
    Archive(#[source] io::Error),
    #[error("the archive is damaged: {0}")]
    Damaged(&'static str),
    #[error("there is no more room in the cache; what came until here is stored")]
    Full,
}

/// Says now and then how far something has come.
pub(super) struct Ticker(Instant);

impl Ticker {
    pub(super) fn new() -> Self {
        Self(Instant::now() + WORD)
    }

    pub(super) async fn tick(
        &mut self,
        stream: &mut UnixStream,
        words: impl FnOnce() -> String,
    ) -> Result<(), WorkError> {
        if Instant::now() >= self.0 {
            self.0 = Instant::now() + WORD;
            say(stream, &Said::Progress(words())).await?;
        }
        Ok(())
    }
}

pub(super) async fn say(stream: &mut UnixStream, said: &Said) -> Result<(), WorkError> {
    send(stream, said).await.map_err(WorkError::Caller)
}

pub(super) async fn stats(node: &Node, open_for: Duration, stream: &mut UnixStream) -> Result<Report, WorkError> {
    let store = node.store();
    let stats = Stats {
        version: version(),
        process: std::process::id(),
        open_for: Millis(u64::try_from(open_for.as_millis()).unwrap_or(u64::MAX)),
        node: node.status(),
        memory_hits: store.counts.memory_hits.get(),
        evicted_bytes: Bytes(store.counts.evictions.bytes.get()),
        upstream: node.upstream(),
    };
    say(stream, &Said::Stats(Box::new(stats))).await?;
    let mut usages = store.usages();
    usages.sort_by_key(|(_, usage)| std::cmp::Reverse(usage.bytes));
    let shown = usages.len() as u64;
    for (space, usage) in usages {
        let (realm, bytes) = (space.realm.to_string(), Bytes(usage.bytes));
        say(stream, &Said::Scope(ScopeUse { realm, scope: space.scope, objects: usage.objects, bytes })).await?;
    }
    Ok(Report::Shown { shown })
}

impl Which {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            realm: self.realm.as_deref().map(Arc::from),
            scope: self.scope.clone(),
            key_prefix: self.key.clone().or_else(|| self.prefix.clone()),
            ..Filter::default()
        }
    }

    /// What the filter leaves open: a key is a prefix of others.
    pub(super) fn takes(&self, listed: &Listed) -> bool {
        self.key.as_deref().is_none_or(|key| listed.address.key.as_str() == key)
    }
}

/// The log as it is read: what is meant, in no order, and at the end how the reading went.
pub(super) struct Scan {
    heard: mpsc::Receiver<Listed>,
    reading: Call<io::Result<Read>>,
}

impl Scan {
    /// Begins once the disk has a place for it.
    pub(super) async fn begin(store: &Arc<Store>, which: &Which) -> Result<Self, WorkError> {
        let (told, heard) = mpsc::channel(AHEAD);
        let (on, which) = (Arc::clone(store), which.clone());
        let read = move || {
            on.scan(&which.filter(), |listed| {
                // Whoever has heard enough is gone; the rest of the log is read for nothing.
                if which.takes(&listed) {
                    let _ = told.blocking_send(listed);
                }
            })
        };
        let reading = store.disk.start(&mut Patience::new(TURN), read).await.map_err(|TooSlow| WorkError::Busy)?;
        Ok(Self { heard, reading })
    }

    /// The next object; `None` when nothing more comes, for whatever reason: [`Scan::end`] says which.
    pub(super) async fn next(&mut self) -> Option<Listed> {
        self.heard.recv().await
    }

    /// Whether it was read to its end, and what could not be understood on the way.
    pub(super) async fn end(self) -> Result<Read, WorkError> {
        drop(self.heard);
        self.reading.outcome().await.ok_or(WorkError::Closing)?.map_err(WorkError::Log)
    }
}

pub(super) async fn list(node: &Node, which: &Which, limit: u64, stream: &mut UnixStream) -> Result<Report, WorkError> {
    let mut objects = Scan::begin(node.store(), which).await?;
    let mut shown = 0;
    while shown < limit {
        let Some(listed) = objects.next().await else {
            objects.end().await?;
            break;
        };
        say(stream, &Said::Object(Box::new(line(listed)))).await?;
        shown += 1;
    }
    Ok(Report::Shown { shown })
}

fn line(listed: Listed) -> ObjectLine {
    let Listed { address, length, writer, stored_at, used_at, cost_ms, pinned, .. } = listed;
    ObjectLine {
        realm: address.space.realm.to_string(),
        scope: address.space.scope,
        key: address.key.as_str().to_owned(),
        length: Bytes(length),
        writer,
        stored_at: written(stored_at),
        used_at: written(used_at),
        cost: (cost_ms > 0).then_some(Millis(cost_ms.into())),
        pinned,
    }
}

fn written(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(|_| format!("{at:?}"), |at| at.to_string())
}

/// Reads everything, segment by segment. What is damaged is removed, so that the next build stores it anew.
pub(super) async fn verify(node: &Node, stream: &mut UnixStream) -> Result<Report, WorkError> {
    let store = node.store();
    let (mut objects, mut bytes, mut damaged) = (0, 0, Vec::new());
    let mut ticker = Ticker::new();
    for slot in 0..store.book.shelf.slots() {
        let of = Arc::clone(store);
        let mut entries =
            store.disk.at_leisure(move || of.book.index.in_segment(slot)).await.ok_or(WorkError::Closing)?;
        entries.sort_by_key(|entry| entry.place().offset);
        for entry in entries {
            let of = Arc::clone(store);
            let checked = store.disk.at_leisure(move || check(&of, &entry)).await.ok_or(WorkError::Closing)?;
            objects += 1;
            bytes += entry.size();
            if let Checked::Damaged(why) = checked {
                damaged.push((entry.name(), why));
            }
            ticker.tick(stream, || format!("{objects} objects, {} checked", Bytes(bytes))).await?;
        }
    }
    let count = damaged.len() as u64;
    for damage in named(store, damaged).await? {
        say(stream, &Said::Damaged(damage)).await?;
    }
    Ok(Report::Verified { objects, bytes: Bytes(bytes), damaged: count })
}

/// Looks up which keys the damaged objects had.
async fn named(store: &Arc<Store>, damaged: Vec<(ObjectName, String)>) -> Result<Vec<Damage>, WorkError> {
    let wanted: HashSet<_> = damaged.iter().take(NAMED).map(|(name, _)| *name).collect();
    let of = Arc::clone(store);
    let found = if wanted.is_empty() {
        Ok(Vec::new())
    } else {
        store.disk.at_leisure(move || of.addresses(&wanted)).await.ok_or(WorkError::Closing)?
    };
    let found = found.map_err(WorkError::Log)?;
    let damage = |(name, why): (ObjectName, String)| {
        let address = found.iter().find(|(found, _)| *found == name).map(|(_, address)| {
            let space = &address.space;
            [space.realm.to_string(), space.scope.to_string(), address.key.as_str().to_owned()]
        });
        Damage { object: name.to_hex().to_string(), address, why }
    };
    Ok(damaged.into_iter().map(damage).collect())
}

/// Evicts what should not stay, down to `to` where that is said, and gives back what room it can.
pub(super) async fn collect(node: &Node, to: Option<Bytes>, stream: &mut UnixStream) -> Result<Report, WorkError> {
    let store = node.store();
    let (before, evicted) = (store.book.shelf.on_disk(), store.counts.evictions.objects());
    let collecting = async {
        remove_expired_once(store).await;
        collect_down_to(store, to).await;
    };
    tokio::pin!(collecting);
    // What was begun when the caller leaves is broken off between two batches, which is safe.
    while timeout(WORD, &mut collecting).await.is_err() {
        let gone = store.counts.evictions.objects() - evicted;
        let left = Bytes(store.book.shelf.on_disk());
        say(stream, &Said::Progress(format!("{gone} objects evicted, {left} on disk"))).await?;
    }
    let after = store.book.shelf.on_disk();
    Ok(Report::Collected {
        evicted: store.counts.evictions.objects() - evicted,
        freed: Bytes(before.saturating_sub(after)),
        objects: store.book.index.objects(),
        bytes: Bytes(after),
    })
}

pub(super) async fn set_pinned(node: &Node, which: Which, pinned: bool) -> Result<Report, WorkError> {
    let of = Arc::clone(node.store());
    let pin = move || {
        let mut objects = 0;
        of.scan(&which.filter(), |listed| {
            if which.takes(&listed) && listed.pinned != pinned && of.set_pinned(listed.name, pinned) {
                objects += 1;
            }
        })?;
        Ok(objects)
    };
    let pinned = node.store().disk.at_leisure(pin).await.ok_or(WorkError::Closing)?;
    pinned.map(|objects| Report::Pinned { objects }).map_err(WorkError::Log)
}

pub(super) async fn warm_from(
    node: &Node,
    endpoint: String,
    token: String,
    ca: Option<PathBuf>,
    stream: &mut UnixStream,
) -> Result<Report, WorkError> {
    let place = UpstreamPlace::Peer { endpoint, token: Secret::new(token), ca };
    let (told, mut heard) = mpsc::channel::<Warmed>(1);
    // What cannot be said now is said with the next step.
    let warming = node.warm_from(&place, CALLS, |warmed| {
        let _ = told.try_send(*warmed);
    });
    tokio::pin!(warming);
    let mut ticker = Ticker::new();
    let warmed = loop {
        tokio::select! {
            warmed = &mut warming => break warmed.map_err(WorkError::Warm)?,
            Some(w) = heard.recv() => {
                ticker.tick(stream, || format!("{} of {} objects fetched, {} here already", w.fetched, w.seen, w.present)).await?;
            }
        }
    };
    let Warmed { seen, present, fetched, fetched_bytes, failed } = warmed;
    Ok(Report::Warmed { seen, present, fetched, bytes: Bytes(fetched_bytes), failed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Shed, plain};

    async fn keys(mut scan: Scan) -> Vec<String> {
        let mut keys = Vec::new();
        while let Some(listed) = scan.next().await {
            keys.push(listed.address.key.as_str().to_owned());
        }
        assert_eq!(scan.end().await.unwrap().damaged, 0);
        keys.sort();
        keys
    }

    #[tokio::test]
    async fn a_list_waits_for_a_busy_disk_and_is_whole() {
        let shed = Shed::new().await;
        for key in ["a", "b", "c"] {
            shed.put(&plain(1, key), b"x").await.unwrap();
        }
        let busy = shed.store.disk.fill();
        let which = Which::default();
        let mut begun = std::pin::pin!(Scan::begin(&shed.store, &which));
        assert!(futures_util::poll!(begun.as_mut()).is_pending(), "all places are taken");
        drop(busy);
        assert_eq!(keys(begun.await.ok().unwrap()).await, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_disk_that_stays_busy_is_an_error_and_no_empty_list() {
        let shed = Shed::new().await;
        let _busy = shed.store.disk.fill();
        tokio::time::pause();
        let begun = Scan::begin(&shed.store, &Which::default()).await;
        assert!(matches!(begun, Err(WorkError::Busy)));
    }
}
