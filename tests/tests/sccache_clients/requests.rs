//! Each sccache through each dialect before one running cache server: the first build stores everything, the second one
//! finds it, and somebody between the two counts what that costs in requests.

use std::fmt;

use hearth_tests::between::{Asked, Between};
use hearth_tests::cache_server::{CacheServer, Prepared, Token};
use hearth_tests::repository::Repository;
use hearth_tests::workspace::{Weight, libraries};
use hearth_tests::world::World;

use hearth_tests::sccache_client::{Client, Counts, Dialect};

/// Libraries of the workspace; the program on top of them is linked, which no cache serves.
const LIBRARIES: usize = 4;

/// Requests for one object each, and those before the first of them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Costs {
    start: f64,
    miss: f64,
    hit: f64,
    store: f64,
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, miss, hit, store } = self;
        write!(f, "{start:.0} at the start, {miss:.2} per miss, {hit:.2} per hit, {store:.2} per store")
    }
}

fn is_read(asked: &Asked) -> bool {
    asked.method == "GET" || asked.target.ends_with("/GetCacheEntryDownloadURL")
}

fn per_library(asked: &[Asked], counts: impl Fn(&Asked) -> bool) -> f64 {
    asked.iter().filter(|asked| counts(asked)).count() as f64 / LIBRARIES as f64
}

/// A machine that has nothing builds twice.
fn costs(
    world: &World,
    repository: &Repository,
    client: &Client,
    dialect: Dialect,
    token: &Token,
    server: &CacheServer,
) -> Costs {
    let between = Between::start(server.address());
    let build = || {
        let started = client.start(world, dialect, &between.url(), token);
        (between.taken(), started.build_anew(repository), between.taken())
    };
    let (at_start, counted, cold) = build();
    let all_missed = Counts { hits: 0, misses: LIBRARIES as u64, troubles: 0 };
    assert_eq!(counted, all_missed, "{} through {dialect:?}, first build", client.name);
    let (_, counted, warm) = build();
    let all_hit = Counts { hits: LIBRARIES as u64, misses: 0, troubles: 0 };
    assert_eq!(counted, all_hit, "{} through {dialect:?}, second build", client.name);
    assert!(warm.iter().all(is_read), "{} through {dialect:?} writes in a build of hits: {warm:?}", client.name);
    Costs {
        start: at_start.len() as f64,
        miss: per_library(&cold, is_read),
        hit: per_library(&warm, |_| true),
        store: per_library(&cold, |asked| !is_read(asked)),
    }
}

/// Through every dialect; `most` is what one may cost.
#[expect(clippy::print_stdout, reason = "a person who runs this wants the figures")]
fn check(world: &World, client: &Client, most: impl Fn(Dialect) -> Costs) {
    let server = Prepared::new(world, "server");
    let tokens = Dialect::ALL.map(|dialect| {
        // Each dialect has a repository of its own, so that what one stored is nothing to another.
        let realm = format!("github.com/acme/{dialect:?}").to_lowercase();
        let of_trusted = ["--kind", "machine", "--reads", "trusted", "--writes", "trusted", "--realm"];
        (dialect, server.token(world, "build", &[of_trusted.as_slice(), &[&realm]].concat()))
    });
    let server = server.start(world);
    let repository = libraries(world, "libraries", LIBRARIES, Weight::Light);
    for (dialect, token) in &tokens {
        let (found, most) = (costs(world, &repository, client, *dialect, token, &server), most(*dialect));
        println!("{} through {dialect:?}: {found}", client.name);
        let is_within = found.start <= most.start && found.hit <= most.hit && found.store <= most.store;
        assert!(is_within && found.miss <= most.miss, "{} through {dialect:?}: {found}; at most {most}", client.name);
    }
}

#[test]
fn the_bundled_sccache_asks_once_for_each_read_and_each_store() {
    let world = World::new();
    check(&world, &Client::bundled(&world), |dialect| match dialect {
        Dialect::WebDav | Dialect::S3 => Costs { start: 3.0, miss: 1.0, hit: 1.0, store: 1.0 },
        // GitHub's way: where is it, then the bytes; where may it go, then the bytes, then that it is whole.
        Dialect::Gha => Costs { start: 5.0, miss: 1.0, hit: 2.0, store: 3.0 },
    });
}

#[test]
fn sccache_0_16_asks_once_for_each_read_and_seldom_more_for_each_store() {
    let world = World::new();
    let Some(client) = Client::installed() else { return };
    check(&world, &client, |dialect| match dialect {
        // It looks for the directory before it writes.
        Dialect::WebDav => Costs { start: 3.0, miss: 1.0, hit: 1.0, store: 2.0 },
        Dialect::S3 => Costs { start: 3.0, miss: 1.0, hit: 1.0, store: 1.0 },
        Dialect::Gha => Costs { start: 5.0, miss: 1.0, hit: 2.0, store: 3.0 },
    });
}
