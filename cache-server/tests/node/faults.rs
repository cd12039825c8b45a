//! The real sccache before a node whose upstream fails, in every way in which one can: no build fails, none takes longer
//! than without any cache by more than a tenth and two seconds, and what comes out of it is what the compiler makes.

use std::time::Duration;

use hearth_cache_server::{Secret, UpstreamConfig, UpstreamPlace, UpstreamStatus};

use crate::environment::{sccache, skip};
use crate::faulty::{Fault, Faulty};
use crate::sccache::{Build, Built, CRATES, Storage};
use crate::tiers::far_world;
use crate::world::{World, trusted};

/// A moment for a compiler in each crate.
const FUNCTIONS: usize = 25;
/// The bigger workspace: its crates, and the functions in each.
const BIG: (u64, usize) = (12, 120);
/// A tenth of the build and this may go to a cache that fails.
const MARGIN: Duration = Duration::from_secs(2);
/// So many pairs of builds are made at most, until one is within the allowance: others use this machine too.
const PAIRS: usize = 6;
/// Where nobody else does, the medians of so many pairs count.
const QUIET_PAIRS: usize = 3;
/// Longer than the longest of the pauses of a breaker that has failed a few times.
const RECOVERY: Duration = Duration::from_mins(1);

const HEADING: &str = "| upstream | build | without any cache | hits | misses | broken answers | failed writes |\n\
                       | --- | --- | --- | --- | --- | --- | --- |";

const FAULTS: [(&str, Way); 19] = [
    ("refuses connections", Way::Refused),
    ("takes no connection", Way::Through(Fault::TakesNone, 0)),
    ("takes requests and says nothing", Way::Through(Fault::Silent, 0)),
    ("falls silent in the middle of an answer", Way::Through(Fault::HalfAndSilent, 0)),
    ("sends 1 kB in a second", Way::Through(Fault::Trickles, 0)),
    ("resets connections in the middle of an answer", Way::Through(Fault::Resets, 0)),
    ("says 500", Way::Through(Fault::Says(500), 0)),
    ("says 401", Way::Through(Fault::Says(401), 0)),
    ("says 403", Way::Through(Fault::Says(403), 0)),
    ("says 429", Way::Through(Fault::Says(429), 0)),
    ("is full: says 507", Way::Through(Fault::Says(507), 0)),
    ("sends other bytes", Way::Through(Fault::Flips, 0)),
    ("ends in the middle of an answer", Way::Through(Fault::Truncates, 0)),
    ("sends more than it says", Way::Through(Fault::SaysTooLittle, 0)),
    ("sends less than it says", Way::Through(Fault::SaysTooMuch, 0)),
    ("speaks no TLS", Way::NoTls),
    ("has a name that is none", Way::NoName),
    ("falls silent in the middle of the build", Way::Through(Fault::Silent, 1)),
    ("is gone in the middle of the build", Way::Through(Fault::Gone, 1)),
];

/// How the node behind is reached.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Through something that lets so many requests through and then has this fault.
    Through(Fault, usize),
    /// At a port where nobody listens.
    Refused,
    /// TLS with somebody who speaks none.
    NoTls,
    /// By a name that no resolver takes.
    NoName,
}

/// A far node that has everything, the build that put it there, and what the compiler has made.
struct Ground {
    build: Build,
    far: World,
    token: Secret,
    crates: u64,
    made: Vec<Vec<u8>>,
}

impl Ground {
    async fn new(sccache: std::path::PathBuf, (crates, functions): (u64, usize)) -> Self {
        let (far, token) = far_world().await;
        let build = Build::with_work(sccache, crates, functions);
        let storage = storage(&far);
        let cold = tokio::task::block_in_place(|| build.build_anew(&storage));
        assert_eq!(cold.counted, [0, crates, 0], "{}", cold.printed);
        let made = build.libraries();
        Self { build, far, token, crates, made }
    }

    /// One pair of builds, with a new near node; gives cargo's own time beside.
    async fn pair(&self, way: Way) -> (Duration, Built, UpstreamStatus) {
        let (fault, good) = match way {
            Way::Through(fault, good) => (fault, good),
            Way::Refused | Way::NoTls | Way::NoName => (Fault::None, 0),
        };
        let between = Faulty::start(&self.far.address, fault, good).await;
        let endpoint = match way {
            Way::Through(..) => format!("http://{}/", between.address),
            Way::NoTls => format!("https://{}/", between.address),
            Way::Refused => {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                format!("http://{}/", listener.local_addr().unwrap())
            }
            // Too long for a label: no resolver has to be asked.
            Way::NoName => format!("http://{}.invalid/", "x".repeat(70)),
        };
        let place = UpstreamPlace::Peer { endpoint, token: self.token.clone(), ca: None };
        let near = World::with(|config| config.upstream = Some(UpstreamConfig::new(place))).await;
        let storage = storage(&near);
        let (without, built) =
            tokio::task::block_in_place(|| (self.build.build_without(), self.build.build_anew(&storage)));
        assert!(self.build.libraries() == self.made, "{way:?}: another library came out: {:?}", built.counted);
        if let Way::Through(fault, _) = way
            && !matches!(fault, Fault::None | Fault::TakesNone)
        {
            assert!(between.requests() > good, "{way:?}: it was never asked in vain");
        }
        let upstream = near.node.upstream().unwrap();
        near.stop().await;
        (without, built, upstream)
    }

    /// Pairs until one is within the allowance.
    async fn check(&self, what: &str, way: Way) -> UpstreamStatus {
        let (mut without, mut built, mut upstream) = self.pair(way).await;
        for _again in 1..PAIRS {
            if is_allowed(built.took, without) {
                break;
            }
            (without, built, upstream) = self.pair(way).await;
        }
        self.tell(what, built.took, without, &built, &upstream);
        upstream
    }

    /// Medians, where nobody else uses the machine.
    async fn check_medians(&self, what: &str, way: Way) {
        let (mut times, mut times_without) = (Vec::new(), Vec::new());
        let mut last = None;
        for _ in 0..QUIET_PAIRS {
            let (without, built, upstream) = self.pair(way).await;
            times.push(built.took);
            times_without.push(without);
            last = Some((built, upstream));
        }
        times.sort();
        times_without.sort();
        let (built, upstream) = last.unwrap();
        self.tell(what, times[QUIET_PAIRS / 2], times_without[QUIET_PAIRS / 2], &built, &upstream);
    }

    #[track_caller]
    #[expect(clippy::print_stdout, reason = "a person who runs this wants the figures")]
    fn tell(&self, what: &str, took: Duration, without: Duration, built: &Built, upstream: &UpstreamStatus) {
        let [hits, misses, write_errors] = built.counted;
        let (took_s, without_s) = (took.as_secs_f64(), without.as_secs_f64());
        println!(
            "| {what} | {took_s:.1} s | {without_s:.1} s | {hits} | {misses} | {} | {write_errors} |",
            built.broken
        );
        assert!(is_allowed(took, without), "{what}: {took:?}, without any cache {without:?}");
        assert_eq!((hits + misses, write_errors, built.broken), (self.crates, 0, 0), "{what}: {upstream:?}");
    }
}

fn is_allowed(took: Duration, without: Duration) -> bool {
    took <= without.mul_f64(1.1) + MARGIN
}

fn storage(world: &World) -> Storage {
    Storage::WebDav { url: world.url(), secret: trusted().expose().to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_an_upstream_fails_or_delays_a_build() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let ground = Ground::new(sccache, (CRATES, FUNCTIONS)).await;
    println!("{HEADING}");
    let well = ground.check("is well", Way::Through(Fault::None, 0)).await;
    assert!(well.hits > 0, "{well:?}");
    for (what, way) in FAULTS {
        ground.check(what, way).await;
    }
    ground.far.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes of a machine that does nothing else"]
async fn no_fault_of_an_upstream_delays_a_bigger_build() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let ground = Ground::new(sccache, BIG).await;
    println!("{HEADING}");
    ground.check_medians("is well", Way::Through(Fault::None, 0)).await;
    for (what, way) in FAULTS {
        ground.check_medians(what, way).await;
    }
    ground.far.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_while_it_was_gone_is_there_when_it_is_back() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let (far, token) = far_world().await;
    let between = Faulty::start(&far.address, Fault::Silent, 0).await;
    let place = UpstreamPlace::Peer { endpoint: format!("http://{}/", between.address), token, ca: None };
    let near = World::with(|config| config.upstream = Some(UpstreamConfig::new(place))).await;
    let build = Build::new(sccache);
    let (here, there) = (storage(&near), storage(&far));
    let gone = tokio::task::block_in_place(|| build.build_anew(&here));
    assert_eq!(gone.counted, [0, CRATES, 0], "{}", gone.printed);
    assert_eq!(near.node.upstream().unwrap().queued_objects, CRATES);
    between.turn(Fault::None);
    let deadline = tokio::time::Instant::now() + RECOVERY;
    while near.node.upstream().unwrap().queued_objects > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", near.node.upstream());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elsewhere = tokio::task::block_in_place(|| build.build_anew(&there));
    assert_eq!(elsewhere.counted, [CRATES, 0, 0], "{}", elsewhere.printed);
    near.stop().await;
    far.stop().await;
}
