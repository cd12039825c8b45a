//! How the guard starts a process.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio as ProcessStdio};

use super::log::BoundedLog;
use super::output::{Output, Teller};
use super::{EnvironmentBase, Raw, Start, Stdio};
use crate::processes;
use crate::users::Role;
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
    let (guard, role) = (std::process::id(), start.identity.as_ref().map(Role::of).transpose()?);
    #[expect(unsafe_code, reason = "the child must become its user and die with the guard, which only it can arrange")]
    // SAFETY: the closure runs in the forked child and only makes system calls that are async-signal-safe; everything
    // it reads was allocated before the fork.
    unsafe {
        command.pre_exec(move || {
            if let Some(role) = &role {
                role.take_on()?;
            }
            processes::end_with(guard)
        });
    }
    // Not waited for through `Child`: the loop reaps every child of this process.
    Ok((command.spawn()?.id(), output))
}
