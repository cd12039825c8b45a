//! State directories that cannot be used, or only half.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use hearth_tests::disk::{Access, Disk, Kind};
use hearth_tests::skip::{is_root, skipped};
use hearth_tests::world::World;

use super::{OWN_FAILURE, expect_one_error, expect_works, plain};

#[test]
fn a_read_only_state_directory_is_named() {
    let Some(disk) = Disk::make(Kind::Memory { mebibytes: 64 }) else { return };
    let world = World::new().with_state(&disk.path().join("state"));
    let repository = plain(&world);
    disk.remount(Access::ReadOnly);
    let ran = world.exec(&repository).sh("echo started");
    let path = disk.path().display().to_string();
    expect_one_error(&ran, OWN_FAILURE, &["cannot make the state directory", &path, "HEARTH_STATE", "Read-only"]);
    disk.remount(Access::ReadWrite);
    expect_works(&world, 1);
    world.upkeep_done();
    disk.remount(Access::ReadOnly);
    let ran = world.exec(&repository).sh("echo started");
    expect_one_error(&ran, OWN_FAILURE, &["cannot write in the state directory", &path, "HEARTH_STATE", "Read-only"]);
    disk.remount(Access::ReadWrite);
    expect_works(&world, 2);
}

#[test]
fn somebody_elses_state_directory_is_refused() {
    let world = World::new();
    let repository = plain(&world);
    if !is_root() {
        return skipped("only the superuser can give a directory away");
    }
    expect_works(&world, 1);
    world.upkeep_done();
    let own = |user: u32| std::os::unix::fs::chown(world.state(), Some(user), Some(user)).expect("root may chown");
    own(65534);
    let ran = world.exec(&repository).sh("echo started");
    expect_one_error(&ran, OWN_FAILURE, &["belongs to user 65534", "we run as user 0", "HEARTH_STATE"]);
    own(0);
    expect_works(&world, 2);
}

#[test]
fn a_file_in_the_place_of_the_state_directory_is_named() {
    let world = World::new();
    let repository = plain(&world);
    fs::write(world.state(), "a file").expect("a file can be written");
    let ran = world.exec(&repository).sh("echo started");
    expect_one_error(&ran, OWN_FAILURE, &[&world.state().display().to_string()]);
    fs::remove_file(world.state()).expect("a file can be removed");
    expect_works(&world, 1);
}

#[test]
fn a_state_directory_whose_path_is_too_long_for_sockets_costs_the_compile_cache_alone() {
    let world = World::new();
    let long = world.path(&"s".repeat(120));
    let world = world.with_state(&long);
    let repository = plain(&world);
    repository
        .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("src/main.rs", "fn main() {}\n");
    let ran = world.exec(&repository).sh("test -z \"$RUSTC_WRAPPER\" && cargo build").expect_success();
    ran.expect_said(&["compile cache: off", "socket path", "is longer than 107 bytes", "shorter state directory"])
        .promoted();
    expect_works(&world, 2);
}

/// Takes what is left of the disk but `left` bytes.
fn fill(disk: &Disk, left: u64) {
    let room = rustix::fs::statvfs(disk.path()).expect("a disk can be asked");
    let size = (room.f_bavail * room.f_frsize).saturating_sub(left);
    let mut file = File::create(disk.path().join("filler")).expect("a file can be made");
    let block = vec![0x5a; 64 * 1024];
    let mut written = 0;
    while written < size {
        let part = usize::try_from(size - written).unwrap_or(usize::MAX).min(block.len());
        match file.write(&block[..part]) {
            Ok(count) if count > 0 => written += count as u64,
            _full => return,
        }
    }
}

fn config(world: &World) -> std::path::PathBuf {
    let path = world.path("hearth.toml");
    fs::write(&path, "[targets]\nfree_reserve = \"1MiB\"\n[cache]\nfree_reserve = \"1MiB\"\n")
        .expect("it can be written");
    path
}

#[test]
fn a_full_disk_is_one_clear_error_or_a_job_without_extras() {
    let Some(disk) = Disk::make(Kind::Memory { mebibytes: 32 }) else { return };
    let world = World::new().with_state(&disk.path().join("state"));
    let (repository, config) = (plain(&world), config(&world));
    let mut booked = 0;
    for left in [0, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20] {
        fill(&disk, left);
        let ran = world.exec(&repository).env("HEARTH_CONFIG", &config).sh("echo started");
        match ran.status.code() {
            Some(0) => {
                assert_eq!(ran.stdout, "started\n", "{left} bytes: {ran}");
                booked += 1;
            }
            _ => expect_one_error(&ran, OWN_FAILURE, &["No space left"]),
        }
        world.upkeep_done();
        fs::remove_file(disk.path().join("filler")).expect("a file can be removed");
        booked += 1;
        expect_works(&world, booked);
        world.upkeep_done();
    }
    assert!(booked > 7, "with four mebibytes the job runs");
}

/// A job that fills the disk under its own state ends as it ends, and its minute is not lost.
fn check_a_job_that_fills_the_disk(ending: &str, code: i32) {
    let Some(disk) = Disk::make(Kind::Memory { mebibytes: 32 }) else { return };
    let world = World::new().with_state(&disk.path().join("state"));
    let (repository, config) = (plain(&world), config(&world));
    repository
        .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("src/main.rs", "fn main() {}\n");
    let script = format!("cat /dev/zero > \"$CARGO_BUILD_BUILD_DIR/filler\"; {ending}");
    let ran = world.exec(&repository).env("HEARTH_CONFIG", &config).sh(&script);
    assert_eq!(ran.status.code(), Some(code), "{ran}");
    world.upkeep_done();
    assert!(world.snapshots().is_empty());
    expect_works(&world, 2);
}

#[test]
fn a_job_that_fails_because_it_filled_the_disk_is_booked() {
    check_a_job_that_fills_the_disk("exit 9", 9);
}

#[test]
fn a_job_that_succeeds_although_it_filled_the_disk_is_booked() {
    check_a_job_that_fills_the_disk("exit 0", 0);
}

#[test]
fn parts_of_the_state_that_are_not_what_they_should_be_are_named_or_made_good() {
    let world = World::new();
    let repository = plain(&world);
    expect_works(&world, 1);
    world.upkeep_done();
    let mut booked = 1;
    for name in
        ["bin/sccache", "slots/0/job/sccache.sock", "slots/0/lease.json", "slots/0/job/build", "upkeep.lock", "cache"]
    {
        let path = world.state().join(name);
        put_garbage(&path);
        let ran = world.exec(&repository).sh("echo started").expect_success();
        assert_eq!(ran.stdout, "started\n", "{name}: {ran}");
        booked += 2;
        world.upkeep_done();
        expect_works(&world, booked);
        world.upkeep_done();
    }
    for name in ["token.key", "targets", "slots/0/lock"] {
        let path = world.state().join(name);
        let aside = world.path("aside");
        fs::rename(&path, &aside).expect("a path can be renamed");
        put_garbage(&path);
        let ran = world.exec(&repository).sh("echo started");
        if ran.status.code() == Some(0) {
            booked += 1;
        } else {
            expect_one_error(&ran, OWN_FAILURE, &[&path.display().to_string()]);
        }
        world.upkeep_done();
        fs::remove_file(&path).expect("a file can be removed");
        fs::rename(&aside, &path).expect("a path can be renamed");
        booked += 1;
        expect_works(&world, booked);
        world.upkeep_done();
    }
}

fn put_garbage(path: &Path) {
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        fs::remove_dir_all(path).expect("a directory can be removed");
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path).expect("a file can be removed");
    }
    fs::create_dir_all(path.parent().expect("a file stands in a directory")).expect("a directory can be made");
    fs::write(path, b"\0garbage").expect("a file can be written");
}
