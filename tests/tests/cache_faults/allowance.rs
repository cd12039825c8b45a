//! How long a build may take, against the same build without any cache.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hearth_tests::job::Call;
use hearth_tests::repository::Repository;
use hearth_tests::workspace::{Weight, libraries, says};
use hearth_tests::world::World;

/// The libraries of the workspace that is built.
pub(crate) const LIBRARIES: usize = 6;
pub(crate) const BUILD: &str = "cargo build --offline && target/debug/app";
/// So many pairs of builds are measured at most.
const PAIRS: usize = 6;
/// A tenth of the build and this may go to a cache that fails.
const MARGIN: Duration = Duration::from_secs(2);

pub(crate) fn project(world: &World) -> Repository {
    libraries(world, "libraries", LIBRARIES, Weight::Heavy)
}

/// How long one build takes from an empty target directory.
pub(crate) fn timed(repository: &Repository, build: impl FnOnce() -> Call) -> Duration {
    let target = repository.path().join("target");
    if target.exists() {
        std::fs::remove_dir_all(target).expect("a directory can be removed");
    }
    let call = build();
    let began = Instant::now();
    let ran = call.run().expect_success();
    assert_eq!(ran.stdout, says(LIBRARIES), "{ran}");
    began.elapsed()
}

/// The same build by cargo alone.
pub(crate) fn without_cache(world: &World, repository: &Repository) -> Duration {
    timed(repository, || world.other("sh", repository.path()).args(["-c", BUILD]))
}

/// The quickest builds of both kinds so far. Others use this machine too, and make a build slower, never quicker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quickest {
    pub(crate) took: Duration,
    pub(crate) without: Duration,
}

impl Quickest {
    fn is_within(self) -> bool {
        self.took <= self.without.mul_f64(1.1) + MARGIN
    }
}

/// Held while a pair is measured: a build beside another one is no measure of anything.
static ALONE: Mutex<()> = Mutex::new(());

/// Measures pairs of builds until they are within the allowance; fails when they never are.
#[track_caller]
#[expect(clippy::print_stdout, reason = "a person who runs this wants the figures")]
pub(crate) fn expect_within(what: &str, mut pair: impl FnMut() -> Quickest) {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut best = pair();
    for _again in 1..PAIRS {
        if best.is_within() {
            break;
        }
        let next = pair();
        best = Quickest { took: best.took.min(next.took), without: best.without.min(next.without) };
    }
    drop(alone);
    println!("{what}: {:.2?}, without any cache {:.2?}", best.took, best.without);
    assert!(best.is_within(), "{what}: {best:?}");
}
