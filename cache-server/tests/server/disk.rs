//! A small disk of its own for a server: a file system in a file, that can be filled, frozen, taken away and broken.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::environment::skip;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Ext4,
    /// Can be shut down, so that nothing is read from it or written to it any more.
    Xfs,
}

/// Unmounted when dropped. Declare it before the server on it.
pub(crate) struct Disk {
    place: TempDir,
}

impl Disk {
    /// Skips aloud where no such disk can be had.
    pub(crate) fn mount(kind: Kind) -> Option<Self> {
        let (mkfs, options, size): (_, &[&str], _) = match kind {
            // Read-only after an error, as distributions have it.
            Kind::Ext4 => ("mkfs.ext4", &["-q", "-e", "remount-ro"], 64 << 20),
            // The smallest that mkfs makes.
            Kind::Xfs => ("mkfs.xfs", &["-q"], 320 << 20),
        };
        let disk = Self { place: tempfile::tempdir().unwrap() };
        std::fs::create_dir(disk.path()).unwrap();
        File::create(disk.image()).unwrap().set_len(size).unwrap();
        let Ok(made) = Command::new(mkfs).args(options).arg(disk.image()).output() else {
            skip(&format!("there is no {mkfs}"));
            return None;
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mounted = disk.mount_again();
        if !mounted.status.success() {
            skip(&format!("no disk can be mounted here: {}", String::from_utf8_lossy(&mounted.stderr)));
            return None;
        }
        Some(disk)
    }

    fn image(&self) -> PathBuf {
        self.place.path().join("image")
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join("disk")
    }

    pub(crate) fn mount_again(&self) -> Output {
        Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()).output().unwrap()
    }

    /// Takes all the room; gives the file that has it.
    pub(crate) fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        filler
    }

    /// From here on every write hangs.
    pub(crate) fn freeze(&self) {
        run("fsfreeze", &["--freeze"], &self.path());
    }

    pub(crate) fn thaw(&self) {
        run("fsfreeze", &["--unfreeze"], &self.path());
    }

    /// From here on everything fails, as if the device were gone.
    pub(crate) fn shut_down(&self) {
        run("xfs_io", &["-x", "-c", "shutdown"], &self.path());
    }

    /// The system finds an error on it, and lets nobody write any more. False where it cannot be made to.
    pub(crate) fn becomes_read_only(&self) -> bool {
        let device = self.device();
        let name = device.file_name().unwrap().display();
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "of a test").is_ok()
    }

    fn device(&self) -> PathBuf {
        let source = Command::new("findmnt").args(["-no", "SOURCE"]).arg(self.path()).output().unwrap();
        PathBuf::from(String::from_utf8(source.stdout).unwrap().trim())
    }

    /// Mends what an error has left, once nobody has files of it open.
    pub(crate) fn check(&self) {
        let checked = Command::new("e2fsck").args(["-f", "-y"]).arg(self.image()).output().unwrap();
        // 1: errors were corrected.
        assert!(matches!(checked.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&checked.stdout));
    }

    /// The device has no sectors any more, as one that was pulled out; what the system holds in memory is still read.
    pub(crate) fn unplug(&self) {
        File::options().write(true).open(self.image()).unwrap().set_len(0).unwrap();
        run("losetup", &["--set-capacity"], &self.device());
    }

    /// Its place is empty; whoever has files of it open keeps them.
    pub(crate) fn take_away(&self) {
        run("umount", &["--lazy"], &self.path());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A frozen one cannot be unmounted; one that is not frozen says so.
        let _thawed = Command::new("fsfreeze").arg("--unfreeze").arg(self.path()).output();
        let _unmounted = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str], path: &Path) {
    let done = Command::new(program).args(arguments).arg(path).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
}
