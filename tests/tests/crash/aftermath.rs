//! What follows a blow directly: the next job in the same slot, and the time of a job that had run for a while.

use std::time::{Duration, Instant};

use hearth_ledger::State;
use hearth_model::{EndBasis, Millis};
use hearth_tests::family::{guard_of, kill, marked_with};
use hearth_tests::wait::until;
use hearth_tests::world::World;

use super::books;
use super::project::Project;

/// The guard of a killed `exec` gives its processes a second; the next job has the slot at once.
#[test]
fn the_next_job_of_a_slot_never_meets_the_processes_of_a_killed_one() {
    let world = World::new().with_env("HEARTH_SLOTS", "1");
    let project = Project::new(&world);
    let intruder = "trap '' TERM; echo here; while :; do echo > \"$CARGO_BUILD_BUILD_DIR/intruder\"; done";
    let killed = world.exec(&project.repository).start_sh(intruder);
    until("the first job", || killed.stdout().contains("here"));
    // It looks for what the first one makes, for longer than the first one is let alone.
    let watch = "for n in $(seq 150); do test ! -e \"$CARGO_BUILD_BUILD_DIR/intruder\" || exit 9; sleep 0.01; done";
    let next = world.exec(&project.repository).start_sh(watch);
    until("the second job to wait", || next.stderr().contains("waiting for one"));
    assert!(kill(killed.pid()));
    next.wait().expect_success();
    assert!(!killed.wait().status.success());
}

#[test]
fn a_lost_job_costs_the_time_until_its_last_sign_of_life() {
    let world = World::new();
    let project = Project::new(&world);
    let began = Instant::now();
    let running = world.exec(&project.repository).start_sh("echo here; sleep 600");
    until("the job", || running.stdout().contains("here"));
    let open = books::open(world.state()).open_executions().expect("the ledger answers");
    let [job] = open.as_slice() else { unreachable!("one job runs, and not {open:#?}") };
    let beat = || books::open(world.state()).last_beat(job.id).ok().flatten().map_or(Millis(0), |beat| beat.ran);
    until("a heartbeat", || beat() > Millis(0));
    let last = beat();
    let guard = guard_of(running.pid()).expect("a running job has a guard");
    assert!(kill(guard) && kill(running.pid()));
    assert!(!running.wait().status.success());
    world.exec(&project.repository).sh("true").expect_success();

    let row = books::open(world.state()).execution(job.id).expect("the ledger answers").expect("it is in the ledger");
    assert_eq!((row.state, row.end_basis), (State::Ended, EndBasis::Heartbeat), "{row:#?}");
    assert_eq!(row.ran, Some(last), "{row:#?}");
    assert!(Duration::from_secs(1) < last.to_duration() && last.to_duration() < began.elapsed(), "{last}");
    assert_eq!(row.billable_minutes(), Some(last.billable_minutes()));
    let id = job.id.to_string();
    assert!(marked_with(|marked| marked == id).is_empty(), "a job of nobody's runs on");
}
