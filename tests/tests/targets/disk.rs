//! Room on the disk, and what a file system can do.

use std::fs;

use hearth_tests::disk::{Disk, Kind};
use hearth_tests::world::World;

use super::{RUN, app, change, on_main, promoted};

#[test]
fn the_least_recently_used_snapshot_goes_first() {
    let world = World::new();
    let repository = app(&world, "one");
    let job = |name: &str| on_main(&world, &repository).args(["--job", name]);
    promoted(&world, job("first"), "one");
    promoted(&world, job("second"), "one");
    let bytes = world.snapshots()[0].record()["bytes"].as_u64().expect("a record holds its size");
    // Used again, the first is now more recent than the second.
    job("first").sh(RUN).expect_success();
    world.upkeep_done();
    // Each of three has its clone ready; there is room for two and a half of these pairs.
    let budget = (bytes * 5).to_string();
    promoted(&world, job("third").env("HEARTH_TARGETS_BUDGET", &budget), "one");
    let mut left: Vec<_> = world.snapshots().iter().map(|s| s.record()["job"].to_string()).collect();
    left.sort();
    assert_eq!(left, ["\"first\"", "\"third\""]);
    let evicted = job("second").env("HEARTH_TARGETS_BUDGET", &budget).sh(RUN).expect_success();
    assert_eq!(
        (evicted.stdout.as_str(), evicted.cold_because()),
        ("one", "no job of this lane has left a snapshot yet")
    );
    world.upkeep_done();
    // A budget for nothing keeps nothing, and builds go on.
    for _times in 0..2 {
        let ran = job("first").env("HEARTH_TARGETS_BUDGET", "0").sh(RUN).expect_success();
        assert_eq!(ran.stdout, "one");
        world.upkeep_done();
        assert!(world.snapshots().is_empty());
    }
}

fn check_reflinks(kind: Kind) {
    let Some(disk) = Disk::make(kind) else { return };
    let world = World::new().with_state(&disk.path().join("state"));
    // The disk is smaller than the reserve that is left to others by default.
    let config = world.path("hearth.toml");
    fs::write(&config, "[targets]\nfree_reserve = \"1MiB\"\n[cache]\nfree_reserve = \"1MiB\"\n")
        .expect("it can be written");
    let job = |repository| on_main(&world, repository).env("HEARTH_CONFIG", &config);
    let repository = app(&world, "one");
    promoted(&world, job(&repository), "one");
    let list = "cd \"$1\" && find . -printf '%P %y %m %s %T@\\n' | grep -v ' d ' | sort";
    let snapshot = world.snapshots().remove(0);
    let call = world.other("sh", &disk.path()).args(["-c", list, "sh"]).arg(snapshot.path().join("build"));
    let expected = call.run().expect_success().stdout;
    assert!(expected.lines().count() > 10, "{expected}");
    fs::remove_dir_all(snapshot.ready()).expect("a clone can be removed");
    let script = format!("set -- \"$CARGO_BUILD_BUILD_DIR\"; {list}");
    let ran = job(&repository).sh(&script).expect_success();
    assert_eq!(ran.receipt()["warm"]["from"]["handed_out"], "reflink", "{ran}");
    assert_eq!(ran.stdout, expected);
    world.upkeep_done();
    // Writing into a clone leaves the snapshot as it was.
    change(&repository, "two");
    promoted(&world, job(&repository), "two");
}

#[test]
fn clones_share_blocks_on_btrfs() {
    check_reflinks(Kind::Btrfs);
}

#[test]
fn clones_share_blocks_on_xfs() {
    check_reflinks(Kind::Xfs);
}

#[test]
fn a_disk_without_room_for_a_clone_makes_the_job_cold() {
    let Some(disk) = Disk::make(Kind::Memory { mebibytes: 64 }) else { return };
    let world = World::new().with_state(&disk.path().join("state"));
    let config = world.path("hearth.toml");
    let reserve = |mebibytes: u64| {
        let text = format!("[targets]\nfree_reserve = \"{mebibytes}MiB\"\n[cache]\nfree_reserve = \"1MiB\"\n");
        fs::write(&config, text).expect("it can be written");
    };
    let job = |repository| on_main(&world, repository).env("HEARTH_CONFIG", &config);
    reserve(1);
    let repository = app(&world, "one");
    promoted(&world, job(&repository), "one");
    fs::remove_dir_all(world.snapshots()[0].ready()).expect("a clone can be removed");
    reserve(63);
    let ran = job(&repository).sh(RUN).expect_success();
    assert!(ran.cold_because().contains("no room for a clone"), "{ran}");
    assert!(ran.receipt()["given_back"]["discarded"]["disk_full"].is_object(), "{ran}");
    world.upkeep_done();
    reserve(1);
    assert_eq!(job(&repository).sh(RUN).expect_success().warm_scope(), Some("trusted"));
}
