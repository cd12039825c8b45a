//! Warm targets from outside: which snapshot a job starts from, what becomes of its clone, and what damage, small disks
//! and jobs that end badly do to the next job. What a job prints says what it was built from.

mod artifacts;
mod damage;
mod disk;
mod endings;
mod scopes;

use hearth_tests::job::Call;
use hearth_tests::repository::Repository;
use hearth_tests::world::World;

/// A job marks the clone that it was given, so that a later job can tell whether it was given the same.
const MARK: &str = "touch \"$CARGO_BUILD_BUILD_DIR/mark\"";
const RUN: &str = "test ! -e \"$CARGO_BUILD_BUILD_DIR/mark\" && cargo run --quiet";

/// A package of two crates whose program prints `text`.
fn app(world: &World, text: &str) -> Repository {
    let repository = world.repository("app");
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[profile.dev]\ndebug = 0\n";
    repository
        .write("Cargo.toml", manifest)
        .write("src/lib.rs", "pub const TEXT: &str = include_str!(\"text.txt\");\n")
        .write("src/main.rs", "fn main() { print!(\"{}\", app::TEXT); }\n")
        .write(".gitignore", "/target\n");
    lock(world, &repository);
    change(&repository, text);
    repository
}

fn lock(world: &World, repository: &Repository) {
    let call = world.other("cargo", repository.path()).args(["generate-lockfile", "--offline", "--quiet"]);
    call.run().expect_success();
}

/// A commit after which the program prints `text`; gives its id.
fn change(repository: &Repository, text: &str) -> String {
    repository.write("src/text.txt", text).commit(text)
}

fn on(world: &World, repository: &Repository, event: &str, reference: &str) -> Call {
    world.exec(repository).args(["--event", event, "--ref", reference, "--default-branch", "main"])
}

fn on_main(world: &World, repository: &Repository) -> Call {
    on(world, repository, "push", "refs/heads/main")
}

/// A job that builds, prints `text` and leaves a snapshot; then its upkeep.
fn promoted(world: &World, call: Call, text: &str) -> String {
    let ran = call.sh(RUN).expect_success();
    assert_eq!(ran.stdout, text, "{ran}");
    world.upkeep_done();
    ran.promoted()
}
