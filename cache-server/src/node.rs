//! A node from outside: open it, let it serve listeners, ask how it is, stop it. Owns the background task and knows who
//! may do what: every object request needs a token that is good now, or claims that its caller vouches for.

mod look;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hearth_model::{Bytes, Clock, Millis, Timestamp};
use hearth_trust::{Claims, Signer};
use hyper::Request;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;
use zeroize::Zeroizing;

use crate::access::{Allowances, Audit, Caller, Gate, Rates, Refusal, Remembered, follow};
use crate::config::{Limits, NodeConfig, Ownership};
use crate::disk::Patience;
use crate::error::NodeError;
use crate::eviction::{keep_house, keep_house_once};
use crate::http::crowd::Crowd;
use crate::http::gha;
use crate::http::peer;
use crate::http::reply::Reply;
use crate::http::router::{Dialect, dialect};
use crate::http::s3;
use crate::http::server::{self, Service};
use crate::http::stop::{StopSender, stop_pair};
use crate::http::webdav::{self, Around};
use crate::metrics::keep_minutes;
use crate::objects::NodeObjects;
use crate::store::Store;
use crate::transport::Listener;
use crate::upkeep::{keep_synced, look_after, look_after_once};
use crate::upstream::{
    SealKey, Tier, UpstreamMode, UpstreamPlace, UpstreamStatus, WarmError, Warmed, carry, connect, warm,
};

pub use look::{DiskState, ScopeSize, Scopes, TierHits};

/// One cache node. Clones are the same node.
#[derive(Debug, Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    gate: Arc<Gate>,
    watch: Arc<Watch>,
    /// The connections of all listeners.
    crowd: Arc<Crowd>,
    seal: SealKey,
    stop: StopSender,
    /// Dropped with the node, and the task with it.
    housekeeping: Mutex<JoinSet<()>>,
}

/// What is kept of callers' doings.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) rates: Rates,
    /// Short-lived nodes that share a directory keep none: their files would be put aside under each other.
    pub(crate) audit: Option<Audit>,
}

/// How a node is. Counts are since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    pub objects: u64,
    /// Disk space that the objects take.
    pub bytes: Bytes,
    pub budget: Bytes,
    /// What the memory tier holds of them.
    pub memory: Bytes,
    /// Whether everything on disk is counted in `objects` and `bytes`.
    pub index: IndexState,
    pub hits: u64,
    pub misses: u64,
    /// Writes that were answered, whatever became of them.
    pub puts: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub divergent: u64,
    pub discarded: u64,
    /// Writes below a key of sccache's that are nothing that it makes.
    pub malformed: u64,
    /// Writes that could not be taken: too large, no room, too slow, aborted.
    pub failed: u64,
    pub refused: u64,
    pub evicted: u64,
    pub corrupt: u64,
    /// For how long the oldest of what was stored has been waiting to reach the disk. Nothing waits where nothing is synced.
    pub unsynced_for: Option<Duration>,
    /// Compile time of what was read instead of compiled, as its writers took for it.
    pub saved: Millis,
}

/// Whether the accounts have caught up with the disk after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    Loading,
    Complete,
}

/// Brings a directory that short-lived nodes share back into its bounds.
pub async fn trim(mut config: NodeConfig, clock: Arc<dyn Clock>) -> Result<(), NodeError> {
    config.ownership = Ownership::Shared;
    let root = config.root.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(config, clock)).await;
    let store = opened.map_err(|cause| NodeError::Directory { path: root, cause: cause.into() })??;
    let store = Arc::new(store);
    look_after_once(&store).await;
    keep_house_once(&store).await;
    store.finish().await;
    Ok(())
}

impl Node {
    /// Opens the directory and begins to learn what it holds; requests may be served at once.
    pub async fn open(config: NodeConfig, signer: Signer, clock: Arc<dyn Clock>) -> Result<Self, NodeError> {
        let root = config.root.clone();
        let seal = SealKey::of(&signer);
        let sealing = seal.clone();
        let open = move || -> Result<(Arc<Gate>, Store), NodeError> {
            let mut store = Store::open(config, clock)?;
            let (root, groups) = (&store.config.root, store.config.groups.clone());
            let gate =
                Arc::new(Gate::open(root, signer, groups, store.config.allowances.clone()).map_err(NodeError::Access)?);
            if let Some(upstream) = store.config.upstream.clone() {
                let tier = Tier::open(upstream, sealing, Arc::clone(&gate), root);
                store.tier = Some(Arc::new(tier.map_err(NodeError::Upstream)?));
            }
            Ok((gate, store))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        let (gate, store) = opened.map_err(|cause| NodeError::Directory { path: root, cause: cause.into() })??;
        let store = Arc::new(store);
        let mut housekeeping = JoinSet::new();
        housekeeping.spawn(look_after(Arc::clone(&store)));
        housekeeping.spawn(keep_synced(Arc::clone(&store)));
        housekeeping.spawn(keep_house(Arc::clone(&store)));
        housekeeping.spawn(gha::remove_expired(Arc::clone(&store)));
        housekeeping.spawn(keep_minutes(Arc::clone(&store)));
        housekeeping.spawn(follow(Arc::clone(&gate), Arc::clone(&store)));
        let audit = (store.config.ownership == Ownership::Alone).then(|| {
            let (audit, writer) = Audit::new(&store.config.root, Arc::clone(&store.counts.audit_lost));
            let on = Arc::clone(&store);
            housekeeping.spawn(async move { writer.run(&on.disk).await });
            audit
        });
        if let Some(tier) = &store.tier {
            housekeeping.spawn(carry(Arc::clone(tier), Arc::clone(&store)));
        }
        let watch = Arc::new(Watch { rates: Rates::default(), audit });
        let (stop, _) = stop_pair();
        let crowd = Arc::default();
        let housekeeping = Mutex::new(housekeeping);
        Ok(Self { inner: Arc::new(Inner { store, gate, watch, crowd, seal, stop, housekeeping }) })
    }

    /// Serves a listener until `stop` or [`Node::stop`], then lets requests that are under way finish.
    pub async fn serve(&self, listener: impl Into<Listener>, stop: impl Future<Output = ()>) {
        let (own, own_stop) = stop_pair();
        let mut node_stop = self.inner.stop.listen();
        let serving = server::serve(listener.into(), Arc::new(NodeService(self.clone())), own_stop);
        let stopping = async {
            tokio::select! {
                () = stop => {}
                () = node_stop.stopped() => {}
            }
            own.stop();
            // Kept until serving is over: dropping it would be a second stop.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serving => {}
            () = stopping => {}
        }
    }

    pub fn status(&self) -> NodeStatus {
        let store = &self.inner.store;
        let counts = &store.counts;
        let taken = [&counts.stored, &counts.duplicate, &counts.divergent, &counts.discarded, &counts.malformed];
        let failed = [&counts.too_large, &counts.no_room, &counts.slow_writes, &counts.aborted];
        let failed = failed.iter().map(|count| count.get()).sum();
        NodeStatus {
            objects: store.book.index.objects(),
            bytes: Bytes(store.book.shelf.on_disk()),
            budget: store.config.budget,
            memory: store.memory.bytes(),
            index: if store.is_complete() { IndexState::Complete } else { IndexState::Loading },
            hits: counts.hits.get(),
            misses: counts.misses.get(),
            puts: taken.iter().map(|count| count.get()).sum::<u64>() + failed,
            stored: counts.stored.get(),
            duplicate: counts.duplicate.get(),
            divergent: counts.divergent.get(),
            discarded: counts.discarded.get(),
            malformed: counts.malformed.get(),
            failed,
            refused: counts.refused.get(),
            evicted: counts.evictions.objects(),
            corrupt: counts.corrupt.get(),
            unsynced_for: store.book.unsynced_for(),
            saved: Millis(store.savings.saved_ms.get()),
        }
    }

    /// Stops serving on all listeners, waits for uploads that are under way, and ends the background task.
    pub async fn stop(&self) {
        self.inner.stop.stop();
        self.inner.stop.all_gone().await;
        if let Some(audit) = &self.inner.watch.audit
            && timeout(self.limits().stop, audit.flush()).await.is_err()
        {
            warn!("the audit log was not written to its end");
        }
        let mut housekeeping = {
            let mut held = self.inner.housekeeping.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *held)
        };
        housekeeping.shutdown().await;
        let store = &self.inner.store;
        store.finish().await;
        if store.disk.settle(&mut Patience::new(store.config.limits.stop)).await.is_err() {
            warn!("the disk was still busy at the end of the stop");
        }
    }

    /// How the tier behind the disk is, where there is one.
    pub fn upstream(&self) -> Option<UpstreamStatus> {
        self.inner.store.tier.as_ref().map(|tier| tier.status())
    }

    /// Has the tier behind the disk asked, or left alone; what has to go up waits meanwhile.
    pub fn set_upstream_mode(&self, mode: UpstreamMode) {
        if let Some(tier) = &self.inner.store.tier {
            tier.set_mode(mode);
        }
    }

    /// What callers may do from now on, and what each scope but the trusted one may hold.
    pub fn allow(&self, allowances: Allowances, scope_quota: Option<Bytes>) {
        self.inner.gate.allow(allowances);
        self.inner.store.set_scope_quota(scope_quota);
    }

    /// Fetches what the place has and this node lacks, `calls` records at once.
    pub async fn warm_from(
        &self,
        place: &UpstreamPlace,
        calls: usize,
        progress: impl Fn(&Warmed),
    ) -> Result<Warmed, WarmError> {
        let remote = connect(place).map_err(WarmError::Place)?;
        let Inner { store, seal, gate, .. } = &*self.inner;
        warm(store, seal, gate, &remote, calls, progress).await
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.inner.gate
    }

    pub(crate) fn seal(&self) -> &SealKey {
        &self.inner.seal
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.store.config.limits
    }

    /// Objects as a job with these claims sees them; `None` once the claims are no longer good.
    pub(crate) fn objects(&self, claims: Claims) -> Option<NodeObjects> {
        let caller = self.inner.gate.admit_claims(claims, self.now()).ok()?;
        Some(self.objects_of(Arc::new(caller)))
    }

    fn objects_of(&self, caller: Arc<Caller>) -> NodeObjects {
        let Inner { store, gate, watch, .. } = &*self.inner;
        NodeObjects::new(Arc::clone(store), Arc::clone(gate), Arc::clone(watch), caller)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.store.clock.now()
    }

    /// Objects as the owner of an access key id of S3 sees them, and the secret that his requests must be signed with.
    pub(crate) fn admit_s3(&self, key_id: &str) -> Result<(NodeObjects, Zeroizing<String>), Refusal> {
        let (caller, secret) = self.inner.gate.admit_s3(key_id, self.now())?;
        Ok((self.objects_of(Arc::new(caller)), secret))
    }

    /// A request came without a credential that is good here.
    pub(crate) fn count_refused(&self) {
        self.inner.store.counts.refused.one();
    }

    /// Objects for whoever asks; a request that shows nothing good is counted.
    fn objects_for(&self, visitor: &Remembered, request: &Request<Incoming>) -> Option<NodeObjects> {
        let objects = self.admit(visitor, request).ok();
        // An address that was handed out carries its right in itself.
        if objects.is_none() && !gha::carries_its_right(request) {
            self.count_refused();
        }
        objects
    }

    /// Objects as whoever shows the request's credential sees them, when it is good here and now.
    fn admit(&self, visitor: &Remembered, request: &Request<Incoming>) -> Result<NodeObjects, Refusal> {
        let Inner { store, gate, .. } = &*self.inner;
        let now = store.clock.now();
        let check = |shown: &str| gate.admit(shown, now);
        Ok(self.objects_of(visitor.caller(request.headers(), now, gate.edition(), check)?))
    }
}

struct NodeService(Node);

impl Service for NodeService {
    type Visitor = Remembered;

    fn limits(&self) -> &Limits {
        self.0.limits()
    }

    fn crowd(&self) -> &Arc<Crowd> {
        &self.0.inner.crowd
    }

    async fn answer(&self, visitor: &Remembered, request: Request<Incoming>) -> Reply {
        let Inner { store, gate, seal, .. } = &*self.0.inner;
        let around = Around { limits: &store.config.limits, traffic: &store.traffic };
        let dialect = dialect(&request);
        let under_way = store.requests.begin(dialect, &request, &*store.clock);
        let reply = match dialect {
            Dialect::Plain => {
                let objects = self.0.objects_for(visitor, &request);
                webdav::answer(request, objects, around).await
            }
            Dialect::Peer => {
                let objects = self.0.objects_for(visitor, &request);
                let caller = objects.as_ref().map(NodeObjects::caller);
                peer::answer(request, store, seal, gate, caller, around).await
            }
            Dialect::S3 => s3::answer(request, &self.0, around).await,
            Dialect::Github => {
                let objects = self.0.objects_for(visitor, &request);
                gha::answer(request, objects, gha::Around { store, gate }).await
            }
        };
        under_way.answered(reply.status());
        reply
    }
}
