//! Damage on the disk: never a wrong build, never a failed job; at worst a cold one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use hearth_tests::world::{StoredSnapshot, World, entries};

use super::{RUN, app, change, on, on_main, promoted};

/// The largest file of the library in a build directory: what a later build links.
fn library(build: &Path) -> PathBuf {
    let mut files = entries(&build.join("debug/deps")).into_iter();
    let library = files.find(|path| path.extension().is_some_and(|kind| kind == "rlib"));
    library.expect("a library was built")
}

fn truncate(path: &Path) {
    let file = File::options().write(true).open(path).expect("a file can be opened");
    let size = file.metadata().expect("a file has a size").len();
    file.set_len(size / 2).expect("a file can be cut");
}

fn garbage(path: &Path) {
    fs::write(path, b"\0\xffnot what it was").expect("a file can be written");
}

type Damage = (&'static str, fn(&StoredSnapshot));

const DAMAGES: [Damage; 9] = [
    ("a file of the ready clone is cut", |s| truncate(&library(&s.ready()))),
    ("a file of the snapshot is cut and no clone is ready", |s| {
        fs::remove_dir_all(s.ready()).expect("a clone can be removed");
        truncate(&library(&s.path().join("build")));
    }),
    ("a file of the snapshot is cut", |s| truncate(&library(&s.path().join("build")))),
    ("a file is missing", |s| fs::remove_file(library(&s.ready())).expect("a file can be removed")),
    ("the manifest is cut", |s| truncate(&s.path().join("manifest.json"))),
    ("the manifest is missing", |s| fs::remove_file(s.path().join("manifest.json")).expect("it can be removed")),
    ("the record is garbage", |s| garbage(&s.path().join("snapshot.json"))),
    ("the record is cut", |s| truncate(&s.path().join("snapshot.json"))),
    ("the lane's own record is garbage", |s| {
        let lane = s.path().ancestors().nth(2).expect("a snapshot stands in a lane");
        garbage(&lane.join("lane.json"));
    }),
];

#[test]
fn damage_makes_a_job_cold_at_worst() {
    let world = World::new();
    let repository = app(&world, "whole");
    promoted(&world, on_main(&world, &repository), "whole");
    for (number, (what, damage)) in DAMAGES.into_iter().enumerate() {
        let snapshots = world.snapshots();
        assert_eq!(snapshots.len(), 1, "before {what}: {snapshots:?}");
        damage(&snapshots[0]);
        let text = format!("after {number}");
        change(&repository, &text);
        let ran = on_main(&world, &repository).sh(RUN);
        assert_eq!((ran.status.code(), &ran.stdout), (Some(0), &text), "{what}: {ran}");
        ran.promoted();
        world.upkeep_done();
        assert!(world.is_every_clone_ready(), "{what}");
        let next = on_main(&world, &repository).sh(RUN).expect_success();
        assert_eq!((&next.stdout, next.warm_scope()), (&text, Some("trusted")), "after {what}: {next}");
        world.upkeep_done();
    }
}

#[test]
fn a_branch_with_a_damaged_snapshot_starts_from_the_trusted_one() {
    let world = World::new();
    let repository = app(&world, "main");
    let trusted = promoted(&world, on_main(&world, &repository), "main");
    change(&repository, "feature");
    let own = promoted(&world, on(&world, &repository, "push", "refs/heads/feature"), "feature");
    assert_ne!(own, trusted);
    let damaged = world.snapshots().into_iter().find(|snapshot| snapshot.id() == own);
    let damaged = damaged.expect("the branch has left a snapshot");
    truncate(&library(&damaged.ready()));
    let ran = on(&world, &repository, "push", "refs/heads/feature").sh(RUN).expect_success();
    assert_eq!((ran.stdout.as_str(), ran.warm_scope()), ("feature", Some("trusted")), "{ran}");
}

#[test]
fn leftovers_of_a_crash_are_removed_and_harm_nobody() {
    let world = World::new();
    let repository = app(&world, "one");
    promoted(&world, on_main(&world, &repository), "one");
    let lane = world.snapshots()[0].path().ancestors().nth(2).expect("a snapshot stands in a lane").to_owned();
    let abandoned = lane.join("ready/00000000000000000000000000000000.partial");
    fs::create_dir_all(abandoned.join("debug")).expect("a directory can be made");
    fs::create_dir_all(world.state().join("slots/0/job/build/debug/deps")).expect("a directory can be made");
    fs::write(world.state().join("slots/0/job/build/mark"), "of a job that crashed").expect("a file can be written");
    fs::write(world.state().join("trash/file"), "left").expect("a file can be written");
    change(&repository, "two");
    let ran = on_main(&world, &repository).sh(RUN).expect_success();
    assert_eq!((ran.stdout.as_str(), ran.warm_scope()), ("two", Some("trusted")));
    world.upkeep_done();
    assert!(!abandoned.exists());
    assert_eq!(entries(&world.state().join("trash")), [] as [PathBuf; 0]);
}
