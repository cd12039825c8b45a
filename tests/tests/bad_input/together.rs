//! Several jobs at once on one state.

use std::fs;

use hearth_tests::job::{Call, Ran, Running};
use hearth_tests::wait::until;
use hearth_tests::world::{StoredSnapshot, World};

use super::{expect_works, plain};

/// Starts a job that waits until the test lets it go on.
fn start_waiting(world: &World, call: Call) -> Running {
    let go = world.path("go");
    call.env("GO", go).start_sh("echo waiting; until test -e \"$GO\"; do sleep 0.02; done; echo done")
}

fn slot(ran: &Ran) -> &str {
    let place = ran.stderr.split(" in slot ").nth(1).and_then(|rest| rest.split([',', ' ']).next());
    assert!(place.is_some(), "{ran}");
    place.unwrap_or_default()
}

#[test]
fn two_jobs_run_side_by_side_and_a_third_waits_for_a_slot() {
    let world = World::new();
    let repository = plain(&world);
    let both: Vec<_> = (0..2).map(|_| start_waiting(&world, world.exec(&repository))).collect();
    until("two jobs to run", || both.iter().all(|job| job.stdout().contains("waiting")));
    let mut third = start_waiting(&world, world.exec(&repository));
    until("the third to wait", || third.stderr().contains("all 2 slots are busy; waiting for one"));
    assert!(third.is_running() && third.stdout().is_empty());
    fs::write(world.path("go"), "").expect("a file can be written");
    let all: Vec<_> = both.into_iter().chain([third]).map(|job| job.wait().expect_success()).collect();
    assert_ne!(slot(&all[0]), slot(&all[1]));
    assert!(["0", "1"].contains(&slot(&all[2])));
    expect_works(&world, 4);
}

#[test]
fn a_job_that_waits_for_a_slot_can_be_cancelled() {
    let world = World::new().with_env("HEARTH_SLOTS", "1");
    let repository = plain(&world);
    let first = start_waiting(&world, world.exec(&repository));
    until("the first to run", || first.stdout().contains("waiting"));
    let second = start_waiting(&world, world.exec(&repository));
    until("the second to wait", || second.stderr().contains("slots are busy") || second.stderr().contains("is busy"));
    second.signal(rustix::process::Signal::INT);
    let second = second.wait();
    assert_eq!((second.status.code(), second.stdout.as_str()), (Some(130), ""), "{second}");
    fs::write(world.path("go"), "").expect("a file can be written");
    first.wait().expect_success();
    expect_works(&world, 2);
}

#[test]
fn of_two_jobs_at_once_the_one_that_ends_last_leaves_the_snapshot() {
    let world = World::new();
    let repository = world.repository("app");
    repository
        .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("src/main.rs", "fn main() {}\n")
        .write(".gitignore", "/target\nCargo.lock\n")
        .commit("first");
    let start = |name: &str| {
        let script = "cargo build --quiet && echo waiting; until test -e \"$GO\"; do sleep 0.02; done";
        let job = world.exec(&repository).env("GO", world.path(name)).start_sh(script);
        until("the job to wait", || job.stdout().contains("waiting"));
        job
    };
    let (first, second) = (start("first"), start("second"));
    fs::write(world.path("second"), "").expect("a file can be written");
    second.wait().expect_success().promoted();
    fs::write(world.path("first"), "").expect("a file can be written");
    let last = first.wait().expect_success().promoted();
    world.upkeep_done();
    let left: Vec<_> = world.snapshots().iter().map(StoredSnapshot::id).collect();
    assert_eq!(left, [last]);
}

#[test]
fn two_builds_at_once_of_one_lane_are_both_right() {
    let world = World::new();
    plain(&world);
    let repository = world.repository("app");
    repository
        .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("src/main.rs", "fn main() { println!(\"hello\"); }\n")
        .write(".gitignore", "/target\nCargo.lock\n");
    repository.commit("first");
    world.exec(&repository).sh("cargo build").expect_success().promoted();
    for _round in 0..2 {
        repository.write("src/main.rs", "fn main() { println!(\"hello again\"); }\n");
        let both: Vec<_> = (0..2).map(|_| world.exec(&repository).start_sh("cargo run --quiet")).collect();
        let both: Vec<_> = both.into_iter().map(|job| job.wait().expect_success()).collect();
        assert!(both.iter().all(|ran| ran.stdout == "hello again\n"), "{both:?}");
        world.upkeep_done();
    }
    assert_eq!(world.snapshots().len(), 1);
    assert!(world.is_every_clone_ready());
    expect_works(&world, 1);
}
