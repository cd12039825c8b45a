//! A node that goes bad behind the job's relay, with the real bundled sccache before it.

use std::time::Duration;

use hearth_cache_server::{Backend, FarConfig, FarNode, Relay, RelayCounts, Secret};
use hearth_tests::far::{Far, Manner};
use hearth_tests::job::Running;
use hearth_tests::repository::Repository;
use hearth_tests::wait::until;
use hearth_tests::world::World;

use tokio::runtime::Runtime;

use super::allowance::{BUILD, Quickest, expect_within, project, timed, without_cache};

/// The start of sccache's daemon, as `hearth exec` starts it.
fn sccache(world: &World, relay: &Relay, secret: &Secret) -> Running {
    let (program, socket) = (world.path("sccache"), world.path("s"));
    for path in [&program, &socket] {
        let _not_there = std::fs::remove_file(path);
    }
    std::os::unix::fs::symlink(world.program(), &program).expect("a link can be made");
    let daemon = world.other(program.to_str().expect("test paths are text"), &world.path("home"));
    let daemon = [("SCCACHE_START_SERVER", "1"), ("SCCACHE_NO_DAEMON", "1"), ("SCCACHE_SKIP_CACHE_CHECK", "1")]
        .iter()
        .fold(daemon, |daemon, (name, value)| daemon.env(name, value));
    let daemon = daemon
        .env("SCCACHE_WEBDAV_ENDPOINT", format!("http://{}/", relay.addr()))
        .env("SCCACHE_WEBDAV_TOKEN", secret.expose())
        .env("SCCACHE_WEBDAV_DISABLE_CREATE_DIR", "true")
        .env("SCCACHE_SERVER_UDS", &socket)
        .env("SCCACHE_IDLE_TIMEOUT", "0")
        .env("NO_PROXY", "127.0.0.1")
        .start();
    until("sccache's daemon", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    daemon
}

/// One build, each with a node, a relay and an sccache daemon of its own: they must not have learned from another.
async fn build(world: &World, repository: &Repository, manner: Manner, good: usize) -> (Duration, RelayCounts) {
    let far = Far::start(manner, good);
    let secret = Secret::random().expect("random bytes");
    let far_node = FarNode::new(FarConfig::new(far.url(), Secret::new("token".to_owned()))).expect("an address");
    let relay = Relay::start(Backend::Far(far_node), secret.clone()).await.expect("a free port");
    let took = tokio::task::block_in_place(|| {
        let _daemon = sccache(world, &relay, &secret);
        timed(repository, || {
            let cargo = world.other("sh", repository.path()).args(["-c", BUILD]);
            cargo.env("RUSTC_WRAPPER", world.path("sccache")).env("SCCACHE_SERVER_UDS", world.path("s"))
        })
    });
    assert!(far.requests() > good, "the node was asked {} times and never went bad", far.requests());
    (took, relay.stop().await)
}

/// Builds before a node that goes bad after `good` requests; gives what the last relay counted.
fn check(what: &str, manner: Manner, good: usize) -> RelayCounts {
    let world = World::new();
    let repository = project(&world);
    let mut counts = RelayCounts::default();
    let runtime = Runtime::new().expect("threads");
    expect_within(what, || {
        let without = without_cache(&world, &repository);
        let (took, counted) = runtime.block_on(build(&world, &repository, manner, good));
        counts = counted;
        Quickest { took, without }
    });
    counts
}

#[test]
fn a_node_that_hangs_costs_no_time() {
    let counts = check("it hangs in the middle", Manner::Hangs, 4);
    assert!(counts.timeouts > 0 && counts.spared > 0, "{counts:?}");
    let counts = check("it hangs from the start", Manner::Hangs, 0);
    assert!(counts.timeouts > 0 && counts.spared > 0, "{counts:?}");
}

#[test]
fn a_node_that_answers_500_costs_no_time() {
    let counts = check("it fails in the middle", Manner::Fails, 4);
    assert!(counts.errors > 0 && counts.spared > 0, "{counts:?}");
    let counts = check("it fails from the start", Manner::Fails, 0);
    assert!(counts.errors > 0 && counts.spared > 0, "{counts:?}");
}

#[test]
fn a_node_that_dies_costs_no_time() {
    let counts = check("it dies in the middle", Manner::Dies, 4);
    assert!(counts.errors > 0 && counts.spared > 0, "{counts:?}");
}

#[test]
fn a_node_that_has_nothing_costs_little() {
    let counts = check("it has nothing", Manner::Empty, 0);
    assert_eq!((counts.errors, counts.timeouts, counts.spared, counts.failed), (0, 0, 0, 0), "{counts:?}");
    assert!(counts.gets > 0 && counts.puts > 0, "{counts:?}");
}
