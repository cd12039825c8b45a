//! What can be known of a runner program without a service: one list of claims, held against the fake always and against
//! the official program when `HEARTH_OFFICIAL_RUNNER` names an archive of it.

mod environment;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fake_runner::archive::{lay_out, pack};
use fake_runner::release::{Pace, Release};
use tempfile::TempDir;

const VERSION: &str = "2.335.1";

/// An unpacked archive.
struct Subject {
    version: PathBuf,
    number: String,
    _directory: TempDir,
}

impl Subject {
    fn unpack(archive: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let version = directory.path().canonicalize().expect("it is there").join("version");
        fs::create_dir(&version).expect("a directory can be made");
        let tar =
            Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&version).status().expect("tar can be started");
        assert!(tar.success(), "{} cannot be unpacked", archive.display());
        let name = archive.file_name().and_then(OsStr::to_str).expect("an archive has a name");
        let number = name.trim_end_matches(".tar.gz").rsplit('-').next().unwrap_or_default().to_owned();
        Self { version, number, _directory: directory }
    }

    fn fake() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let program = Path::new(env!("CARGO_BIN_EXE_runner_listener"));
        let packed =
            pack(directory.path(), program, &Release::new(VERSION, Pace::BRISK)).expect("a release can be packed");
        Self::unpack(&packed.path)
    }

    /// A new directory beside the version.
    fn root(&self, name: &str) -> PathBuf {
        let root = self.version.with_file_name(name);
        fs::create_dir(&root).expect("a directory can be made");
        root
    }
}

/// Starts the program below this root, with nothing in its environment but what is given.
fn listener(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut program = Command::new(root.join("bin/Runner.Listener"));
    program.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").envs(environment.iter().copied());
    // Only the official program looks at this one: the machines of tests have no libicu.
    program.env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1").output().expect("a program can be started")
}

fn has_logs(root: &Path) -> bool {
    fs::read_dir(root.join("_diag")).is_ok_and(|mut logs| logs.next().is_some())
}

/// All claims about one program.
fn check(subject: &Subject) {
    says_its_version(subject);
    refuses_to_run_without_configuration(subject);
    refuses_a_broken_configuration(subject);
    a_linked_bin_leads_to_the_version(subject);
    copied_files_make_a_root_of_their_own(subject);
}

fn says_its_version(subject: &Subject) {
    let output = listener(&subject.version, &["--version"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), subject.number);
}

fn refuses_to_run_without_configuration(subject: &Subject) {
    let output = listener(&subject.version, &["run"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stderr.is_empty());
}

fn refuses_a_broken_configuration(subject: &Subject) {
    let output = listener(&subject.version, &["run"], &[("ACTIONS_RUNNER_INPUT_JITCONFIG", "no base64")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!subject.version.join(".runner").exists());
}

fn a_linked_bin_leads_to_the_version(subject: &Subject) {
    let root = subject.root("linked");
    for name in ["bin", "externals"] {
        symlink(subject.version.join(name), root.join(name)).expect("a link can be made");
    }
    listener(&root, &["run"], &[]);
    assert!(!root.join("_diag").exists(), "the root is where bin really is");
    assert!(has_logs(&subject.version));
}

fn copied_files_make_a_root_of_their_own(subject: &Subject) {
    let root = subject.root("copied");
    for name in ["bin", "externals"] {
        let copy = Command::new("cp")
            .args(["-al"])
            .arg(subject.version.join(name))
            .arg(&root)
            .status()
            .expect("cp can be started");
        assert!(copy.success());
    }
    listener(&root, &["run"], &[]);
    assert!(has_logs(&root));
}

#[test]
fn the_fake_program_keeps_the_claims() {
    check(&Subject::fake());
}

#[test]
fn the_official_program_keeps_the_claims() {
    match environment::official_runner() {
        Some(archive) => check(&Subject::unpack(&archive)),
        None => println!("skipped: {} names no archive of the official program", environment::OFFICIAL_RUNNER),
    }
}

#[test]
fn a_secret_in_the_argument_list_is_refused() {
    let subject = Subject::fake();
    let output = listener(&subject.version, &["run", "--jitconfig", "c2VjcmV0"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("secret") && !said.contains("c2VjcmV0"), "{said}");
}

#[test]
fn a_root_without_externals_is_refused() {
    let subject = Subject::fake();
    fs::remove_dir_all(subject.version.join("externals")).unwrap();
    let output = listener(&subject.version, &["run"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no directory externals"));
}

#[test]
fn a_laid_out_release_says_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_runner_listener"));
    lay_out(directory.path(), program, &Release::new("9.9.9", Pace::OFFICIAL)).unwrap();
    let output = listener(directory.path(), &["--version"], &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "9.9.9");
}
