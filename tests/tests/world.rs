//! The world that other tests stand on: it must show what the real program does, and nothing of this machine's user.

use hearth_tests::world::World;

/// A package without dependencies.
fn package(world: &World) -> hearth_tests::repository::Repository {
    let repository = world.repository("app");
    repository
        .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .write("src/main.rs", "fn main() { println!(\"hello\"); }\n")
        .write(".gitignore", "target\n");
    repository.commit("first");
    repository
}

#[test]
fn a_job_runs_and_leaves_a_snapshot_that_the_next_one_starts_from() {
    let world = World::new();
    let repository = package(&world);
    let cold = world.exec(&repository).sh("cargo run").expect_success();
    assert_eq!(cold.stdout, "hello\n");
    assert_eq!(cold.compiled(), ["app"]);
    world.upkeep_done();
    assert!(world.is_every_clone_ready());
    let warm = world.exec(&repository).sh("cargo run").expect_success();
    assert!(warm.compiled().is_empty(), "{warm}");
    assert_eq!(warm.warm_scope(), Some("trusted"));
}

#[test]
fn a_job_sees_nothing_of_the_persons_environment() {
    let world = World::new();
    let repository = package(&world);
    let ran = world.exec(&repository).sh("env").expect_success();
    let names: Vec<_> = ran.stdout.lines().filter_map(|line| line.split_once('=').map(|(name, _)| name)).collect();
    for name in ["CARGO_PKG_NAME", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "HEARTH_CONFIG"] {
        assert!(!names.contains(&name), "{names:?}");
    }
    let home = format!("HOME={}", world.path("home").display());
    assert!(ran.stdout.lines().any(|line| line == home), "{ran}");
}
