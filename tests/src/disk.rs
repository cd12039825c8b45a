//! Small disks for one test: file systems with properties that the machine's own may lack. Needs the superuser.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::skip::{has_loop_devices, has_programs, is_root, skipped};
use crate::wait::is_reached;

/// Programs of a test that has ended may take a moment to go.
const LET_GO: Duration = Duration::from_secs(10);
/// The smallest size that every mkfs accepts, and more than a test needs. The file is sparse.
const IMAGE_BYTES: u64 = 512 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    Btrfs,
    Xfs,
    /// A tmpfs.
    Memory {
        mebibytes: u64,
    },
}

/// A mounted disk; dropping it unmounts it. Declare it before the world that uses it.
#[derive(Debug)]
pub struct Disk {
    root: TempDir,
}

impl Disk {
    /// Makes and mounts one; `None` after having said what this machine lacks.
    pub fn make(kind: Kind) -> Option<Self> {
        if !is_root() {
            skipped("only the superuser can mount a disk");
            return None;
        }
        let root = tempfile::Builder::new().prefix("hearth-disk-").tempdir().expect("a directory can be made");
        let disk = Self { root };
        fs::create_dir(disk.path()).expect("a directory can be made");
        let mkfs = match kind {
            Kind::Memory { mebibytes } => {
                let size = format!("size={mebibytes}m");
                return disk.mount(&["-t", "tmpfs", "-o", &size, "tmpfs"]);
            }
            Kind::Ext4 => ["mkfs.ext4", "-q"],
            Kind::Btrfs => ["mkfs.btrfs", "--quiet"],
            Kind::Xfs => ["mkfs.xfs", "-q"],
        };
        if !has_programs(&mkfs[..1]) || !has_loop_devices() {
            skipped(&format!("there is no {} or no loop device", mkfs[0]));
            return None;
        }
        let image = disk.root.path().join("image");
        File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).expect("a sparse file can be made");
        let made = Command::new(mkfs[0]).arg(mkfs[1]).arg(&image).output().expect("mkfs can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let image = image.to_str().expect("test paths are text").to_owned();
        disk.mount(&["-o", "loop", &image])
    }

    /// Where it is mounted.
    pub fn path(&self) -> std::path::PathBuf {
        self.root.path().join("disk")
    }

    /// Makes it read-only, or writable again.
    pub fn remount(&self, access: Access) {
        let option = match access {
            Access::ReadOnly => "remount,ro",
            Access::ReadWrite => "remount,rw",
        };
        let mounted = run_mount(&["-o", option], &self.path());
        assert!(mounted.is_ok(), "{mounted:?}");
    }

    fn mount(self, arguments: &[&str]) -> Option<Self> {
        match run_mount(arguments, &self.path()) {
            Ok(()) => Some(self),
            Err(why) => {
                skipped(&format!("this machine mounts no such disk: {why}"));
                None
            }
        }
    }
}

/// What a mounted disk lets people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

impl Drop for Disk {
    fn drop(&mut self) {
        let path = self.path();
        let unmounts = |arguments: &[&str]| {
            Command::new("umount").args(arguments).arg(&path).output().is_ok_and(|output| output.status.success())
        };
        // A disk that was never mounted, or that something still uses after all: it goes when that goes.
        if !is_reached(LET_GO, || unmounts(&[]) || !is_mounted(&path)) {
            unmounts(&["--lazy"]);
        }
    }
}

fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|place| Path::new(place) == path))
}

fn run_mount(arguments: &[&str], path: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(arguments).arg(path).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}
