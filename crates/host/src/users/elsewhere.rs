//! Systems whose users we do not look up yet: jobs run as the agent's own user.

use std::io;

use super::{Account, Identity};

pub(super) fn lookup(_name: &str) -> io::Result<Option<Account>> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn may_change_user() -> bool {
    false
}

/// Nobody can take on another identity yet, so there is none of these.
#[derive(Debug)]
pub(crate) enum Role {}

impl Role {
    pub(crate) fn of(_identity: &Identity) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn take_on(&self) -> io::Result<()> {
        match *self {}
    }
}
