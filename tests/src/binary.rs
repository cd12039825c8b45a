//! The programs under test and beside them, built when they are missing or stale, by the profile of the tests. Never
//! anything but cargo decides what is stale.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::environment::Environment;

/// The program under test.
pub fn hearth() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let environment = Environment::of_this_process();
        environment.binary().unwrap_or_else(|| build(&environment, &["hearth"], "hearth"))
    })
}

/// The standalone cache server, with `hearth`: by itself, cargo would compile what both stand on once more for it.
pub fn cache_server() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let packages = ["hearth", "hearth-cache-server"];
    BUILT.get_or_init(|| build(&Environment::of_this_process(), &packages, "hearth-cache-server"))
}

/// The fake of the official runner program.
pub fn fake_runner() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&Environment::of_this_process(), &["fake-runner"], "runner_listener"))
}

fn build(environment: &Environment, packages: &[&str], program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package stands below the root");
    // Several test binaries run at once; the others find it done.
    let own = std::env::current_exe().expect("this program knows its file");
    let lock = File::create(own.with_file_name("hearth-tests.lock")).expect("the target directory can be written");
    lock.lock().expect("a file in the target directory can be locked");
    let mut cargo = Command::new(environment.cargo());
    cargo.current_dir(root).args(["build", "--bin", program, "--profile", profile(&own)]);
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    cargo.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
    for name in environment.of_this_package() {
        cargo.env_remove(name);
    }
    let output = cargo.output().expect("cargo can be started");
    assert!(output.status.success(), "{program} does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    lasting(&executable.expect("cargo names the executable that it built"))
}

/// The name under which cargo keeps a program beside the one that everybody calls it by. Another checkout that builds
/// into the same directory takes over the latter, and never the former.
fn lasting(executable: &Path) -> PathBuf {
    let inode = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let wanted = inode(executable);
    let kept = executable.with_file_name("deps");
    let mut known = fs::read_dir(kept).into_iter().flatten().flatten().map(|entry| entry.path());
    known.find(|path| wanted.is_some() && inode(path) == wanted).unwrap_or_else(|| executable.to_owned())
}

/// The profile that this very program was built by, from where it stands: `<target>/<directory of the profile>/…`.
fn profile(own: &Path) -> &'static str {
    let directories = own.ancestors().filter_map(|path| path.file_name()?.to_str());
    let mut known = directories.filter_map(|name| match name {
        "debug" => Some("dev"),
        "release" => Some("release"),
        _ => None,
    });
    known.next().unwrap_or("dev")
}
