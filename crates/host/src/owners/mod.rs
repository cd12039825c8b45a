//! Whose files are: the user who stores them and the user who works with them need not be one. Where the file system
//! can show a directory with other owners than it stores (idmapped mounts), files keep their storage user whichever
//! slot works with them, and a directory moves between slots by one rename. Elsewhere they change hands one by one.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use crate::tree;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "linux")]
pub(crate) use linux::{clone_of, user_namespace};
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as platform;

/// The user and group of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Files of `stored` are seen as files of `seen`, and what `seen` makes is stored as `stored`'s. Nobody else's files
/// have an owner there, and nobody else can make any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mapping {
    pub stored: Owner,
    pub seen: Owner,
}

/// Why a directory cannot be shown with other owners.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error("showing files with other owners is not supported on this system")]
    Unsupported,
    #[error("we lack the right to mount (CAP_SYS_ADMIN)")]
    NotPrivileged,
    #[error("cannot make a user namespace; is user.max_user_namespaces zero?")]
    Namespace {
        #[source]
        cause: io::Error,
    },
    #[error("cannot look at {path}")]
    Open {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the file system of {path} does not show its files with other owners; ext4, XFS and btrfs do")]
    FileSystem {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Finds out by trying, without anybody seeing it, whether `path` can be shown with other owners.
pub fn idmapped_binds(path: &Path) -> Result<(), MappingError> {
    platform::idmapped_binds(path)
}

/// Whose a file is; of a link itself.
pub fn owner_of(path: &Path) -> io::Result<Owner> {
    let metadata = path.symlink_metadata()?;
    Ok(Owner { uid: metadata.uid(), gid: metadata.gid() })
}

/// What a change of hands did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HandedOver {
    pub changed: u64,
    /// Entries that were neither the giver's nor the taker's. They were left alone.
    pub foreign: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot hand {root} over to user {}", to.uid)]
pub struct HandOverError {
    pub root: PathBuf,
    pub to: Owner,
    #[source]
    pub cause: io::Error,
}

/// Gives `root`, and what is below it, from one owner to another; links themselves, never what they point to. For file
/// systems that cannot map owners. It takes a walk over every file and changes every inode, so that a clone which trusts
/// inodes takes all of them anew. No process that may write there can be alive, because it could put another file into
/// the place of one that is about to be given away.
pub fn hand_over(root: &Path, from: Owner, to: Owner) -> Result<HandedOver, HandOverError> {
    let mut done = HandedOver::default();
    let mut give = |path: &Path, owner: Owner| {
        if owner == to {
            return Ok(());
        }
        if owner.uid != from.uid {
            done.foreign += 1;
            return Ok(());
        }
        done.changed += 1;
        lchown(path, Some(to.uid), Some(to.gid))
    };
    let of = |metadata: &std::fs::Metadata| Owner { uid: metadata.uid(), gid: metadata.gid() };
    let top = root.symlink_metadata().and_then(|metadata| give(root, of(&metadata)));
    let all = top.and_then(|()| tree::walk(root, &mut |entry| give(&root.join(&entry.path), of(&entry.metadata))));
    all.map(|()| done).map_err(|cause| HandOverError { root: root.to_owned(), to, cause })
}

/// Whether an open file can be read by every user of this machine.
pub fn is_readable_by_everybody(file: &File) -> io::Result<bool> {
    const READ_BY_OTHERS: u32 = 0o004;
    Ok(file.metadata()?.mode() & READ_BY_OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_taker_or_to_others_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("link")).unwrap();
        let metadata = dir.path().metadata().unwrap();
        let us = Owner { uid: metadata.uid(), gid: metadata.gid() };
        let others = Owner { uid: us.uid + 1, gid: us.gid };
        assert_eq!(hand_over(dir.path(), others, us).unwrap(), HandedOver::default());
        let strangers = Owner { uid: us.uid + 2, gid: us.gid };
        assert_eq!(hand_over(dir.path(), others, strangers).unwrap(), HandedOver { changed: 0, foreign: 3 });
        let missing = hand_over(&dir.path().join("missing"), others, us).unwrap_err();
        assert!(missing.to_string().contains("missing"), "{missing}");
    }
}
