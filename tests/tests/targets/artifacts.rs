//! What people find where they expect it, and what they do to it there.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;

use hearth_tests::skip::{has_programs, is_root, skipped};
use hearth_tests::world::World;

use super::{RUN, app, change, on_main, promoted};

#[test]
fn final_artifacts_are_in_the_checkouts_target() {
    let world = World::new();
    let repository = app(&world, "one");
    for text in ["one", "two"] {
        change(&repository, text);
        promoted(&world, on_main(&world, &repository), text);
        let program = repository.path().join("target/debug/app");
        let program = program.to_str().expect("test paths are text");
        assert_eq!(world.other(program, repository.path()).run().expect_success().stdout, text);
        assert!(!repository.path().join("target/debug/deps").exists(), "intermediate files are not in the checkout");
    }
    // A checkout that lacks them gets them, although nothing is compiled.
    fs::remove_dir_all(repository.path().join("target")).expect("a directory can be removed");
    let ran = on_main(&world, &repository).sh("cargo build && target/debug/app").expect_success();
    assert!(ran.stdout == "two" && ran.compiled().is_empty(), "{ran}");
}

#[test]
fn a_target_directory_of_the_jobs_own_gets_the_final_artifacts() {
    let world = World::new();
    let repository = app(&world, "one");
    let own = world.path("own");
    for _cold_then_warm in 0..2 {
        let call = on_main(&world, &repository).env("CARGO_TARGET_DIR", &own);
        let ran = call.sh("cargo build && \"$CARGO_TARGET_DIR/debug/app\"").expect_success();
        assert_eq!(ran.stdout, "one");
        world.upkeep_done();
    }
    assert!(own.join("debug/app").exists() && !own.join("debug/deps").exists());
}

#[test]
fn a_build_directory_of_the_jobs_own_is_respected() {
    let world = World::new();
    let repository = app(&world, "one");
    let own = world.path("own");
    let ran = on_main(&world, &repository).env("CARGO_BUILD_BUILD_DIR", &own).sh("cargo run --quiet").expect_success();
    assert_eq!(ran.stdout, "one");
    ran.expect_said(&["warm target: off", "CARGO_BUILD_BUILD_DIR", "the job's own choice stands"]);
    assert!(own.join("debug/deps").exists());
    world.upkeep_done();
    assert!(world.snapshots().is_empty());
}

/// Changes one byte of the program's text in place: same inode, same size.
fn tamper(program: &Path) {
    let mut file = File::options().read(true).write(true).open(program).expect("the program can be opened");
    let modified = file.metadata().and_then(|metadata| metadata.modified()).expect("a file has a time");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("the program can be read");
    let text = b"the text of the program";
    let place = bytes.windows(text.len()).position(|window| window == text).expect("the program holds its text");
    file.seek(std::io::SeekFrom::Start(place as u64)).expect("a file can be sought in");
    file.write_all(b"THE").expect("a file can be written");
    file.set_modified(modified).expect("a time can be set");
}

/// Three times: after the job that left the snapshot, and after jobs that gave their clone back as it was.
fn check_tampering(world: &World) {
    let text = "the text of the program";
    let repository = app(world, text);
    let program = repository.path().join("target/debug/app");
    let mut ran = on_main(world, &repository).sh(RUN).expect_success();
    ran.promoted();
    for _times in 0..3 {
        // At once, while nothing has been done about the snapshot yet.
        tamper(&program);
        world.upkeep_done();
        fs::remove_dir_all(repository.path().join("target")).expect("a directory can be removed");
        ran = on_main(world, &repository).sh(RUN).expect_success();
        assert_eq!((ran.stdout.as_str(), ran.warm_scope()), (text, Some("trusted")), "{ran}");
    }
}

#[test]
fn what_is_done_to_a_final_artifact_in_place_does_not_reach_the_next_job() {
    check_tampering(&World::new());
}

#[test]
fn nor_where_the_clone_and_the_checkout_can_share_files() {
    if !is_root() || has_programs(&["setpriv"]) {
        check_tampering(&World::new().without_view());
    } else {
        skipped("there is no setpriv to give up the right to mount with");
    }
}
