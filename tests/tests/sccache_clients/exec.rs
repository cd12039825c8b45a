//! Real sccache clients through the whole of `hearth exec`: what an empty target costs the first time and what it costs
//! when somebody else has built it before, in compilations and in requests to the node.

use std::path::Path;

use hearth_tests::environment::{Environment, SCCACHE};
use hearth_tests::job::Ran;
use hearth_tests::repository::Repository;
use hearth_tests::skip::skipped;
use hearth_tests::workspace::{Weight, libraries, says};
use hearth_tests::world::World;

/// Libraries of the workspace; the program on top of them is linked, which no cache serves.
const LIBRARIES: usize = 8;
const BUILD: &str = "cargo build --offline --quiet && target/debug/app";

/// Figures of one build: what the compiler wrapper says and what the node was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Figures {
    hits: u64,
    misses: u64,
    errors: u64,
    requests: u64,
    gets: u64,
    puts: u64,
    stored: u64,
}

impl Figures {
    fn of(ran: &Ran) -> Self {
        let receipt = ran.receipt();
        let read = |group: &str, name: &str| {
            receipt[group][name].as_u64().unwrap_or_else(|| unreachable!("no {group}.{name}\n{ran}"))
        };
        Self {
            hits: read("compile", "hits"),
            misses: read("compile", "misses"),
            errors: read("compile", "errors"),
            requests: read("relay", "requests"),
            gets: read("relay", "gets"),
            puts: read("relay", "puts"),
            stored: read("relay", "stored"),
        }
    }
}

/// A build from nothing but the compile cache: no target directory, no snapshot.
fn build_anew(world: &World, repository: &Repository) -> Figures {
    world.upkeep_done();
    for path in [repository.path().join("target"), world.state().join("targets")] {
        if path.exists() {
            std::fs::remove_dir_all(path).expect("a directory can be removed");
        }
    }
    let ran = world.exec(repository).sh(BUILD).expect_success();
    assert_eq!(ran.stdout, says(LIBRARIES), "{ran}");
    assert!(ran.warm_scope().is_none(), "{ran}");
    Figures::of(&ran)
}

/// Two builds by one client. `most_per_store` is how many requests it may make for one object that it stores, and
/// `most_at_start` how many it makes before it has anything to do.
#[expect(clippy::print_stdout, reason = "a person who runs this wants the figures")]
fn check(client: &str, sccache: &str, most_per_store: u64, most_at_start: u64) {
    let world = World::new().with_env("HEARTH_SCCACHE", sccache);
    let repository = libraries(&world, "libraries", LIBRARIES, Weight::Light);
    let (first, second) = (build_anew(&world, &repository), build_anew(&world, &repository));
    println!("{client}: first {first:?}");
    println!("{client}: second {second:?}");
    let all = LIBRARIES as u64;
    assert_eq!((first.hits, first.misses, first.errors), (0, all, 0), "{client}: {first:?}");
    assert_eq!((second.hits, second.misses, second.errors), (all, 0, 0), "{client}: {second:?}");
    assert_eq!((first.gets, first.puts, first.stored), (all, all, all), "{client}: {first:?}");
    assert_eq!((second.gets, second.puts), (all, 0), "{client}: {second:?}");
    // What is no read and no write in the second build is the start; a store is what the first has beside its reads.
    let at_start = second.requests - second.gets;
    assert!(at_start <= most_at_start, "{client}: {at_start} requests before the first compilation");
    let for_stores = first.requests - first.gets - at_start;
    println!(
        "{client}: 1 request per get, {:.2} per store, {at_start} at the start",
        for_stores as f64 / first.puts as f64
    );
    assert!(for_stores <= most_per_store * first.puts, "{client}: {for_stores} requests for {} stores", first.puts);
}

#[test]
fn the_bundled_sccache_asks_once_for_each_get_and_each_store() {
    check("bundled", "bundled", 1, 0);
}

#[test]
fn sccache_0_16_asks_once_for_each_get_and_at_most_twice_for_each_store() {
    let Some(sccache) = Environment::of_this_process().sccache() else {
        return skipped(&format!("there is no sccache on the path, and {SCCACHE} names none"));
    };
    let path = sccache.to_str().expect("the path of a program is text");
    assert!(Path::new(path).is_absolute(), "{SCCACHE} names {path}, which depends on where we stand");
    // It looks at its check object before it writes and reads it, whatever it is told.
    check("sccache 0.16", path, 2, 3);
}
