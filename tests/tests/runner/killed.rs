//! Installations that are killed at every step, and several at once.

use std::fs;
use std::path::Path;

use hearth_tests::job::Running;
use hearth_tests::wait::until;
use hearth_tests::world::World;
use rustix::process::Signal;

use super::*;

/// Enough that unpacking takes longer than it takes to notice it.
const FILES: usize = 3_000;

fn start_install(world: &World, archive: &Path, sum: &str) -> Running {
    world.hearth().args(["runner", "install", "--sha256", sum, "--archive"]).arg(archive).start()
}

#[test]
fn an_installation_that_is_killed_is_done_again() {
    let world = World::new();
    let archive = pack(&world, "2.336.0", FILES);
    let sum = checksum(&archive);
    let staging = world.state().join("runner/incoming/2.336.0");
    let steps = [
        staging.clone(),
        staging.join("program/bin/Runner.Listener"),
        staging.join("program/externals/node24/lib"),
        staging.join("installed.json"),
    ];
    let mut killed_in_the_middle = 0;
    for step in steps {
        let mut running = start_install(&world, &archive, &sum);
        until("the step or the end", || step.exists() || !running.is_running());
        if running.is_running() {
            running.signal(Signal::KILL);
        }
        let status = running.wait().status;
        let published = world.state().join("runner/versions/2.336.0");
        if status.success() {
            assert!(published.exists(), "{}", step.display());
            // For the next step.
            let removed = std::process::Command::new("rm").arg("-rf").arg(&published).status();
            assert!(removed.expect("rm can be started").success());
        } else if !published.exists() {
            killed_in_the_middle += 1;
            assert_eq!(listed(&world), [] as [Value; 0], "half a version is none");
        } else {
            // Killed between the rename and the end: it is whole.
            assert_eq!(versions(&world).1.as_deref(), Some("2.336.0"));
            fs::rename(&published, world.path("taken-away")).expect("a directory can be renamed");
        }
    }
    assert!(killed_in_the_middle > 0, "no step was seen in time");
    install(&world, &archive).expect_success();
    assert!(is_clean(&world));
    let program = world.state().join("runner/versions/2.336.0/program");
    let many = program.join("externals/node24/lib/node_modules").join("deep/".repeat(20));
    assert_eq!(entries(&many).len(), FILES);
}

#[test]
fn of_several_at_once_one_installs_and_nobody_sees_half_of_it() {
    let world = World::new();
    let archive = pack(&world, "2.336.0", FILES);
    let sum = checksum(&archive);
    let all: Vec<_> = (0..4).map(|_| start_install(&world, &archive, &sum)).collect();
    let all: Vec<_> = all.into_iter().map(Running::wait).collect();
    let new = all.iter().filter(|ran| ran.stdout.contains("is installed")).count();
    assert_eq!(new, 1, "{all:?}");
    for ran in all.iter().filter(|ran| !ran.status.success()) {
        expect_refused(ran, &["another process installs or removes a runner version"]);
    }
    assert_eq!(versions(&world), (vec!["2.336.0".to_owned()], Some("2.336.0".to_owned())));
    assert!(is_clean(&world));
}
