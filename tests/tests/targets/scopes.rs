//! Who is given whose snapshot.

use hearth_tests::world::World;

use super::{MARK, RUN, app, change, on, on_main, promoted};

#[test]
fn a_branch_starts_from_its_own_then_its_base_then_the_trusted_snapshot() {
    let world = World::new();
    let repository = app(&world, "main one");
    promoted(&world, on_main(&world, &repository), "main one");
    change(&repository, "feature one");
    let on_feature = || on(&world, &repository, "push", "refs/heads/feature");
    let first = on_feature().sh(RUN).expect_success();
    assert_eq!((first.stdout.as_str(), first.warm_scope()), ("feature one", Some("trusted")));
    first.promoted();
    world.upkeep_done();
    let on_pull_request = |number: u64| on(&world, &repository, "pull_request", &format!("refs/pull/{number}/merge"));
    let based = on_pull_request(7).args(["--base", "feature"]).sh(RUN).expect_success();
    assert_eq!(based.warm_scope(), Some("branch/feature"), "{based}");
    assert_eq!(on_pull_request(8).args(["--base", "main"]).sh(RUN).expect_success().warm_scope(), Some("trusted"));
    assert_eq!(on_feature().sh(RUN).expect_success().warm_scope(), Some("branch/feature"));
    // What failed changes nothing in this.
    change(&repository, "feature two");
    on_feature().sh(&format!("{MARK}; cargo build --quiet; exit 1")).expect_code(1);
    let after = on_feature().sh(RUN).expect_success();
    assert_eq!((after.stdout.as_str(), after.warm_scope()), ("feature two", Some("branch/feature")));
    assert_eq!(on_main(&world, &repository).sh(RUN).expect_success().warm_scope(), Some("trusted"));
}

#[test]
fn a_pull_requests_snapshot_is_given_to_nobody_else() {
    let world = World::new();
    let repository = app(&world, "one");
    let on_pull_request = |number: u64| on(&world, &repository, "pull_request", &format!("refs/pull/{number}/merge"));
    let marking = format!("{MARK}; cargo build --quiet");
    on_pull_request(7).sh(&marking).expect_success().promoted();
    world.upkeep_done();
    for other in [
        on_main(&world, &repository),
        on_pull_request(8),
        on(&world, &repository, "push", "refs/heads/feature"),
        on(&world, &repository, "push", "refs/tags/v1"),
        on(&world, &repository, "release", "refs/tags/v1"),
    ] {
        let ran = other.sh(&format!("{RUN} && exit 1")).expect_code(1);
        assert!(ran.cold_because().contains("scopes that this job may not read"), "{ran}");
    }
    let own = on_pull_request(7).sh("test -e \"$CARGO_BUILD_BUILD_DIR/mark\"").expect_success();
    assert_eq!(own.warm_scope(), Some("pr/7"));
}

#[test]
fn jobs_that_may_write_nothing_leave_nothing() {
    let world = World::new();
    let repository = app(&world, "one");
    for (event, reference) in [
        ("issue_comment", "refs/heads/main"),
        ("workflow_run", "refs/heads/main"),
        ("pull_request_target", "refs/heads/main"),
        ("pull_request", "refs/heads/main"),
        ("push", "refs/tags/v1"),
        ("release", "refs/tags/v1"),
        ("push", "refs/pull/7/merge"),
    ] {
        let ran = on(&world, &repository, event, reference).sh(RUN).expect_success();
        assert_eq!(ran.receipt()["given_back"]["discarded"], "no_scope", "{event} on {reference}: {ran}");
    }
    let fork = on(&world, &repository, "push", "refs/heads/main").arg("--from-fork").sh(RUN).expect_success();
    assert_eq!(fork.receipt()["given_back"]["discarded"], "no_scope", "{fork}");
    world.upkeep_done();
    assert!(world.snapshots().is_empty());
    // They may read what is trusted, and what they do with their clone reaches nobody.
    promoted(&world, on_main(&world, &repository), "one");
    let reader = on(&world, &repository, "issue_comment", "refs/heads/main").sh(MARK).expect_success();
    assert_eq!(reader.warm_scope(), Some("trusted"));
    assert_eq!(on_main(&world, &repository).sh(RUN).expect_success().warm_scope(), Some("trusted"));
}

#[test]
fn another_job_name_another_toolchain_flag_and_another_checkout_have_lanes_of_their_own() {
    let world = World::new();
    let repository = app(&world, "one");
    promoted(&world, on_main(&world, &repository), "one");
    let elsewhere = repository.clone_to(&world.path("elsewhere"), "main");
    for other in [
        on_main(&world, &repository).args(["--job", "other"]),
        on_main(&world, &repository).env("RUSTFLAGS", "-Cdebug-assertions=off"),
        on_main(&world, &elsewhere),
    ] {
        let ran = other.sh(RUN).expect_success();
        assert_eq!(ran.cold_because(), "no job of this lane has left a snapshot yet");
    }
    assert_eq!(on_main(&world, &repository).sh(RUN).expect_success().warm_scope(), Some("trusted"));
}
