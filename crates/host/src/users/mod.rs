//! Who we are, whose a file is, and who works in a slot.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hearth_model::SlotNumber;

use crate::owners::Owner;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as platform;

pub(crate) use platform::Role;

/// What stands for a slot's number in the name of its user.
const SLOT: &str = "{slot}";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Beside `gid`.
    pub groups: Vec<u32>,
    pub home: PathBuf,
    pub shell: PathBuf,
}

impl Account {
    pub fn identity(&self, privileges: Privileges) -> Identity {
        Identity { uid: self.uid, gid: self.gid, groups: self.groups.clone(), privileges }
    }

    pub fn owner(&self) -> Owner {
        Owner { uid: self.uid, gid: self.gid }
    }
}

/// As whom the jobs of a slot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotUser {
    /// A user of the slot's own.
    Own(Account),
    /// As the agent itself, for want of anything better. What one job writes, those of other slots can reach.
    Ours(WhyOurs),
}

/// Why a slot has no user of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyOurs {
    #[error("we are not the superuser and cannot start processes of others")]
    NotPrivileged,
    #[error(
        "there is no user {name}; the package makes one for each slot, `useradd --system {name}` makes one by hand"
    )]
    NoSuchUser { name: String },
}

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("`{pattern}` names one user for all slots; write {SLOT} where the number of the slot belongs")]
    Pattern { pattern: String },
    #[error("cannot look for the user {name}")]
    Lookup {
        name: String,
        #[source]
        cause: io::Error,
    },
    #[error("{name} is the superuser; jobs of a slot need a user without privileges")]
    Superuser { name: String },
    #[error("{name} is the agent's own user; jobs of a slot need another")]
    Agent { name: String },
}

/// As whom a process runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Beside `gid`.
    pub groups: Vec<u32>,
    pub privileges: Privileges,
}

/// Whether programs may make a process more than its user is: set-id bits, file capabilities, and so `sudo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privileges {
    /// As the system's files say.
    Gained,
    /// Never, and not for its descendants either.
    Fixed,
}

/// The user with this name, if there is one.
pub fn lookup(name: &str) -> Result<Option<Account>, UserError> {
    platform::lookup(name).map_err(|cause| UserError::Lookup { name: name.to_owned(), cause })
}

/// As whom the jobs of this slot run, by a pattern like `hearth-slot-{slot}`.
pub fn slot_user(pattern: &str, slot: SlotNumber) -> Result<SlotUser, UserError> {
    if !pattern.contains(SLOT) {
        return Err(UserError::Pattern { pattern: pattern.to_owned() });
    }
    let name = pattern.replace(SLOT, &slot.to_string());
    if !platform::may_change_user() {
        return Ok(SlotUser::Ours(WhyOurs::NotPrivileged));
    }
    match lookup(&name)? {
        None => Ok(SlotUser::Ours(WhyOurs::NoSuchUser { name })),
        Some(account) if account.uid == 0 => Err(UserError::Superuser { name }),
        Some(account) if account.uid == effective_uid() => Err(UserError::Agent { name }),
        Some(account) => Ok(SlotUser::Own(account)),
    }
}

/// Our effective user id.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub fn owner_of(path: &Path) -> io::Result<u32> {
    Ok(path.metadata()?.uid())
}

/// The machine's name for itself.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Device and inode of standard error: systemd names them to say that it reads there.
pub fn standard_error_identity() -> Option<(u64, u64)> {
    let stat = rustix::fs::fstat(std::io::stderr()).ok()?;
    // Systems disagree about the width and the sign of these numbers.
    Some((u64::try_from(i128::from(stat.st_dev)).ok()?, stat.st_ino))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_with_home_and_groups() {
        let root = lookup("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid, root.home.as_path()), (0, 0, Path::new("/root")));
        assert!(!root.groups.contains(&root.gid), "{root:?}");
        assert_eq!(lookup("nobody-of-this-name").unwrap(), None);
        assert!(matches!(lookup("with\0zero"), Err(UserError::Lookup { .. })));
    }

    #[test]
    fn a_slot_has_a_user_of_its_own_or_says_why_not() {
        let slot = SlotNumber(7);
        assert!(matches!(slot_user("hearth", slot), Err(UserError::Pattern { .. })));
        let missing = slot_user("hearth-missing-{slot}", slot).unwrap();
        let expected = match effective_uid() {
            0 => WhyOurs::NoSuchUser { name: "hearth-missing-7".to_owned() },
            _ => WhyOurs::NotPrivileged,
        };
        assert_eq!(missing, SlotUser::Ours(expected));
    }
}
