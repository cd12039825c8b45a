//! What a job sees of the file system, and what it does not. Needs the superuser.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_host::guard::{Event, How, Start};
use hearth_host::owners::{Mapping, Owner};
use hearth_host::view::{Access, Mount, Shown, Step, View};
use hearth_model::Bytes;
use hearth_tests::skip::{is_root, skipped};
use tempfile::TempDir;

use super::guarded::Guarded;
use super::identity::SLOT_USER;

/// A state directory with two slots and what is nobody's business.
struct State {
    _dir: TempDir,
    root: PathBuf,
}

impl State {
    fn make() -> Self {
        let dir = tempfile::tempdir().expect("the temporary directory can be written");
        let root = dir.path().canonicalize().expect("the temporary directory can be written").join("state");
        for directory in ["slots/0/job", "slots/1/job", "view", "bin", "ledger", "targets"] {
            fs::create_dir_all(root.join(directory)).expect("the temporary directory can be written");
        }
        for file in
            ["slots/0/job/own", "slots/1/job/others", "ledger/book", "bin/tool", "targets/snapshot", "token.key"]
        {
            fs::write(root.join(file), file).expect("the temporary directory can be written");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))
            .expect("the temporary directory can be written");
        Self { _dir: dir, root }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    fn shown(&self, source: &str, place: &str, access: Access) -> Mount {
        Mount::Shown(Shown { source: self.path(source), place: self.path(place), access, owners: None })
    }

    /// What slot 0 sees: memory first, because these tests keep their state below `/tmp`.
    fn view(&self) -> View {
        let mapping =
            Mapping { stored: Owner { uid: 0, gid: 0 }, seen: Owner { uid: SLOT_USER.uid, gid: SLOT_USER.gid } };
        let slot = Shown {
            source: self.path("slots/0/job"),
            place: self.path("view"),
            access: Access::Writable,
            owners: Some(mapping),
        };
        let limit = Bytes::mib(1);
        View {
            mounts: vec![
                Mount::Memory { place: "/tmp".into(), limit },
                Mount::Memory { place: "/dev/shm".into(), limit },
                Mount::Hidden { place: self.root.clone() },
                Mount::Shown(slot),
                self.shown("bin", "bin", Access::ReadOnly),
                self.shown("ledger/book", "shared/a-file", Access::ReadOnly),
            ],
        }
    }
}

fn lacks_root() -> bool {
    let lacks = !is_root();
    if lacks {
        skipped("only the superuser makes mount namespaces");
    }
    lacks
}

#[test]
fn a_slot_sees_its_own_directory_and_nothing_else_of_the_state() {
    if lacks_root() {
        return;
    }
    let state = State::make();
    let mut guarded = Guarded::with_view(state.view());
    let root = state.root.display();
    let user = Some(&SLOT_USER);
    assert_eq!(guarded.sh(user, &format!("cd {root} && ls")), ["bin", "shared", "view"]);
    assert_eq!(
        guarded.sh(user, &format!("ls {root}/view; cat {root}/view/own; echo; cat {root}/shared/a-file")),
        ["own", "slots/0/job/own", "ledger/book"]
    );
    for hidden in ["slots/1/job/others", "ledger/book", "targets/snapshot", "token.key"] {
        guarded.sh(user, &format!("! cat {root}/{hidden} 2>/dev/null && ! cat {root}/view/../{hidden} 2>/dev/null"));
    }
    for write in ["touch new", "mkdir view/../new", "rm bin/tool", "echo x > bin/tool", "echo x > shared/a-file"] {
        // Not even the superuser writes there.
        for identity in [user, None] {
            guarded.sh(identity, &format!("cd {root} && ! ({write}) 2>/dev/null"));
        }
    }
    // Nor by way of a process that is outside of the view, or of what one left open.
    let (outside, guard) = (std::process::id(), guarded.guard.pid());
    for process in [outside, guard] {
        guarded.sh(user, &format!("! ls /proc/{process}/root{root} /proc/{process}/fd 2>/dev/null"));
    }
    let open = guarded.sh(user, "exec ls -l /proc/self/fd");
    assert!(
        open.iter().all(|line| line.contains("pipe:")
            || line.contains("/dev/null")
            || line.contains("/proc/")
            || line.starts_with("total")),
        "{open:#?}"
    );
    assert_eq!(guarded.sh(user, "ls /dev/shm; touch /tmp/a /dev/shm/b && ls /dev/shm"), ["b"]);
    assert!(!Path::new("/dev/shm/b").exists() && !Path::new("/tmp/a").exists());
}

#[test]
fn what_is_renamed_into_a_slot_from_outside_appears_inside() {
    if lacks_root() {
        return;
    }
    let state = State::make();
    let mut guarded = Guarded::with_view(state.view());
    let script = "cd $VIEW && until [ -e build/unit ]; do sleep 0.01; done; cat build/unit; echo; rm build/unit";
    let script = script.replace("$VIEW", &state.path("view").display().to_string());
    guarded.begin(Start { identity: Some(SLOT_USER), ..guarded.script("waiting", &script) });
    fs::create_dir(state.path("targets/warm")).unwrap();
    fs::write(state.path("targets/warm/unit"), "compiled").unwrap();
    fs::rename(state.path("targets/warm"), state.path("slots/0/job/build")).unwrap();
    let line = Event::Line { name: "waiting".to_owned(), text: "compiled".to_owned(), left_out: 0 };
    assert_eq!(guarded.next(), line);
    assert!(matches!(guarded.next(), Event::Ended { how: How::Exited(0), .. }));
    fs::rename(state.path("slots/0/job/build"), state.path("targets/back")).unwrap();
    assert_eq!(guarded.sh(None, &format!("ls {}", state.path("view").display())), ["own"]);
    assert_eq!(fs::read_dir(state.path("targets/back")).unwrap().count(), 0);
}

#[test]
fn set_id_programs_and_devices_in_a_slot_are_without_effect() {
    if lacks_root() {
        return;
    }
    let state = State::make();
    let id = state.path("slots/0/job/id");
    fs::copy("/usr/bin/id", &id).unwrap();
    fs::set_permissions(&id, fs::Permissions::from_mode(0o4755)).unwrap();
    let device = state.path("slots/0/job/null");
    let number = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(rustix::fs::CWD, &device, rustix::fs::FileType::CharacterDevice, 0o666.into(), number).unwrap();
    let mut guarded = Guarded::with_view(state.view());
    let view = state.path("view");
    let gains = hearth_host::users::Identity { privileges: hearth_host::users::Privileges::Gained, ..SLOT_USER };
    assert_eq!(guarded.sh(Some(&gains), &format!("{}/id -u", view.display())), ["61500"]);
    guarded.sh(None, &format!("! cat {}/null 2>/dev/null", view.display()));
}

#[test]
fn a_place_that_a_job_made_lead_elsewhere_is_refused() {
    if lacks_root() {
        return;
    }
    let state = State::make();
    std::os::unix::fs::symlink("/etc", state.path("slots/0/job/tmp")).unwrap();
    std::os::unix::fs::symlink("slots/0", state.path("link")).unwrap();
    for source in ["slots/0/job/tmp", "link/job", "slots/0/job/tmp/ssl"] {
        let mut guarded = Guarded::start();
        guarded.enter();
        let refusal =
            guarded.assemble(View { mounts: vec![state.shown(source, "view", Access::Writable)] }).unwrap_err();
        assert_eq!((refusal.step, &refusal.path), (Step::Open, &state.path(source)), "{refusal}");
    }
}

#[test]
fn a_view_names_what_is_missing_and_stays_out_of_the_shared_namespace() {
    if lacks_root() {
        return;
    }
    let state = State::make();
    let mounts_before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut guarded = Guarded::start();
    let early = guarded.assemble(state.view()).unwrap_err();
    assert_eq!(early.step, Step::Enter, "{early}");
    guarded.enter();
    let missing = View { mounts: vec![state.shown("slots/7", "view", Access::Writable)] };
    let refusal = guarded.assemble(missing).unwrap_err();
    assert!(refusal.to_string().ends_with("slots/7"), "{refusal}");
    let nowhere = View { mounts: vec![state.shown("bin", "nowhere", Access::Writable)] };
    assert_eq!(guarded.assemble(nowhere).unwrap_err().step, Step::Show);
    assert!(!state.path("nowhere").exists());
    guarded.assemble(state.view()).unwrap();
    let ours = |mounts: &str| mounts.lines().filter(|line| line.contains(state.root.to_str().unwrap())).count();
    assert_eq!(ours(&fs::read_to_string("/proc/self/mountinfo").unwrap()), ours(&mounts_before));
}
