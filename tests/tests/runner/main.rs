//! `hearth runner`: versions of the runner program from archives and from GitHub, by the real binary.

mod archives;
mod github;
mod killed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_tests::job::Ran;
use hearth_tests::world::{World, entries};
use serde_json::Value;

/// Hearth itself failed.
const OWN_FAILURE: i32 = 125;

/// The architecture of this machine in GitHub's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Something that looks like a runner, packed by the archiver that GitHub uses, with so many files beside.
fn pack(world: &World, version: &str, files: usize) -> PathBuf {
    let content = world.path(&format!("content-{version}"));
    let many = content.join("externals/node24/lib/node_modules").join("deep/".repeat(20));
    for directory in [content.join("bin"), content.join("externals/node24/bin"), many.clone()] {
        fs::create_dir_all(directory).expect("a directory can be made");
    }
    let program = format!("#!/bin/sh\necho {version}\n");
    for path in ["bin/Runner.Listener", "externals/node24/bin/node", "run.sh"] {
        let path = content.join(path);
        fs::write(&path, &program).expect("a file can be written");
        let run = Command::new("chmod").arg("755").arg(&path).status().expect("chmod can be started");
        assert!(run.success());
    }
    std::os::unix::fs::symlink("../lib/node_modules", content.join("externals/node24/bin/npm"))
        .expect("a link can be made");
    for number in 0..files {
        fs::write(many.join(format!("{number}.js")), vec![b'/'; 2000]).expect("a file can be written");
    }
    let archive = world.path(&format!("actions-runner-linux-{}-{version}.tar.gz", architecture()));
    let mut tar = Command::new("tar");
    let packed = tar.arg("-czf").arg(&archive).arg("-C").arg(&content).arg(".").status().expect("tar can be started");
    assert!(packed.success());
    archive
}

/// As the system's own program makes it.
fn checksum(archive: &Path) -> String {
    let output = Command::new("sha256sum").arg(archive).output().expect("sha256sum can be started");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().expect("it prints a sum").to_owned()
}

fn runner(world: &World, words: &[&str]) -> Ran {
    world.hearth().arg("runner").args(words).run()
}

fn install(world: &World, archive: &Path) -> Ran {
    let sum = checksum(archive);
    world.hearth().args(["runner", "install", "--sha256", &sum, "--archive"]).arg(archive).run()
}

fn listed(world: &World) -> Vec<Value> {
    let ran = runner(world, &["list", "--json"]).expect_success();
    serde_json::from_str(&ran.stdout).expect("the list is JSON")
}

/// The versions that are installed, and the one that comes next.
fn versions(world: &World) -> (Vec<String>, Option<String>) {
    let listed = listed(world);
    let name = |line: &Value| line["version"].as_str().expect("a version has a name").to_owned();
    (listed.iter().map(name).collect(), listed.iter().find(|line| line["current"] == true).map(name))
}

fn expect_refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.status.code(), Some(OWN_FAILURE), "{ran}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is not said: {ran}");
    }
}

/// Nothing is left of anything that was under way.
fn is_clean(world: &World) -> bool {
    entries(&world.state().join("runner/incoming")).is_empty()
}
