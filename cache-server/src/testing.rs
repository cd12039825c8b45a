//! A store on a directory of its own for the tests of this crate, driven without a server around it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes as Data;
use futures_util::TryStreamExt as _;
use hearth_model::{Bytes, ManualClock, Scope, Timestamp, WriterId};
use tempfile::TempDir;

use crate::appender::Filed;
use crate::catalog::{Wanted, page};
use crate::config::NodeConfig;
use crate::disk::Patience;
use crate::keys::{Address, ObjectKey, Reserved, Space};
use crate::reads::{Found, Nothing, Part, find_named};
use crate::store::Store;
use crate::upkeep::look_after_once;
use crate::uploads::{Failure, Offer, Upload};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) struct Shed {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: TempDir,
}

impl Shed {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let store = open(dir.path(), &clock, change).await;
        Self { store, clock, dir }
    }

    /// Stops in order and opens again.
    pub(crate) async fn restart(self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        self.store.finish().await;
        self.reopen(change).await
    }

    /// Opens again what was left as it was: nothing was synced, and no use noted.
    pub(crate) async fn reopen(self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        self.reopen_after(|_| {}, change).await
    }

    /// The same, and something happens to the directory in between.
    pub(crate) async fn reopen_after(self, what: impl FnOnce(&Path), change: impl FnOnce(&mut NodeConfig)) -> Self {
        let Self { store, clock, dir } = self;
        let of = Arc::clone(&store);
        tokio::task::spawn_blocking(move || of.appender.stop()).await.unwrap();
        store.disk.settle(&mut Patience::new(Duration::from_secs(20))).await.unwrap();
        drop(store);
        what(dir.path());
        let store = open(dir.path(), &clock, change).await;
        Self { store, clock, dir }
    }

    pub(crate) async fn put(&self, address: &Address, data: &[u8]) -> Result<Filed, Failure> {
        self.put_as(1, address, Some(data.len() as u64), data).await
    }

    pub(crate) async fn put_as(
        &self,
        writer: u8,
        address: &Address,
        length: Option<u64>,
        data: &[u8],
    ) -> Result<Filed, Failure> {
        let writer = WriterId::from_bytes([writer; 16]);
        let offer =
            Offer { address: address.clone(), length, writer, attributes: "{}".into(), cost_ms: 3, stored_at: None };
        self.offer(offer, data).await
    }

    pub(crate) async fn put_with(&self, address: &Address, attributes: &str, data: &[u8]) -> Result<Filed, Failure> {
        let (address, length, writer) = (address.clone(), Some(data.len() as u64), WriterId::from_bytes([1; 16]));
        let offer = Offer { address, length, writer, attributes: attributes.into(), cost_ms: 0, stored_at: None };
        self.offer(offer, data).await
    }

    async fn offer(&self, offer: Offer, data: &[u8]) -> Result<Filed, Failure> {
        let mut upload = Upload::begin(&self.store, offer).await?;
        for piece in data.chunks(100_000) {
            upload.write(Data::copy_from_slice(piece)).await?;
        }
        upload.finish().await
    }

    /// The keys of a page of a list.
    pub(crate) async fn page(&self, n: u64, prefix: &str, after: &str, limit: usize) -> Vec<String> {
        let wanted = Wanted { space: space(n), prefix: prefix.to_owned(), after: after.to_owned(), limit };
        let page = page(&self.store, wanted, &mut Patience::new(Duration::from_mins(1))).await.unwrap().unwrap();
        page.into_iter().map(|listed| listed.address.key.as_str().to_owned()).collect()
    }

    pub(crate) async fn find(&self, address: &Address, part: Part) -> Result<Found, Nothing> {
        let mut patience = Patience::new(self.store.config.limits.read);
        find_named(&self.store, vec![address.name()], part, &mut patience).await
    }

    /// What the object holds, or the part of it.
    pub(crate) async fn get(&self, address: &Address, part: Part) -> Option<Vec<u8>> {
        let found = self.find(address, part).await.ok()?;
        let pieces: Vec<_> = found.body.into_stream().try_collect().await.ok()?;
        Some(pieces.concat())
    }
}

async fn open(root: &Path, clock: &Arc<ManualClock>, change: impl FnOnce(&mut NodeConfig)) -> Arc<Store> {
    let mut config = NodeConfig::new(root.to_owned(), Bytes::mib(256));
    config.free_reserve = Bytes(0);
    config.memory = Bytes(0);
    change(&mut config);
    let store = Arc::new(Store::open(config, Arc::clone(clock) as Arc<_>).unwrap());
    look_after_once(&store).await;
    store
}

pub(crate) fn space(n: u64) -> Space {
    Space { realm: "github.com/acme/rocket".into(), scope: Scope::PullRequest(n) }
}

pub(crate) fn plain(n: u64, key: &str) -> Address {
    Address { space: space(n), key: ObjectKey::new(key).unwrap() }
}

pub(crate) fn reserved(n: u64, key: &str) -> Address {
    Address { space: space(n), key: ObjectKey::reserved(Reserved::Caches, key).unwrap() }
}

/// Bytes that differ from chunk to chunk and from seed to seed.
pub(crate) fn body(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32).to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(next());
    }
    bytes.truncate(length);
    bytes
}
