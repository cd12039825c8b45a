//! Slots with users of their own: a warm directory goes from one user to another, and stays who it is to each.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use fake_github::Job;
use fake_github::runner_protocol::JobResult;
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{Machine, Served};
use hearth_tests::skip;
use hearth_tests::wait::until;

use crate::warm::{job_after, project, ran};

/// Users of this machine for the time of a test, and a toolchain that they can reach.
struct Users {
    pattern: String,
    names: Vec<String>,
    toolchain: PathBuf,
}

impl Users {
    /// `mark` tells the users of one test from those of another.
    fn add(mark: char, served_at: &std::path::Path) -> Self {
        let prefix = format!("hearth-t{}{mark}", std::process::id());
        let names: Vec<String> = (0..2).map(|slot| format!("{prefix}-{slot}")).collect();
        for name in &names {
            call("useradd", &["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]);
        }
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc can be asked").stdout;
        let sysroot = String::from_utf8_lossy(&sysroot).trim().to_owned();
        let toolchain = served_at.join("toolchain");
        fs::create_dir(&toolchain).expect("a directory can be made");
        call("mount", &["--bind", &sysroot, &toolchain.to_string_lossy()]);
        Self { pattern: format!("{prefix}-{{slot}}"), names, toolchain }
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        for (program, argument) in [("umount", self.toolchain.to_string_lossy().into_owned())]
            .into_iter()
            .chain(self.names.iter().map(|name| ("userdel", name.clone())))
        {
            let _gone = Command::new(program).arg(argument).status();
        }
    }
}

fn call(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("a program of every Linux can be started");
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

#[test]
fn a_warm_directory_goes_from_the_user_of_one_slot_to_that_of_another() {
    if !skip::is_root() || !skip::has_programs(&["useradd", "userdel", "mount"]) {
        return skip::skipped("users and their mounts can be made by the superuser only");
    }
    let place = tempfile::tempdir().expect("a directory can be made");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("a directory of ours takes a mode");
    let users = Users::add('a', place.path());
    let path = format!("{}/bin:/usr/local/bin:/usr/bin:/bin", users.toolchain.display());
    let machine = Machine { user: users.pattern.clone(), path: Some(path), ..Machine::default() };
    let mut served = Served::prepare(&machine);
    // Jobs reach their own place through directories that are ours.
    fs::set_permissions(served.world.path(""), fs::Permissions::from_mode(0o711)).expect("ours");
    served.up();
    let repository = project(&served);
    fs::set_permissions(repository.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    // The repository is ours, and git is careful with the repositories of others.
    let job = |repository| job_after(repository, "git config --global --add safe.directory '*'");
    let build = "id -un; cargo build --workspace -v; ls -ln target/debug/app";
    let first = ran(&mut served, job(&repository).run(build));
    assert!(first.log.contains(&users.names[0]) && first.log.contains("Compiling leaf"), "{}", first.log);
    let stored = served.world.snapshots()[0].path().join("build/debug");
    assert_eq!(stored.metadata().expect("a snapshot has a build").uid(), 0, "files are stored as the agent's");
    let lock = served.take_slot(0);
    let second = ran(&mut served, job(&repository).run(build));
    assert!(second.log.contains(&users.names[1]), "{}", second.log);
    assert!(second.log.contains("Fresh leaf") && !second.log.contains("Compiling"), "{}", second.log);
    drop(lock);
    // What is the agent's is not theirs.
    let state = served.world.state().display().to_string();
    let spy = format!("cat {state}/token.key 2>&1 || true; ls /proc/1/root/ 2>&1 || true");
    let third = ran(&mut served, job(&repository).run(&spy));
    assert!(third.log.contains("token.key: No such file"), "{}", third.log);
    assert!(third.log.contains("'/proc/1/root/': Permission denied"), "{}", third.log);
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn the_hooks_of_a_job_answer_nobody_but_its_user() {
    if !skip::is_root() || !skip::has_programs(&["useradd", "userdel", "mount", "setpriv", "python3"]) {
        return skip::skipped("users and their mounts can be made by the superuser only");
    }
    let place = tempfile::tempdir().expect("a directory can be made");
    let users = Users::add('b', place.path());
    let machine = Machine { slots: 1, user: users.pattern.clone(), ..Machine::default() };
    let mut served = Served::prepare(&machine);
    fs::set_permissions(served.world.path(""), fs::Permissions::from_mode(0o711)).expect("ours");
    served.up();
    let script = "echo begun; until test -e ~/go; do sleep 0.05; done";
    let job = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run(script));
    let slot = served.world.state().join("slots/0/job");
    until("a job that runs", || served.records() == ["busy"]);
    // From inside of the directory, which nobody else could even enter.
    let ask = "import os, socket, struct\n\
        caller = socket.socket(socket.AF_UNIX); caller.settimeout(20); caller.connect('hearth.sock')\n\
        body = b'\"is_warm_target_waiting\"'\n\
        try:\n    caller.sendall(struct.pack('<I', len(body)) + body); said = caller.recv(4096)\n\
        except ConnectionError:\n    said = b''\n\
        print(os.getuid(), len(said) > 0)";
    let asked_by = |user: &str| {
        let mut asking = Command::new("sh");
        let call = "exec setpriv --reuid \"$1\" --clear-groups python3 -c \"$2\"";
        // A python that everybody may start.
        asking.args(["-c", call, "sh", user, ask]).env("PATH", "/usr/bin:/bin").current_dir(&slot);
        let output = asking.output().expect("sh can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).ends_with("True\n")
    };
    assert!(asked_by(&users.names[0]), "the job's own user");
    for stranger in [&users.names[1], "nobody"] {
        assert!(!asked_by(stranger), "{stranger}");
    }
    fs::write(slot.join("home/go"), "").expect("a file can be made");
    served.done(&[job]);
    served.idle();
    assert_eq!(served.github.job(job).unwrap().result(), Some(JobResult::Succeeded));
    let refusals = served.said().matches("a hook's question by another user was refused").count();
    assert_eq!(refusals, 2, "{}", served.said());
    nothing_is_violated(&served.github);
    served.stop();
}
