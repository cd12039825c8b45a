//! Input that nobody wishes for: each gets one clear error or a cold run, nothing is lost, and the next run works.

mod calls;
mod commands;
mod ledger;
mod sources;
mod state;
mod together;

use hearth_tests::job::Ran;
use hearth_tests::repository::Repository;
use hearth_tests::world::World;

/// Hearth itself failed before a command was started.
const OWN_FAILURE: i32 = 125;
const BAD_CONFIGURATION: i32 = 78;
const BAD_COMMAND_LINE: i32 = 2;

/// A repository with a commit and nothing to compile.
fn plain(world: &World) -> Repository {
    let repository = world.repository("plain");
    repository.write("README.md", "nothing to compile\n").commit("first");
    repository
}

/// One error and its causes, and nothing else: no half of a summary, no back trace.
#[track_caller]
fn expect_one_error(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.status.code(), Some(code), "{ran}");
    assert_eq!(ran.stderr.matches("hearth: error: ").count(), 1, "{ran}");
    assert!(ran.stderr.lines().all(|line| line.starts_with("hearth: ")), "{ran}");
    assert_eq!(ran.stdout, "", "the command was not started: {ran}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is not said: {ran}");
    }
}

/// The next run works; it is the `nth` that is booked in this world.
#[track_caller]
fn expect_works(world: &World, nth: u64) {
    let ran = world.exec(&Repository::at(&world.path("plain"))).sh("echo works").expect_success();
    assert_eq!(ran.stdout, "works\n");
    assert_eq!(ran.receipt()["month_minutes"], nth, "{ran}");
}
