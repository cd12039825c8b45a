//! The machine's daemon, whose node and desk a job uses, is stopped, or killed, before and in the middle of the job.

use std::time::Instant;

use hearth_tests::job::{Ran, Running};
use hearth_tests::repository::Repository;
use hearth_tests::wait::until;
use hearth_tests::workspace::says;
use hearth_tests::world::World;
use rustix::process::Signal;

use super::allowance::{BUILD, LIBRARIES, Quickest, expect_within, project, without_cache};

fn daemon(world: &World) -> Running {
    let daemon = world.hearth().args(["up", "--admin", "127.0.0.1:0"]).start();
    until("the daemon", || daemon.stderr().contains("hearth is up"));
    daemon
}

/// When the daemon meets its fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    /// When the job says these words.
    When(&'static str),
}

/// A cold job whose daemon gets `signal` at the moment.
fn build(world: &World, repository: &Repository, daemon: &Running, signal: Signal, moment: Moment) -> Ran {
    if moment == Moment::Before {
        daemon.signal(signal);
    }
    let call = world.exec(repository).env("HEARTH_LOG", "debug").args(["--", "sh", "-c", BUILD]);
    let (running, lines) = call.start_told();
    if let Moment::When(words) = moment {
        assert!(lines.iter().any(|line| line.contains(words)), "the job never said `{words}`");
        daemon.signal(signal);
    }
    running.wait().expect_success()
}

/// A machine, a daemon, a build that loses it, and what the next job finds.
fn pair(signal: Signal, moment: Moment) -> Quickest {
    let world = World::new();
    let repository = project(&world);
    let without = without_cache(&world, &repository);
    let daemon = daemon(&world);
    std::fs::remove_dir_all(repository.path().join("target")).expect("the build left a target directory");
    let began = Instant::now();
    let ran = build(&world, &repository, &daemon, signal, moment);
    let took = began.elapsed();
    assert_eq!(ran.stdout, says(LIBRARIES), "{ran}");
    // One job, one minute, whoever has kept the books.
    let receipt = ran.receipt();
    assert_eq!((receipt["billable_minutes"].as_u64(), receipt["month_minutes"].as_u64()), (Some(1), Some(1)), "{ran}");
    assert!(receipt["given_back"]["promoted"].is_object(), "{ran}");
    if signal == Signal::STOP {
        // Awake again, it has nothing to say to a job that has ended, and serves the next one.
        daemon.signal(Signal::CONT);
    }
    let next = world.exec(&repository).sh(BUILD).expect_success();
    assert!(next.warm_scope().is_some() && next.compiled().is_empty(), "{next}");
    assert_eq!(next.receipt()["month_minutes"].as_u64(), Some(2), "{next}");
    Quickest { took, without }
}

fn check(signal: Signal, moment: Moment) {
    expect_within(&format!("{signal:?}, {moment:?}"), || pair(signal, moment));
}

#[test]
fn a_daemon_that_is_stopped_costs_no_time() {
    for moment in [Moment::Before, Moment::When("job step: leased"), Moment::When("Compiling")] {
        check(Signal::STOP, moment);
    }
}

#[test]
fn a_daemon_that_is_killed_costs_no_time() {
    for moment in [Moment::Before, Moment::When("job step: leased"), Moment::When("Compiling")] {
        check(Signal::KILL, moment);
    }
}
