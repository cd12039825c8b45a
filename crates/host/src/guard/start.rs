//! How the guard starts a process.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio as ProcessStdio};

use rustix::process::{Gid, Signal, Uid, getppid, set_parent_process_death_signal};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::log::BoundedLog;
use super::output::{Output, Teller};
use super::{EnvironmentBase, Raw, Start, Stdio};
use crate::users::{Identity, Privileges};
use crate::view::Outside;

/// Starts it, as whom and with what its request says; gives its pid and its output.
pub(super) fn start_process(start: &Start, teller: &Teller, outside: &Outside) -> io::Result<(u32, Option<Output>)> {
    let mut command = Command::new(start.program.as_os());
    command.args(start.arguments.iter().map(Raw::as_os)).current_dir(start.directory.as_os());
    if start.environment_base == EnvironmentBase::Empty {
        command.env_clear();
    }
    for (name, value) in &start.environment {
        match value {
            Some(value) => command.env(name.as_os(), value.as_os()),
            None => command.env_remove(name.as_os()),
        };
    }
    let mut output = None;
    match &start.stdio {
        Stdio::Inherit => {}
        Stdio::Null => {
            command.stdin(ProcessStdio::null()).stdout(ProcessStdio::null()).stderr(File::create("/dev/null")?);
        }
        Stdio::Log(log) => {
            let (taken, writer) = Output::new(&start.name, BoundedLog::open(log, outside)?, log.lines, teller)?;
            command.stdin(ProcessStdio::null()).stdout(writer.try_clone()?).stderr(writer);
            output = Some(taken);
        }
    }
    let (guard, role) = (rustix::process::getpid(), start.identity.as_ref().map(Role::of).transpose()?);
    #[expect(unsafe_code, reason = "the child must become its user and die with the guard, which only it can arrange")]
    // SAFETY: the closure runs in the forked child and only makes system calls that are async-signal-safe; everything
    // it reads was allocated before the fork.
    unsafe {
        command.pre_exec(move || {
            if let Some(role) = &role {
                role.take_on()?;
            }
            // After the change of user, upon which the kernel forgets this.
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The guard may have died before the kernel was told.
            if getppid() == Some(guard) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
        });
    }
    // Not waited for through `Child`: the loop reaps every child of this process.
    Ok((command.spawn()?.id(), output))
}

/// An identity in the kernel's types, made before the fork.
struct Role {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    privileges: Privileges,
}

impl Role {
    fn of(identity: &Identity) -> io::Result<Self> {
        // To the kernel this number means to change nothing.
        if identity.groups.iter().chain([&identity.uid, &identity.gid]).any(|id| *id == u32::MAX) {
            return Err(rustix::io::Errno::INVAL.into());
        }
        Ok(Self {
            uid: Uid::from_raw(identity.uid),
            gid: Gid::from_raw(identity.gid),
            groups: identity.groups.iter().copied().map(Gid::from_raw).collect(),
            privileges: identity.privileges,
        })
    }

    /// For the one thread of a forked child. Groups first and the user last: each step needs the right that the last
    /// one gives away.
    fn take_on(&self) -> io::Result<()> {
        set_thread_groups(&self.groups)?;
        set_thread_res_gid(self.gid, self.gid, self.gid)?;
        set_thread_res_uid(self.uid, self.uid, self.uid)?;
        if self.privileges == Privileges::Fixed {
            set_no_new_privs(true)?;
        }
        Ok(())
    }
}
