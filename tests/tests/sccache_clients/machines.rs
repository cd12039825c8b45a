//! A fleet: machines whose caches have a server behind them. What one has built, one that has nothing finds there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_tests::cache_server::{CacheServer, Prepared};
use hearth_tests::environment::{Environment, SCCACHE};
use hearth_tests::job::{Ran, Running};
use hearth_tests::repository::Repository;
use hearth_tests::skip::skipped;
use hearth_tests::wait::until;
use hearth_tests::workspace::{Weight, libraries, says};
use hearth_tests::world::World;
use rustix::process::Signal;

/// Libraries of the workspace; the program on top of them is linked, which no cache serves.
const LIBRARIES: usize = 4;
const BUILD: &str = "cargo build --offline --quiet && target/debug/app";
const STORED: &str = "cache_stored_objects";
const ASKED: &str = "cache_requests_total{dialect=\"peer\",operation=\"get\",outcome=\"done\"}";

/// Machines with one layout, one after the other: the paths of a build are a part of its keys.
struct Fleet {
    world: World,
    key: PathBuf,
    server: CacheServer,
    repository: Repository,
}

impl Fleet {
    fn new(sccache: &str) -> Self {
        let world = World::new();
        let configuration = world.path("hearth.toml");
        let prepared = Prepared::new(&world, "server");
        let token = prepared.token(&world, "machines", &["--kind", "peer", "--realm", "*"]);
        let token_file = world.path("peer.token");
        write_secret(&token_file, token.secret.as_bytes());
        let key = prepared.key_file();
        let server = prepared.start(&world);
        let upstream = format!(
            "[cache.upstream]\npeer = {{ url = \"http://{}/\", token_file = {:?} }}\n",
            server.address(),
            token_file.display().to_string()
        );
        fs::write(&configuration, upstream).expect("a file can be written");
        let world = world.with_env("HEARTH_CONFIG", &configuration.display().to_string());
        let world = world.with_env("HEARTH_SCCACHE", sccache);
        let repository = libraries(&world, "libraries", LIBRARIES, Weight::Light);
        Self { world, key, server, repository }
    }

    /// Another machine, which has the fleet's key and nothing else.
    fn new_machine(&self) {
        self.world.upkeep_done();
        let state = self.world.state();
        for directory in [state, &self.repository.path().join("target")] {
            if directory.exists() {
                fs::remove_dir_all(directory).expect("a directory can be removed");
            }
        }
        fs::create_dir(state).expect("a directory can be made");
        write_secret(&state.join("token.key"), &fs::read(&self.key).expect("the server has its key"));
    }

    fn daemon(&self) -> Running {
        let daemon = self.world.hearth().args(["up", "--admin", "127.0.0.1:0"]).start();
        until("the daemon", || daemon.stderr().contains("hearth is up"));
        daemon
    }

    fn build(&self) -> Ran {
        let ran = self.world.exec(&self.repository).sh(BUILD).expect_success();
        assert_eq!(ran.stdout, says(LIBRARIES), "{ran}");
        ran
    }
}

/// Hits, misses and errors, as the job's sccache counted them.
fn compilations(ran: &Ran) -> [u64; 3] {
    let count = |name: &str| ran.receipt()["compile"][name].as_u64();
    ["hits", "misses", "errors"].map(|name| count(name).unwrap_or_else(|| unreachable!("no compile.{name}\n{ran}")))
}

fn write_secret(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of ours takes a mode");
}

fn stopped(daemon: Running) {
    daemon.signal(Signal::TERM);
    daemon.wait().expect_success();
}

#[expect(clippy::print_stdout, reason = "a person who runs this wants the figures")]
fn check(client: &str, sccache: &str) {
    let (fleet, all) = (Fleet::new(sccache), LIBRARIES as u64);
    fleet.new_machine();
    let daemon = fleet.daemon();
    let first = compilations(&fleet.build());
    until("everything has gone up", || fleet.server.metric(STORED) == all);
    stopped(daemon);

    fleet.new_machine();
    let daemon = fleet.daemon();
    let asked_before = fleet.server.metric(ASKED);
    let second = compilations(&fleet.build());
    let found = fleet.server.metric(ASKED) - asked_before;
    stopped(daemon);

    fleet.new_machine();
    let asked_before = fleet.server.metric(ASKED);
    let alone = fleet.build();
    let third = compilations(&alone);
    let asked = fleet.server.metric(ASKED) - asked_before;
    println!(
        "{client}: hits, misses and errors {first:?}; on another machine {second:?}, {found} found behind; without a daemon {third:?}"
    );
    assert_eq!(first, [0, all, 0], "{client}, the first machine");
    assert_eq!((second, found), ([all, 0, 0], all), "{client}, another machine");
    assert_eq!((third, asked), ([0, all, 0], 0), "{client}, a machine without a daemon");
    alone.expect_said(&["[cache.upstream]", "none is up"]);
}

#[test]
fn a_machine_that_has_nothing_finds_what_another_has_built_with_the_bundled_sccache() {
    check("bundled", "bundled");
}

#[test]
fn a_machine_that_has_nothing_finds_what_another_has_built_with_sccache_0_16() {
    let Some(sccache) = Environment::of_this_process().sccache() else {
        return skipped(&format!("there is no sccache on the path, and {SCCACHE} names none"));
    };
    check("sccache 0.16", sccache.to_str().expect("the path of a program is text"));
}
