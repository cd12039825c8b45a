//! The real client: a small workspace built twice from nothing, through a relay, by the sccache that is on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hearth_cache_server::{Backend, FarConfig, FarNode, Relay, RelayCounts, Secret};

use crate::environment::{for_builds, sccache, skip};
use crate::world::{World, claims, trusted};

/// Library crates of a small workspace; nothing else in it is cacheable.
pub(crate) const CRATES: u64 = 3;
/// So many of them depend on each other, one on the one before it.
const CHAIN: u64 = 3;

/// A workspace, always at the same place, and a client of its own for each build of it.
pub(crate) struct Build {
    sccache: PathBuf,
    dir: tempfile::TempDir,
    crates: u64,
}

/// Where a client keeps what was compiled.
pub(crate) enum Storage {
    WebDav {
        url: String,
        secret: String,
    },
    S3 {
        url: String,
        id: String,
        secret: String,
    },
    /// GitHub's cache service, with a job's runtime token.
    Gha {
        url: String,
        token: String,
    },
    /// On the machine itself.
    Directory(PathBuf),
}

/// What became of a build.
pub(crate) struct Built {
    /// What the daemon counted: hits, misses, write errors.
    pub(crate) counted: [u64; 3],
    /// Corrupt or broken answers that the client has told from good ones.
    pub(crate) broken: u64,
    pub(crate) printed: String,
    /// cargo's own time.
    pub(crate) took: Duration,
}

impl Build {
    pub(crate) fn new(sccache: PathBuf) -> Self {
        Self::with_work(sccache, CRATES, 0)
    }

    /// So many crates with so many functions in each, to keep a compiler busy.
    pub(crate) fn with_work(sccache: PathBuf, crates: u64, functions: usize) -> Self {
        let build = Self { sccache, dir: tempfile::tempdir().unwrap(), crates };
        let write = |path: &str, text: &str| {
            let path = build.project().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"unit*\"]\n");
        for n in 0..crates {
            let (uses, before) = match n.checked_sub(1).filter(|_| n % CHAIN != 0) {
                Some(last) => (format!("unit{last} = {{ path = \"../unit{last}\" }}"), format!("unit{last}::it() + ")),
                None => (String::new(), String::new()),
            };
            let manifest = format!("[package]\nname = \"unit{n}\"\nedition = \"2024\"\n[dependencies]\n{uses}\n");
            let function = |i: usize| {
                let body = format!("format!(\"{{:?}} {{}}\", (0..n).map(|i| i ^ {i}).collect::<Vec<_>>(), n)");
                format!("pub fn work_{i}(n: usize) -> String {{ {body} }}\n")
            };
            let work: String = (0..functions).map(function).collect();
            write(&format!("unit{n}/Cargo.toml"), &manifest);
            write(&format!("unit{n}/src/lib.rs"), &format!("pub fn it() -> u64 {{ {before}{n} }}\n{work}"));
        }
        build
    }

    /// What the client calls itself, like `sccache 0.16.0`.
    pub(crate) fn version(&self) -> String {
        let output = succeed(self.command(&self.sccache).arg("--version"));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn project(&self) -> PathBuf {
        self.place("project")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.project())
            .env_clear()
            .envs(for_builds())
            .env("CARGO_INCREMENTAL", "0")
            .env("RUSTC_WRAPPER", &self.sccache)
            .env("SCCACHE_SERVER_UDS", self.dir.path().join("s"))
            .env("SCCACHE_IDLE_TIMEOUT", "0")
            .env("NO_PROXY", "127.0.0.1");
        command
    }

    fn storing(&self, program: &Path, storage: &Storage) -> Command {
        let mut command = self.command(program);
        match storage {
            Storage::WebDav { url, secret } => {
                command.env("SCCACHE_WEBDAV_ENDPOINT", url).env("SCCACHE_WEBDAV_TOKEN", secret)
            }
            Storage::S3 { url, id, secret } => command
                .env("SCCACHE_BUCKET", "bucket")
                .env("SCCACHE_ENDPOINT", url)
                .env("SCCACHE_REGION", "us-east-1")
                .env("SCCACHE_S3_KEY_PREFIX", "sccache")
                .env("SCCACHE_S3_USE_SSL", "false")
                .env("AWS_ACCESS_KEY_ID", id)
                .env("AWS_SECRET_ACCESS_KEY", secret),
            Storage::Gha { url, token } => command
                .env("SCCACHE_GHA_ENABLED", "true")
                .env("ACTIONS_CACHE_SERVICE_V2", "true")
                .env("ACTIONS_RESULTS_URL", url)
                .env("ACTIONS_RUNTIME_TOKEN", token),
            Storage::Directory(path) => command.env("SCCACHE_DIR", path),
        };
        command
    }

    /// A daemon of its own and a build from nothing.
    pub(crate) fn build_anew(&self, storage: &Storage) -> Built {
        let _ = std::fs::remove_dir_all(self.project().join("target"));
        succeed(self.storing(&self.sccache, storage).arg("--start-server"));
        let began = Instant::now();
        let built = succeed(self.storing(Path::new("cargo"), storage).args(["build", "--offline"]));
        let took = began.elapsed();
        let stats = succeed(self.command(&self.sccache).args(["--show-stats", "--stats-format", "json"]));
        let stats: serde_json::Value = serde_json::from_slice(&stats.stdout).unwrap();
        succeed(self.command(&self.sccache).arg("--stop-server"));
        let stats = &stats["stats"];
        let rust = |name: &str| stats[name]["counts"]["Rust"].as_u64().unwrap_or(0);
        let counted = [rust("cache_hits"), rust("cache_misses"), stats["cache_write_errors"].as_u64().unwrap()];
        Built {
            counted,
            broken: rust("cache_errors"),
            printed: String::from_utf8_lossy(&built.stderr).into_owned(),
            took,
        }
    }

    /// A build from nothing by cargo alone, and how long it takes.
    pub(crate) fn build_without(&self) -> Duration {
        let _ = std::fs::remove_dir_all(self.project().join("target"));
        let began = Instant::now();
        succeed(self.command(Path::new("cargo")).env_remove("RUSTC_WRAPPER").args(["build", "--offline"]));
        began.elapsed()
    }

    /// The libraries that the last build has left.
    pub(crate) fn libraries(&self) -> Vec<Vec<u8>> {
        let library = |n| std::fs::read(self.project().join(format!("target/debug/libunit{n}.rlib"))).unwrap();
        (0..self.crates).map(library).collect()
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // The daemon would outlive a test that failed.
        let _ = self.command(&self.sccache).arg("--stop-server").output();
    }
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", text(&output.stdout), text(&output.stderr));
    output
}

async fn check_builds(backend: Backend, sccache: PathBuf) {
    let secret = Secret::random().unwrap();
    let relay = Relay::start(backend, secret.clone()).await.unwrap();
    relay.probe().await.unwrap();
    let build = Build::new(sccache);
    let storage = Storage::WebDav { url: format!("http://{}/", relay.addr()), secret: secret.expose().to_owned() };
    let (build, storage, cold) = tokio::task::spawn_blocking(move || {
        let counted = build.build_anew(&storage).counted;
        (build, storage, counted)
    })
    .await
    .unwrap();
    let after_cold = relay.counts();
    let warm = tokio::task::spawn_blocking(move || build.build_anew(&storage).counted).await.unwrap();
    let after_warm = relay.stop().await;

    assert_eq!(cold, [0, CRATES, 0], "hits, misses, write errors of the cold build");
    assert_eq!(warm, [CRATES, 0, 0], "hits, misses, write errors of the warm build");
    let expected = RelayCounts { gets: CRATES, misses: CRATES, puts: CRATES, stored: CRATES, ..after_cold };
    assert_eq!(after_cold, expected, "one request for each read");
    assert_eq!((after_cold.mkcol_requests, after_cold.other_requests), (0, 0));
    // One for the check object at the start, one for each store.
    assert!(after_cold.propfind_requests <= 1 + CRATES, "{after_cold:?}");
    assert_eq!(after_warm.hits, CRATES);
    assert_eq!((after_warm.gets, after_warm.puts), (2 * CRATES, CRATES));
    assert_eq!((after_warm.errors, after_warm.timeouts, after_warm.refused), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sccache_builds_through_a_relay_before_its_own_node() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let world = World::new().await;
    let claims = claims(&["pr/7", "trusted"], Some("pr/7"));
    let node = world.node.clone();
    check_builds(Backend::Node { node, claims }, sccache).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sccache_builds_through_a_relay_before_a_far_node() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let world = World::new().await;
    let token = Secret::new(trusted().expose().to_owned());
    let upstream = FarNode::new(FarConfig::new(world.url(), token)).unwrap();
    check_builds(Backend::Far(upstream), sccache).await;
    assert_eq!(world.node.status().stored, CRATES);
    world.stop().await;
}
