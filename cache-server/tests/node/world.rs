//! A node on a port of its own, with a clock that the test moves, and a client for each kind of job.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_cache_server::{IndexState, Node, NodeConfig, NodeError, NodeStatus, UpstreamStatus};
use hearth_host::clock::SystemClock;
use hearth_model::{Bytes, Clock, ExecutionId, ManualClock, Millis, Scope, Timestamp};
use hearth_trust::{Claims, Class, Signer, Token};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub(crate) const REPOSITORY: &str = "github.com/acme/rocket";

pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) address: String,
    root: PathBuf,
    dir: Option<TempDir>,
    stop: oneshot::Sender<()>,
    serving: JoinSet<()>,
}

/// A node that is not there for a while.
pub(crate) struct Absent {
    root: PathBuf,
    address: String,
    now: Timestamp,
    dir: Option<TempDir>,
}

impl Absent {
    pub(crate) async fn again(self) -> World {
        let world = World::start(&self.root, &self.address, signer(), ManualClock::at(self.now), |_| {}).await;
        World { dir: self.dir, ..world }
    }
}

/// An answer, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Compares without printing megabytes.
    #[track_caller]
    pub(crate) fn is(&self, sent: &[u8], what: &str) {
        assert!(
            self.status == 200 && self.body == sent,
            "{what}: status {}, {} bytes, first {:?}; stored were {} bytes",
            self.status,
            self.body.len(),
            self.body.first_chunk::<8>(),
            sent.len()
        );
    }
}

pub(crate) fn signer() -> Signer {
    Signer::from_key([42; 32])
}

/// An object's path, made from one byte.
pub(crate) fn key(n: u8) -> String {
    let hex = format!("{n:02x}").repeat(32);
    format!("objects/{hex}")
}

/// A key as sccache makes it.
pub(crate) fn sccache_key(n: u8) -> String {
    let hex = format!("{n:02x}").repeat(32);
    format!("{}/{}/{}/{hex}", &hex[..1], &hex[1..2], &hex[2..3])
}

/// An object as sccache makes it, of a library: a zip with one stored member of `length` bytes that begins like a zstd
/// frame. Nobody looks further, so the checksum is left out.
pub(crate) fn compilation(name: &str, seed: u64, length: u32) -> Vec<u8> {
    let member = format!("lib{name}-{seed:016x}.rlib");
    let (size, name_length) = (length.to_le_bytes(), u16::try_from(member.len()).unwrap().to_le_bytes());
    let shared = [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0][..], &size, &size, &name_length, &[0; 2]].concat();
    let data = [&[0x28, 0xb5, 0x2f, 0xfd][..], &body(seed, length as usize - 4)].concat();
    let local = [b"PK\x03\x04", shared.as_slice(), member.as_bytes(), &data].concat();
    let central = [b"PK\x01\x02\x14\0", shared.as_slice(), &[0; 14], member.as_bytes()].concat();
    let ends = [central.len(), local.len()].map(|n| u32::try_from(n).unwrap().to_le_bytes()).concat();
    [local, central, b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec(), ends, vec![0; 2]].concat()
}

/// Bytes that differ from chunk to chunk.
pub(crate) fn body(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_add(1);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

pub(crate) fn claims(reads: &[&str], writes: Option<&str>) -> Claims {
    let scope = |text: &&str| text.parse::<Scope>().unwrap();
    Claims {
        execution: ExecutionId::new(NOW),
        repository: REPOSITORY.to_owned(),
        reads: reads.iter().map(scope).collect(),
        writes: writes.as_ref().map(scope),
        expires_at: NOW + Millis::from_minutes(60),
        quota: None,
        class: Class::Unknown,
        run: None,
    }
}

/// The access key id and the secret key that come with a token.
pub(crate) fn s3_keys(token: &Token) -> [String; 2] {
    [token.expose().to_owned(), signer().s3_secret(token.expose()).to_string()]
}

pub(crate) fn trusted() -> Token {
    signer().sign(&claims(&["trusted"], Some("trusted")))
}

pub(crate) fn pull_request(number: u64) -> Token {
    let own = format!("pr/{number}");
    signer().sign(&claims(&[&own, "branch/next", "trusted"], Some(&own)))
}

pub(crate) fn config(root: &Path) -> NodeConfig {
    let mut config = NodeConfig::new(root.to_owned(), Bytes::mib(64));
    config.free_reserve = Bytes(0);
    config
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut NodeConfig)) -> Self {
        Self::when(NOW, change).await
    }

    /// A node whose clock shows the time that clients sign with.
    pub(crate) async fn of_now(change: impl FnOnce(&mut NodeConfig)) -> Self {
        Self::when(SystemClock::default().now(), change).await
    }

    async fn when(now: Timestamp, change: impl FnOnce(&mut NodeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("cache");
        let world = Self::at(&root, ManualClock::at(now), change).await;
        Self { dir: Some(dir), ..world }
    }

    pub(crate) async fn at(root: &Path, clock: ManualClock, change: impl FnOnce(&mut NodeConfig)) -> Self {
        Self::start(root, "127.0.0.1:0", signer(), clock, change).await
    }

    /// A node of another fleet, which has another key.
    pub(crate) async fn of_another_fleet(key: [u8; 32], change: impl FnOnce(&mut NodeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (root, signer) = (dir.path().join("cache"), Signer::from_key(key));
        let world = Self::start(&root, "127.0.0.1:0", signer, ManualClock::at(NOW), change).await;
        Self { dir: Some(dir), ..world }
    }

    async fn start(
        root: &Path,
        address: &str,
        signer: Signer,
        clock: ManualClock,
        change: impl FnOnce(&mut NodeConfig),
    ) -> Self {
        let mut config = config(root);
        change(&mut config);
        let clock = Arc::new(clock);
        let node = opened(&config, &signer, Arc::clone(&clock) as Arc<dyn Clock>).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = JoinSet::new();
        let served = node.clone();
        serving.spawn(async move { served.serve(listener, async { drop(stopped.await) }).await });
        Self { node, clock, address, root: root.to_owned(), dir: None, stop, serving }
    }

    /// Stops the node and opens its directory again.
    pub(crate) async fn restart(self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        self.restart_after(|| {}, change).await
    }

    /// The same, and something happens in between.
    pub(crate) async fn restart_after(mut self, what: impl FnOnce(), change: impl FnOnce(&mut NodeConfig)) -> Self {
        let (root, now, dir) = (self.root.clone(), self.clock.now(), self.dir.take());
        self.stop().await;
        what();
        let world = Self::at(&root, ManualClock::at(now), change).await;
        Self { dir, ..world }
    }

    /// Stops the node; what it held comes back at the same address when `again` is called.
    pub(crate) async fn leave(mut self) -> Absent {
        let absent = Absent {
            root: self.root.clone(),
            address: self.address.clone(),
            now: self.clock.now(),
            dir: self.dir.take(),
        };
        self.stop().await;
        absent
    }

    pub(crate) async fn stop(mut self) {
        self.node.stop().await;
        while self.serving.join_next().await.is_some() {}
        drop(self.stop);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// A job that is under way by this node's clock.
    pub(crate) fn job(&self, reads: &[&str], writes: &str) -> Claims {
        Claims { expires_at: self.clock.now() + Millis::from_minutes(60), ..claims(reads, Some(writes)) }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, token: &Token, body: Vec<u8>) -> Answer {
        send(&self.url(), method, path, token.expose(), body).await
    }

    pub(crate) async fn get(&self, path: &str, token: &Token) -> Answer {
        self.send("GET", path, token, Vec::new()).await
    }

    pub(crate) async fn put(&self, path: &str, token: &Token, body: &[u8]) -> u16 {
        self.send("PUT", path, token, body.to_vec()).await.status
    }

    /// Waits, but not for ever, until the node says so.
    pub(crate) async fn until(&self, what: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.node.status();
            if what(&status) {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "it never came to that: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The same for the tier behind it.
    pub(crate) async fn until_upstream(&self, what: impl Fn(&UpstreamStatus) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.node.upstream().unwrap();
            if what(&status) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "it never came to that: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) async fn settled(&self) -> NodeStatus {
        self.until(|status| status.index == IndexState::Complete).await
    }

    /// How many objects there are.
    pub(crate) fn objects(&self) -> u64 {
        self.node.status().objects
    }

    /// The segments.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        files_in(&self.root.join("segments"))
    }

    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        files_in(&self.root.join("log"))
    }

    /// The one segment in which these bytes lie, and where.
    pub(crate) fn find(&self, bytes: &[u8]) -> (PathBuf, usize) {
        let at = |path: &PathBuf| {
            let segment = std::fs::read(path).unwrap();
            let begin = &bytes[..bytes.len().min(32)];
            segment.windows(begin.len()).position(|window| window == begin)
        };
        self.segments().into_iter().find_map(|path| at(&path).map(|at| (path, at))).unwrap()
    }

    pub(crate) fn unfinished(&self) -> Vec<PathBuf> {
        files_in(&self.root.join("uploads"))
    }
}

/// Opens a directory that nobody has. A program that another test starts in this process has a copy of every descriptor
/// until it runs, that of the lock of a node that has just stopped too.
async fn opened(config: &NodeConfig, signer: &Signer, clock: Arc<dyn Clock>) -> Node {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        match Node::open(config.clone(), signer.clone(), Arc::clone(&clock)).await {
            Err(NodeError::InUse { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            opened => return opened.unwrap(),
        }
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// One request with a client of its own, read to the end. A body that breaks off is an answer with status 0.
pub(crate) async fn send(url: &str, method: &str, path: &str, secret: &str, body: Vec<u8>) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = client.request(method, format!("{url}{path}"));
    // Said even for an empty body, which reqwest would not.
    let request = request.bearer_auth(secret).header("content-length", body.len()).body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    match answer.bytes().await {
        Ok(body) => Answer { status, body: body.to_vec() },
        Err(_) => Answer { status: 0, body: Vec::new() },
    }
}
