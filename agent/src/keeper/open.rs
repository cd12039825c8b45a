//! From the order to a runner program that runs.

use std::sync::Arc;

use hearth_host::clock::SystemClock;
use hearth_host::{processes, users};
use hearth_ledger::Owner;
use hearth_model::Clock;

use super::group::Group;
use super::keep::{Keeper, RUNNER};
use super::ownership::Ownership;
use super::written::Written;
use super::{KeepError, Order, Setting, directory, program, view};
use crate::checkout::platform;
use crate::compiler_cache::link_own;
use crate::environment::Environment;
use crate::hooks::{HookServer, write_scripts};
use crate::places::Places;
use crate::runner::{self, Platform, Sharing, Versions};
use crate::settings::{self, HearthFile};
use crate::supervision::Supervisor;

impl Keeper {
    /// Everything up to the start of the runner program. With an error, the record as it was left.
    pub(super) async fn open(
        order: Order,
        places: Places,
        mut written: Written,
        environment: &Environment,
    ) -> Result<Self, (KeepError, Written)> {
        let opened = Self::prepare(order, places, &mut written, environment).await;
        opened.map_err(|error| (error, written))
    }

    async fn prepare(
        order: Order,
        places: Places,
        written: &mut Written,
        environment: &Environment,
    ) -> Result<Self, KeepError> {
        let own = std::env::current_exe().map_err(KeepError::Own)?;
        let identity = processes::identify(std::process::id()).map_err(KeepError::Identity)?;
        let owner =
            Owner { pid: identity.pid, process_start_ticks: identity.start_ticks, boot_id: identity.boot_id.clone() };
        let mut supervisor = Supervisor::start(own.as_os_str()).map_err(KeepError::Supervise)?;
        let has_view = supervisor.enter_view().await.map_err(KeepError::Supervise)?;
        let slot = written.slot.clone();
        let worker = view::worker(&order, environment).map_err(KeepError::User)?;
        let (place, kept) = view::job_place(&places, &slot, has_view, worker.identity());
        let renewed = directory::renew(&place.ours, &kept.ours, &places.trash(), order.execution);
        renewed.map_err(|cause| KeepError::Place { slot: slot.clone(), cause })?;
        let wrapper = link_own(&own, &places.programs()).map_err(KeepError::Wrapper)?;
        let file = HearthFile { state: Some(order.state.clone()), ..(*order.file).clone() };
        let settings = settings::check(file, environment).map_err(KeepError::Settings)?;
        let platform = platform(None);
        let runner_platform = Platform::of_this_machine().map_err(KeepError::Platform)?;
        let setting = Setting { order, settings, places, place, kept, wrapper, own, runner_platform, worker, platform };
        let runner = setting.settings.runner.clone();
        let clock = Arc::new(SystemClock::default());
        let versions = Versions::open(&setting.places.runner(), runner, clock).map_err(KeepError::Version)?;
        let program = versions.take().map_err(KeepError::Version)?;
        let sharing = if has_view { Sharing::Mounts } else { Sharing::Clones };
        let root = program::root(&setting, &program, sharing).map_err(KeepError::Root)?;
        let place = |cause| KeepError::Place { slot: slot.clone(), cause };
        let ownership = Ownership::of(&setting, has_view).map_err(place)?;
        directory::give(&setting.place.ours, ownership).map_err(place)?;
        if has_view {
            let view = view::view(&setting, root.mounts, ownership.mapping());
            supervisor.assemble(view).await.map_err(KeepError::Supervise)?.map_err(KeepError::View)?;
        }
        let group = Group::make(&setting, supervisor.guard());
        let (socket, _seen) = setting.hook_socket();
        let user = setting.place.user.as_ref().map_or_else(users::effective_uid, |user| user.uid);
        let (server, hooks) = HookServer::listen(&socket, user).map_err(KeepError::Hooks)?;
        let now = SystemClock::default().now();
        *written = written.clone().step(|record| record.started(identity, now))?;
        let scripts = write_scripts(&setting.places.programs(), &setting.own).map_err(KeepError::Scripts)?;
        let start = program::start(RUNNER, &setting, &scripts).map_err(KeepError::Jit)?;
        supervisor.start_process(start).await.map_err(KeepError::Supervise)?.map_err(KeepError::Start)?;
        tracing::debug!(runner = %setting.order.runner, "keeper step: started");
        Ok(Self {
            setting,
            written: written.clone(),
            owner,
            supervisor,
            ownership,
            group,
            hooks,
            _server: server,
            versions,
            program,
            heard: runner::Heard::Nothing,
            job: None,
            announced: None,
            result: None,
            stopping: None,
        })
    }
}
