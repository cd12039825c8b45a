//! Checkouts that are none, or only half.

use std::fs;

use hearth_tests::repository::Repository;
use hearth_tests::world::World;

use super::{OWN_FAILURE, expect_one_error, expect_works, plain};

#[test]
fn a_directory_that_is_no_repository_is_named() {
    let world = World::new();
    plain(&world);
    let directory = world.path("no-repository");
    fs::create_dir(&directory).expect("a directory can be made");
    let ran = world.exec_in(&directory).sh("echo started");
    let name = directory.display().to_string();
    expect_one_error(&ran, OWN_FAILURE, &[&name, "is not inside a git repository", "git init", "--repo"]);
    let ran = world.exec_in(&world.path("nowhere")).sh("echo started");
    expect_one_error(&ran, OWN_FAILURE, &["there is no directory", "nowhere"]);
    expect_works(&world, 1);
}

#[test]
fn a_bare_repository_is_refused() {
    let world = World::new();
    let repository = plain(&world);
    let bare = world.path("bare");
    repository.git(&["clone", "--quiet", "--bare", ".", bare.to_str().expect("test paths are text")]);
    let ran = world.exec_in(&bare).sh("echo started");
    expect_one_error(&ran, OWN_FAILURE, &["bare", "work tree"]);
    expect_works(&world, 1);
}

#[test]
fn a_repository_without_commits_is_built_warm_all_the_same() {
    let world = World::new();
    let repository = world.repository("app");
    repository
        .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("src/main.rs", "fn main() {}\n")
        .write(".gitignore", "/target\nCargo.lock\n");
    let cold = world.exec(&repository).sh("cargo build").expect_success();
    cold.expect_said(&["no commit"]).promoted();
    world.upkeep_done();
    let warm = world.exec(&repository).sh("cargo build").expect_success();
    assert!(warm.warm_scope().is_some() && warm.compiled().is_empty(), "{warm}");
}

#[test]
fn a_checkout_without_a_manifest_is_run_without_a_warm_target() {
    let world = World::new();
    let repository = plain(&world);
    let ran = world.exec(&repository).sh("test -z \"$CARGO_BUILD_BUILD_DIR\"").expect_success();
    ran.expect_said(&["warm target: off: there is no Cargo.toml in this checkout"]);
    expect_works(&world, 2);
}

#[test]
fn a_manifest_that_does_not_parse_is_cargos_to_explain() {
    let world = World::new();
    let repository = plain(&world);
    repository.write("Cargo.toml", "[package\n").commit("broken");
    let ran = world.exec(&repository).sh("cargo build");
    assert_eq!(ran.status.code(), Some(101), "{ran}");
    assert!(!ran.stderr.contains("hearth: warning"), "{ran}");
    expect_works(&world, 2);
}

#[test]
fn names_with_control_characters_do_not_reach_the_terminal() {
    let world = World::new();
    plain(&world);
    let odd = Repository::init(&world.path("odd \u{1b}[31m name\n and more"));
    odd.write("a", "b").commit("first");
    let ran = world.exec(&odd).sh("true").expect_success();
    assert!(!ran.stderr.contains('\u{1b}'), "{ran}");
    let lines = ran.stderr.lines().all(|line| line.starts_with("hearth: "));
    assert!(lines && ran.stderr.lines().count() <= 6, "{ran}");
}

#[test]
fn odd_file_names_do_no_harm() {
    let world = World::new();
    let repository = plain(&world);
    repository
        .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("src/main.rs", "fn main() {}\n")
        .write(".gitignore", "/target\nCargo.lock\n")
        .write("src/a file\nwith a line end.rs", "x")
        .write("src/-dash.rs", "x")
        .write("src/\u{1b}[0m.rs", "x");
    std::os::unix::fs::symlink("/nowhere", repository.path().join("dangling")).expect("a link can be made");
    repository.commit("odd");
    repository.write("un\ntracked", "y").write("src/-dash.rs", "changed");
    world.exec(&repository).sh("cargo build").expect_success().promoted();
    world.upkeep_done();
    let warm = world.exec(&repository).sh("cargo build").expect_success();
    assert!(warm.warm_scope().is_some(), "{warm}");
    expect_works(&world, 3);
}
