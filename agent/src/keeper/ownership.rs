//! Whose the files in the job's place are. They are stored as ours. A job that runs as another user sees them as its own
//! where the file system can show them so; elsewhere they change hands, and come back when the job is over.

use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use hearth_host::owners::{self, Mapping, Owner};

use super::Setting;
use super::view::Worker;
use crate::journey::chain;

#[derive(Debug, Clone, Copy)]
pub(super) enum Ownership {
    /// The job runs as we do.
    Ours,
    Mapped(Mapping),
    HandedOver {
        us: Owner,
        worker: Owner,
    },
}

impl Ownership {
    /// What this machine can do for the job's place.
    pub(super) fn of(setting: &Setting, has_view: bool) -> io::Result<Self> {
        let Worker::Own(account) = &setting.worker else { return Ok(Self::Ours) };
        let us = owners::owner_of(&setting.place.ours)?;
        if !has_view {
            return Ok(Self::HandedOver { us, worker: account.owner() });
        }
        match owners::idmapped_binds(&setting.place.ours) {
            Ok(()) => Ok(Self::Mapped(Mapping { stored: us, seen: account.owner() })),
            Err(why) => {
                tracing::debug!("files change hands one by one: {}", chain(&why));
                Ok(Self::HandedOver { us, worker: account.owner() })
            }
        }
    }

    pub(super) fn mapping(self) -> Option<Mapping> {
        match self {
            Self::Mapped(mapping) => Some(mapping),
            Self::Ours | Self::HandedOver { .. } => None,
        }
    }

    /// Gives `path` and all below it to the job's user.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        match self {
            Self::HandedOver { us, worker } => owners::hand_over(path, us, worker).map(drop).map_err(io::Error::other),
            Self::Ours | Self::Mapped(_) => Ok(()),
        }
    }

    /// Gives only `path` itself.
    pub(super) fn give_one(self, path: &Path) -> io::Result<()> {
        match self {
            Self::HandedOver { worker, .. } => lchown(path, Some(worker.uid), Some(worker.gid)),
            Self::Ours | Self::Mapped(_) => Ok(()),
        }
    }

    /// Takes `path` and all below it back. No process of the job is alive.
    pub(super) fn take_back(self, path: &Path) -> io::Result<()> {
        match self {
            Self::HandedOver { us, worker } => owners::hand_over(path, worker, us).map(drop).map_err(io::Error::other),
            Self::Ours | Self::Mapped(_) => Ok(()),
        }
    }
}
