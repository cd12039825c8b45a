//! Which part of the hierarchy is ours, and what we may do in it. Nobody but its owner may move processes or make groups
//! in a part of the hierarchy, so a part that was not given to us is left as it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_model::SlotNumber;
use rustix::io::Errno;

use super::files::{controllers, directory_of, own_place};
use super::{Cgroup, Controller};
use crate::users;

/// The group of the daemon and of whoever looks after a job, as the unit names it (`DelegateSubgroup=`).
const AGENT: &str = "agent";
const SLOTS: &str = "slots";
/// How systemd marks what it delegates.
const MARKS: [&str; 2] = ["user.delegate", "trusted.delegate"];

#[derive(Debug, thiserror::Error)]
pub enum DelegationError {
    #[error("cannot read {path}: this system has no control groups")]
    NoCgroups {
        path: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error("this machine has no control groups of version 2; start it with systemd.unified_cgroup_hierarchy=1")]
    NoVersion2,
    #[error("the control group {path} is not ours to divide; start us as a service with Delegate=yes")]
    NotDelegated { path: PathBuf },
    #[error("cannot divide the control group {path}")]
    Divide {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Why a group is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The service manager gave it to us.
    Delegated,
    /// It belongs to our user.
    Owned,
    /// It is the first of all that we can see: nobody manages groups here, or we are in a container of our own.
    First,
}

/// A part of the hierarchy that is ours, as it was found. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    pub base: PathBuf,
    pub standing: Standing,
    /// What the machine lets us have there.
    pub controllers: Vec<Controller>,
}

/// A controller that we were given and could not pass on to slots.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the {controller} controller in {base}")]
pub struct Withheld {
    pub controller: Controller,
    pub base: PathBuf,
    #[source]
    pub cause: io::Error,
}

impl Delegation {
    /// Looks where this process is.
    pub fn find() -> Result<Self, DelegationError> {
        let read = |path| fs::read_to_string(path).map_err(|cause| DelegationError::NoCgroups { path, cause });
        let (own, mounts) = (read("/proc/self/cgroup")?, read("/proc/self/mountinfo")?);
        let place = own_place(&own).ok_or(DelegationError::NoVersion2)?;
        let directory = directory_of(place, &mounts).ok_or(DelegationError::NoVersion2)?;
        Self::of(&directory, Path::new(place))
    }

    fn of(directory: &Path, place: &Path) -> Result<Self, DelegationError> {
        let (base, place) = match (directory.parent(), place.parent()) {
            (Some(above), Some(place_above)) if directory.ends_with(AGENT) => (above, place_above),
            _ => (directory, place),
        };
        let not_ours = || DelegationError::NotDelegated { path: base.to_owned() };
        let standing = standing(base, place).ok_or_else(not_ours)?;
        let available = fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
        Ok(Self { base: base.to_owned(), standing, controllers: controllers(&available) })
    }

    /// Divides it into the agent's group and those of slots. Harmless when that was done already.
    pub fn divide(self) -> Result<Cgroups, DelegationError> {
        let divide = |cause| DelegationError::Divide { path: self.base.clone(), cause };
        let slots = self.base.join(SLOTS);
        make_directory(&slots).map_err(divide)?;
        let mut withheld = Vec::new();
        for controller in self.controllers {
            let passed = pass_on(controller, &self.base).and_then(|()| enable(controller, &slots));
            if let Err(cause) = passed {
                withheld.push(Withheld { controller, base: self.base.clone(), cause });
            }
        }
        let enabled = fs::read_to_string(slots.join("cgroup.subtree_control")).unwrap_or_default();
        Ok(Cgroups { slots, controllers: controllers(&enabled), withheld })
    }
}

/// The groups of this machine's slots.
#[derive(Debug)]
pub struct Cgroups {
    slots: PathBuf,
    /// What limits slots.
    pub controllers: Vec<Controller>,
    pub withheld: Vec<Withheld>,
}

impl Cgroups {
    pub fn slot(&self, number: SlotNumber) -> Cgroup {
        Cgroup::new(self.slots.join(number.to_string()), self.controllers.clone())
    }
}

fn standing(base: &Path, place: &Path) -> Option<Standing> {
    let is_marked = |name: &&str| {
        let mut value = [0; 1];
        rustix::fs::getxattr(base, *name, &mut value).is_ok_and(|length| length == 1 && value == *b"1")
    };
    let us = users::effective_uid();
    if MARKS.iter().any(is_marked) {
        Some(Standing::Delegated)
    } else if us != 0 && users::owner_of(base).is_ok_and(|owner| owner == us) {
        Some(Standing::Owned)
    } else if place == Path::new("/") {
        Some(Standing::First)
    } else {
        None
    }
}

/// Lets the groups below use a controller. A group with processes of its own cannot, so they move into the agent's.
fn pass_on(controller: Controller, base: &Path) -> io::Result<()> {
    match enable(controller, base) {
        Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
            let agent = base.join(AGENT);
            make_directory(&agent)?;
            for pid in fs::read_to_string(base.join("cgroup.procs"))?.lines() {
                match fs::write(agent.join("cgroup.procs"), pid) {
                    // It has ended since.
                    Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
                    moved => moved?,
                }
            }
            enable(controller, base)
        }
        enabled => enabled,
    }
}

fn enable(controller: Controller, group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"))
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_nobody_gave_us_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let ours = users::effective_uid() != 0;
        let found = Delegation::of(dir.path(), Path::new("/user.slice/session-3.scope"));
        match found {
            Ok(found) => assert!(ours && found.standing == Standing::Owned, "{found:?}"),
            Err(error) => {
                assert!(!ours);
                assert!(error.to_string().contains("Delegate=yes"), "{error}");
            }
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_agents_own_group_is_not_taken_for_the_base() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(AGENT)).unwrap();
        fs::write(dir.path().join("cgroup.controllers"), "cpuset cpu memory pids\n").unwrap();
        let found = Delegation::of(&dir.path().join(AGENT), Path::new("/agent")).unwrap();
        assert_eq!(found.base, dir.path());
        assert_eq!(found.controllers, [Controller::Cpu, Controller::Memory, Controller::Pids]);
    }
}
