//! Jobs that do not end well: their clone is dropped, and the next job starts from what was good before.

use hearth_tests::job::{Call, Ran};
use hearth_tests::wait::until;
use hearth_tests::world::{StoredSnapshot, World};
use rustix::process::Signal;

use super::{MARK, RUN, app, change, on_main, promoted};

/// A good job at one commit, a bad one at the next, and a job after it.
fn check(bad: impl FnOnce(Call) -> Ran, outcome: &str, code: i32) {
    let world = World::new();
    let repository = app(&world, "one");
    let good = promoted(&world, on_main(&world, &repository), "one");
    let first = repository.git(&["rev-parse", "HEAD"]);
    change(&repository, "two");
    let ran = bad(on_main(&world, &repository)).expect_code(code);
    assert_eq!(ran.receipt()["outcome"]["how"], outcome, "{ran}");
    assert!(ran.receipt()["given_back"]["discarded"]["not_successful"].is_object(), "{ran}");
    world.upkeep_done();
    assert_eq!(world.slot_builds(), [] as [std::path::PathBuf; 0]);
    let ids: Vec<_> = world.snapshots().iter().map(StoredSnapshot::id).collect();
    assert_eq!(ids, [good]);
    let next = on_main(&world, &repository).sh(RUN).expect_success();
    assert_eq!(next.stdout, "two");
    assert_eq!(next.receipt()["warm"]["from"]["commit"], first, "{next}");
}

/// Starts a job that has built something and then waits, and sends `signal` to `hearth exec`.
fn stopped_by(call: Call, signal: Signal, script: &str) -> Ran {
    let job = call.start_sh(&format!("{MARK}; cargo build --quiet; {script}"));
    until("the job to wait", || job.stdout().contains("waiting"));
    job.signal(signal);
    job.wait()
}

#[test]
fn a_job_that_failed_leaves_nothing() {
    check(|call| call.sh(&format!("{MARK}; cargo build --quiet; exit 3")), "exited", 3);
}

#[test]
fn a_job_that_was_killed_leaves_nothing() {
    check(|call| call.sh(&format!("{MARK}; cargo build --quiet; kill -9 $$")), "signaled", 137);
}

#[test]
fn a_job_that_was_interrupted_leaves_nothing() {
    check(|call| stopped_by(call, Signal::INT, "echo waiting; exec sleep 600"), "cancelled", 130);
}

#[test]
fn a_job_that_was_terminated_leaves_nothing() {
    check(|call| stopped_by(call, Signal::TERM, "echo waiting; exec sleep 600"), "cancelled", 143);
}

#[test]
fn a_cancelled_job_that_ends_well_all_the_same_leaves_nothing() {
    let script = "trap 'exit 0' TERM; echo waiting; while :; do sleep 0.1; done";
    check(|call| stopped_by(call, Signal::TERM, script), "cancelled", 0);
}

#[test]
fn a_job_that_ran_out_of_time_leaves_nothing() {
    check(|call| call.args(["--time-limit", "500ms"]).sh(&format!("{MARK}; exec sleep 600")), "timed_out", 124);
}

#[test]
fn a_job_whose_exec_was_killed_leaves_nothing() {
    let world = World::new();
    let repository = app(&world, "one");
    promoted(&world, on_main(&world, &repository), "one");
    change(&repository, "two");
    let job = on_main(&world, &repository).start_sh(&format!("{MARK}; cargo build --quiet; echo waiting; sleep 600"));
    until("the job to wait", || job.stdout().contains("waiting"));
    job.signal(Signal::KILL);
    assert!(job.wait().status.code().is_none());
    let next = on_main(&world, &repository).sh(RUN).expect_success();
    assert_eq!((next.stdout.as_str(), next.warm_scope()), ("two", Some("trusted")), "{next}");
}

/// A compiler wrapper that tells when a compilation has begun and then never lets it end.
const STUCK: &str =
    "#!/bin/sh\ncase \"$*\" in *--crate-name\\ app\\ *) touch \"$STARTED\"; exec sleep 600;; esac\nexec \"$@\"\n";

#[test]
fn a_job_that_hides_an_unfinished_compilation_leaves_nothing() {
    let world = World::new();
    let repository = app(&world, "one");
    let good = promoted(&world, on_main(&world, &repository), "one");
    change(&repository, "two");
    let script = "cargo build --quiet & until test -e \"$STARTED\"; do sleep 0.02; done; kill -9 $!; wait; true";
    let wrapper = world.path("stuck");
    std::fs::write(&wrapper, STUCK).expect("a file can be written");
    let script = format!("chmod +x \"$STUCK\"; export RUSTC_WRAPPER=\"$STUCK\"; {script}");
    let call = on_main(&world, &repository).env("STUCK", &wrapper).env("STARTED", world.path("started"));
    let ran = call.sh(&script).expect_success();
    assert!(ran.receipt()["given_back"]["discarded"]["unfinished"].is_object(), "{ran}");
    world.upkeep_done();
    let ids: Vec<_> = world.snapshots().iter().map(StoredSnapshot::id).collect();
    assert_eq!(ids, [good]);
    assert_eq!(on_main(&world, &repository).sh(RUN).expect_success().stdout, "two");
}

#[test]
fn a_job_that_hides_a_compiler_error_leaves_nothing() {
    let world = World::new();
    let repository = app(&world, "one");
    promoted(&world, on_main(&world, &repository), "one");
    repository.write("src/main.rs", "fn main() { nonsense }\n").commit("broken");
    let ran = on_main(&world, &repository).sh("cargo build; true").expect_success();
    assert!(ran.receipt()["given_back"]["discarded"]["unfinished"].is_object(), "{ran}");
}

#[test]
fn a_first_build_that_is_cut_short_never_makes_a_later_one_wrong() {
    let world = World::new();
    let repository = app(&world, "one");
    let wrapper = world.path("stuck");
    std::fs::write(&wrapper, STUCK).expect("a file can be written");
    let script = "chmod +x \"$STUCK\"; export RUSTC_WRAPPER=\"$STUCK\"; cargo build --quiet & \
                  until test -e \"$STARTED\"; do sleep 0.02; done; kill -9 $!; wait; true";
    let call = on_main(&world, &repository).env("STUCK", &wrapper).env("STARTED", world.path("started"));
    call.sh(script).expect_success();
    assert_eq!(on_main(&world, &repository).sh(RUN).expect_success().stdout, "one");
    change(&repository, "two");
    assert_eq!(on_main(&world, &repository).sh(RUN).expect_success().stdout, "two");
}
