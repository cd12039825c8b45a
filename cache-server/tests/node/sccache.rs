//! The real client: a small workspace built twice from nothing, through a relay, by the sccache that is on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hearth_cache_server::{Backend, FarConfig, FarNode, Relay, RelayCounts, Secret};

use crate::environment::{for_builds, sccache, skip};
use crate::world::{World, claims, trusted};

/// Library crates of the workspace; nothing else in it is cacheable.
pub(crate) const CRATES: u64 = 3;

/// A workspace, always at the same place, and a client of its own for each build of it.
pub(crate) struct Build {
    sccache: PathBuf,
    dir: tempfile::TempDir,
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
        Self::with_work(sccache, 0)
    }

    /// The same with so many functions in each crate, to keep a compiler busy.
    pub(crate) fn with_work(sccache: PathBuf, functions: usize) -> Self {
        let work = |name: &str| {
            let function = |n: usize| {
                let body = format!("format!(\"{{:?}} {{}}\", (0..n).map(|i| i ^ {n}).collect::<Vec<_>>(), n)");
                format!("pub fn work_{n}(n: usize) -> String {{ {body} }}\n")
            };
            format!("// {name}\n{}", (0..functions).map(function).collect::<String>())
        };
        let build = Self { sccache, dir: tempfile::tempdir().unwrap() };
        let write = |path: &str, text: &str| {
            let path = build.project().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"one\", \"two\", \"three\"]\n");
        let manifest = |name: &str, more: &str| format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{more}");
        write("one/Cargo.toml", &manifest("one", ""));
        write("one/src/lib.rs", &format!("pub fn one() -> u32 {{ 1 }}\n{}", work("one")));
        write("two/Cargo.toml", &manifest("two", "[dependencies]\none = { path = \"../one\" }\n"));
        write("two/src/lib.rs", &format!("pub fn two() -> u32 {{ one::one() + 1 }}\n{}", work("two")));
        write("three/Cargo.toml", &manifest("three", "[dependencies]\ntwo = { path = \"../two\" }\n"));
        write("three/src/lib.rs", &format!("pub fn three() -> u32 {{ two::two() + 1 }}\n{}", work("three")));
        build
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
        let library = |name| std::fs::read(self.project().join(format!("target/debug/lib{name}.rlib"))).unwrap();
        ["one", "two", "three"].map(library).to_vec()
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
