//! The control group of one slot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::files::keyed;
use super::limits::Setting;
use super::{Controller, Limits, NotApplied, Reading};
use crate::processes;

/// How often a wait for processes that were killed looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("cannot make the control group {path}")]
    Make {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot put process {pid} into the control group {path}")]
    Add {
        pid: u32,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot read the control group {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot kill what is in the control group {path}")]
    Kill {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("processes in the control group {path} hang in the kernel")]
    Hanging { path: PathBuf },
    #[error("cannot remove the control group {path}")]
    Remove {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// The control group of one slot, by its place. It is there between `make` and `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    path: PathBuf,
    controllers: Vec<Controller>,
}

impl Cgroup {
    pub(super) fn new(path: PathBuf, controllers: Vec<Controller>) -> Self {
        Self { path, controllers }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the group anew, with all counts at zero, and sets its limits; gives those that the machine does not hold.
    /// What an earlier holder of the slot left in it is ended.
    pub fn make(&self, limits: &Limits, within: Duration) -> Result<Vec<NotApplied>, CgroupError> {
        self.end(within)?;
        fs::create_dir(&self.path).map_err(|cause| CgroupError::Make { path: self.path.clone(), cause })?;
        let disks = limits.io.iter().map(super::IoLimit::setting);
        let settings = limits.settings().into_iter().map(Ok).chain(disks);
        Ok(settings.filter_map(|setting| setting.and_then(|setting| self.apply(setting)).err()).collect())
    }

    fn apply(&self, Setting { controller, file, value }: Setting) -> Result<(), NotApplied> {
        if !self.controllers.contains(&controller) {
            return Err(NotApplied::NoController { file, value, controller });
        }
        fs::write(self.path.join(file), &value).map_err(|cause| NotApplied::Refused { file, value, cause })
    }

    /// Moves a process there, and with it whatever it starts from now on. For a guard before it has started anything.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        let added = fs::write(self.path.join("cgroup.procs"), pid.to_string());
        added.map_err(|cause| CgroupError::Add { pid, path: self.path.clone(), cause })
    }

    /// Counts since the group was made.
    pub fn reading(&self) -> Reading {
        Reading::of(&self.path)
    }

    /// Whether any process is alive there, or in a group below.
    pub fn is_populated(&self) -> Result<bool, CgroupError> {
        match fs::read_to_string(self.path.join("cgroup.events")) {
            Ok(events) => Ok(keyed(&events, "populated") != Some(0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(CgroupError::Read { path: self.path.clone(), cause }),
        }
    }

    /// Kills every process there at once, those that are being started included, and removes the group. One that is not
    /// there has ended already.
    pub fn end(&self, within: Duration) -> Result<(), CgroupError> {
        let began = Instant::now();
        while self.is_populated()? {
            self.kill()?;
            if began.elapsed() > within {
                return Err(CgroupError::Hanging { path: self.path.clone() });
            }
            // The kernel says when a group is empty only to those who poll; a killed process is gone in a millisecond.
            thread::park_timeout(LOOK_AGAIN);
        }
        remove(&self.path).map_err(|cause| CgroupError::Remove { path: self.path.clone(), cause })
    }

    fn kill(&self) -> Result<(), CgroupError> {
        match fs::write(self.path.join("cgroup.kill"), "1") {
            // Kernels before 5.14: one by one, and again until none is left.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pids = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
                let pids: Vec<u32> = pids.lines().filter_map(|pid| pid.parse().ok()).collect();
                processes::kill_all(&pids, libc::SIGKILL);
                Ok(())
            }
            killed => killed.map_err(|cause| CgroupError::Kill { path: self.path.clone(), cause }),
        }
    }
}

/// Removes a group and those that a job made below it. The files in them are the kernel's and go with them.
fn remove(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}
