//! The runner program as this keeper starts it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hearth_daemon::secrets::Secret;
use hearth_host::clock::SystemClock;
use hearth_host::guard::{Lines, Log, Raw, Start, Stdio};
use hearth_host::users::{self, Privileges};
use hearth_model::{Clock, ExecutionId};

use super::Setting;
use super::view::Worker;
use crate::environment::{EXECUTION, HOOK_SOCKET};
use crate::hooks::Scripts;
use crate::runner::{
    self, Held, Hooks, JitError, Rank, Root, RootError, RootPlace, RunnerProxy, RunnerStart, SetupGroup, Sharing,
    SlotPlaces, User, UserIdentity, without_updates,
};
use crate::slots::logs;

const SHELL: &str = "/bin/bash";
/// What the runner program writes for people. Its own logs stand beside it, in `_diag`.
const LOG_LIMIT: u64 = 256 << 10;

/// How the program is started in the job's place.
pub(super) fn start(name: &str, setting: &Setting, scripts: &Scripts) -> Result<Start, JitError> {
    let seen = &setting.place.seen;
    let configuration = without_updates(&Secret::new(setting.order.jit.clone()))?;
    let (_ours, socket) = setting.hook_socket();
    let log = logs::runner_log(&setting.slot());
    if let Err(error) = begin(&log, setting.order.execution) {
        tracing::warn!("what the runner program says cannot be told apart in {}: {error}", log.display());
    }
    let log = Log { path: Raw::from(log), limit_bytes: LOG_LIMIT, lines: Lines::Told };
    let ours = [
        (HOOK_SOCKET, socket.to_string_lossy().into_owned()),
        // In everything that the job starts, so that what a crash leaves behind can be found.
        (EXECUTION, setting.order.execution.to_string()),
    ];
    let proxy = setting.order.proxy.as_deref();
    let can_call = scripts.can_be_called();
    if !can_call {
        tracing::warn!("{} has a blank in its path, so jobs go without hooks", scripts.started.display());
    }
    let hooks = Some(Hooks { started: &scripts.started, completed: &scripts.completed });
    let start = RunnerStart {
        name,
        platform: setting.runner_platform,
        places: SlotPlaces {
            root: &seen.join("runner"),
            home: &seen.join("home"),
            temporary: &seen.join("tmp"),
            tools: &seen.join("tools"),
        },
        user: &user(setting),
        configuration: &configuration,
        hooks: hooks.filter(|_| can_call),
        proxy: proxy.map(|url| RunnerProxy { url, exceptions: &setting.order.no_proxy }),
        operators: &setting.settings.file.runner.env,
        ours: &ours,
        stdio: Stdio::Log(log),
    };
    Ok(start.into_start())
}

/// Writes where the words of this runner begin.
fn begin(log: &Path, execution: ExecutionId) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    file.write_all(logs::heading(execution).as_bytes())
}

fn user(setting: &Setting) -> User {
    match &setting.worker {
        Worker::Own(account) => User {
            name: account.name.clone(),
            // System users have one that ends at once.
            shell: SHELL.into(),
            identity: UserIdentity::Other(account.identity(Privileges::Gained)),
        },
        Worker::Ours { name } => {
            let rank = if users::effective_uid() == 0 { Rank::Superuser } else { Rank::Ordinary };
            User { name: name.clone(), shell: SHELL.into(), identity: UserIdentity::Ours(rank) }
        }
    }
}

/// Makes the program's root in the job's place; gives what has to be shown there.
pub(super) fn root(setting: &Setting, held: &Held, sharing: Sharing) -> Result<Root, RootError> {
    let place = RootPlace {
        slot: &setting.slot(),
        ours: &setting.place.ours.join("runner"),
        seen: &setting.place.seen.join("runner"),
    };
    let order = &setting.order;
    let setup = [SetupGroup {
        group: "Hearth".to_owned(),
        detail: format!(
            "slot {} of {}, runner program {}, execution {}",
            order.slot,
            users::host_name(),
            held.version,
            order.execution
        ),
    }];
    runner::prepare(held, place, sharing, &[], &setup, SystemClock::default().now())
}
