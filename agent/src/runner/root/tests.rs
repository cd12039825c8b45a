//! Roots in a slot whose last job did what it could.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use hearth_model::ManualClock;
use tempfile::TempDir;

use super::super::sample;
use super::super::settings::RunnerFile;
use super::super::versions::Versions;
use super::*;

const OLD: RunnerVersion = RunnerVersion::new(2, 335, 0);
const NEW: RunnerVersion = RunnerVersion::new(2, 336, 0);

struct Slot {
    dir: TempDir,
    versions: Versions,
    directory: PathBuf,
    root: PathBuf,
}

fn slot() -> Slot {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let settings = RunnerFile::default().check().unwrap();
    let versions = Versions::open(&dir.path().join("runner"), settings, clock).unwrap();
    let directory = dir.path().join("slots/0");
    let root = directory.join("job/runner");
    fs::create_dir_all(directory.join("job")).unwrap();
    let slot = Slot { dir, versions, directory, root };
    slot.install(OLD);
    slot
}

impl Slot {
    fn install(&self, version: RunnerVersion) {
        let (path, sum) = sample::file(self.dir.path(), version);
        self.versions.install_archive(&path, Some(sum)).unwrap();
    }

    fn prepare(&self, sharing: Sharing) -> Root {
        let setup = [SetupGroup { group: "Hearth".to_owned(), detail: "slot 0\nwarm".to_owned() }];
        let place = RootPlace { slot: &self.directory, ours: &self.root, seen: Path::new("/view/runner") };
        let held = self.versions.take().unwrap();
        prepare(&held, place, sharing, &["_work"], &setup, Timestamp::from_millis(5)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.root).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn listener(&self) -> PathBuf {
        self.root.join("bin/Runner.Listener")
    }
}

#[test]
fn a_root_with_mounts_is_empty_and_shows_the_version_read_only() {
    let slot = slot();
    let root = slot.prepare(Sharing::Mounts);
    let shown: Vec<_> =
        root.mounts.iter().map(|mount| (mount.source.clone(), mount.place.clone(), mount.access)).collect();
    let program = slot.versions.take().unwrap().program;
    let expected =
        PROGRAM.map(|part| (program.join(part), Path::new("/view/runner").join(part), Access::ReadOnly)).to_vec();
    assert_eq!(shown, expected);
    assert_eq!(slot.names(), [".setup_info", "bin", "externals"]);
    assert!(fs::read_dir(slot.root.join("bin")).unwrap().next().is_none());
    let setup: serde_json::Value = serde_json::from_slice(&fs::read(slot.root.join(SETUP)).unwrap()).unwrap();
    assert_eq!(setup, serde_json::json!([{ "Group": "Hearth", "Detail": "slot 0\nwarm" }]));
}

#[test]
fn nothing_of_the_last_start_is_left_but_what_is_kept() {
    for sharing in [Sharing::Mounts, Sharing::Clones] {
        let slot = slot();
        let _root = slot.prepare(sharing);
        for name in [".runner", ".credentials", ".credentials_rsaparams", ".env", ".path", "update.finished", SETUP] {
            fs::write(slot.root.join(name), "of the last job").unwrap();
        }
        fs::create_dir_all(slot.root.join("bin.2.999.0/deep")).unwrap();
        fs::create_dir_all(slot.root.join("_work/repository")).unwrap();
        fs::create_dir_all(slot.root.join("_diag")).unwrap();
        fs::write(slot.root.join("_diag/Runner_1-utc.log"), "log").unwrap();
        let _root = slot.prepare(sharing);
        assert_eq!(slot.names(), [".setup_info", "_work", "bin", "externals"], "{sharing:?}");
        assert!(slot.root.join("_work/repository").is_dir());
        assert_ne!(fs::read(slot.root.join(SETUP)).unwrap(), b"of the last job");
        let log = slot.directory.join("diagnostics/000000000000005/Runner_1-utc.log");
        assert_eq!(fs::read_to_string(log).unwrap(), "log");
    }
}

#[test]
fn links_of_the_last_job_lead_nowhere() {
    for sharing in [Sharing::Mounts, Sharing::Clones] {
        let slot = slot();
        let victim = slot.dir.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("precious"), "x").unwrap();
        // The root itself.
        symlink(&victim, &slot.root).unwrap();
        let _root = slot.prepare(sharing);
        assert!(slot.root.symlink_metadata().unwrap().is_dir());
        // And everything in it.
        for name in [SETUP, "_work", "bin", "externals", "_diag"] {
            sealed::remove(&slot.root.join(name)).unwrap();
            symlink(&victim, slot.root.join(name)).unwrap();
        }
        let _root = slot.prepare(sharing);
        assert_eq!(slot.names(), [".setup_info", "bin", "externals"]);
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 1, "{sharing:?}");
        assert_eq!(fs::read_to_string(victim.join("precious")).unwrap(), "x");
    }
}

#[test]
fn a_clone_is_kept_until_somebody_touches_it() {
    let slot = slot();
    assert!(slot.prepare(Sharing::Clones).mounts.is_empty());
    let inode = || slot.listener().metadata().unwrap().ino();
    let first = inode();
    assert_eq!(fs::read_to_string(slot.listener()).unwrap(), "2.335.0");
    let _root = slot.prepare(Sharing::Clones);
    assert_eq!(inode(), first, "it was kept");
    // A job that hides what it did: same size, same time, same mode.
    let before = slot.listener().metadata().unwrap();
    fs::set_permissions(slot.listener(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(slot.listener(), "9.999.9").unwrap();
    fs::set_permissions(slot.listener(), before.permissions()).unwrap();
    hearth_host::times::set_modified(&slot.listener(), FileTime::modified(&before)).unwrap();
    let _root = slot.prepare(Sharing::Clones);
    assert_eq!(fs::read_to_string(slot.listener()).unwrap(), "2.335.0");
    // A file more, in a directory that was sealed.
    let bin = slot.root.join("bin");
    fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(bin.join("evil.dll"), "x").unwrap();
    let _root = slot.prepare(Sharing::Clones);
    assert!(!bin.join("evil.dll").exists());
}

#[test]
fn a_clone_follows_the_version_and_goes_when_mounts_take_its_place() {
    let slot = slot();
    let _root = slot.prepare(Sharing::Clones);
    slot.install(NEW);
    let _root = slot.prepare(Sharing::Clones);
    assert_eq!(fs::read_to_string(slot.listener()).unwrap(), "2.336.0");
    let _root = slot.prepare(Sharing::Mounts);
    assert!(!slot.listener().exists());
    let _root = slot.prepare(Sharing::Clones);
    assert_eq!(fs::read_to_string(slot.listener()).unwrap(), "2.336.0");
}

#[test]
fn a_clone_that_was_interrupted_is_made_anew() {
    let slot = slot();
    let _root = slot.prepare(Sharing::Clones);
    let place = RootPlace { slot: &slot.directory, ours: &slot.root, seen: &slot.root };
    forget_clone(place).unwrap();
    sealed::remove(&slot.root.join("externals")).unwrap();
    let _root = slot.prepare(Sharing::Clones);
    assert!(slot.root.join("externals/node20/bin/node").is_file());
    fs::write(seal_path(place), "garbage").unwrap();
    let _root = slot.prepare(Sharing::Clones);
    assert!(slot.listener().is_file());
}
