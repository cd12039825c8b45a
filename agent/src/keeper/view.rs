//! What a runner and its job see of this machine, as data: their own place, the runner program and our wrapper, and
//! nothing else of ours.

use std::path::{Path, PathBuf};

use hearth_host::owners::Mapping;
use hearth_host::users::{self, Account, Identity, Privileges, SlotUser, UserError};
use hearth_host::view::{Access, Mount, Shown, View};

use super::Order;
use crate::compiler_cache::Program;
use crate::environment::Environment;
use crate::places::Places;
use crate::runner::Platform;
use crate::settings::Settings;
use crate::slots::{self, JobPlace};
use crate::sources::Sources;

/// Everything that stays the same while one runner is looked after.
#[derive(Debug)]
pub struct Setting {
    pub order: Order,
    pub settings: Settings,
    pub places: Places,
    pub place: JobPlace,
    /// Generated sources of the warm target: ours to write, the job's to read.
    pub kept: JobPlace,
    /// The compiler wrapper that every job gets.
    pub wrapper: Program,
    /// This very program.
    pub own: PathBuf,
    /// Of the runner program.
    pub runner_platform: Platform,
    /// As whom the job runs.
    pub worker: Worker,
    /// This machine's target triple.
    pub platform: String,
}

impl Setting {
    /// Where the slot's directory is.
    pub fn slot(&self) -> PathBuf {
        self.places.slot(self.order.slot)
    }

    pub fn sources(&self) -> Sources {
        Sources::at(self.places.sources(), self.places.trash())
    }

    /// Where hooks find us, outside and inside.
    pub fn hook_socket(&self) -> (PathBuf, PathBuf) {
        let name = "hearth.sock";
        (self.place.ours.join(name), self.place.seen.join(name))
    }
}

/// As whom a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worker {
    /// A user of the slot's own.
    Own(Account),
    /// As we do, under this name.
    Ours { name: String },
}

impl Worker {
    pub(super) fn identity(&self) -> Option<Identity> {
        match self {
            Self::Own(account) => Some(account.identity(Privileges::Gained)),
            Self::Ours { .. } => None,
        }
    }
}

/// Finds the slot's user; without one, the job runs as we do.
pub(super) fn worker(order: &Order, environment: &Environment) -> Result<Worker, UserError> {
    match users::slot_user(&order.file.slots.user, order.slot)? {
        SlotUser::Own(account) => Ok(Worker::Own(account)),
        SlotUser::Ours(why) => {
            tracing::debug!("slot {} has no user of its own: {why}", order.slot);
            let name = environment.text("USER").unwrap_or(if users::effective_uid() == 0 { "root" } else { "hearth" });
            Ok(Worker::Ours { name: name.to_owned() })
        }
    }
}

/// The two paths of the job's place, with a view of its own and without.
pub(super) fn job_place(places: &Places, slot: &Path, has_view: bool, user: Option<Identity>) -> (JobPlace, JobPlace) {
    let ours = slots::job_directory(slot);
    let kept = slots::kept_directory(slot);
    let (seen, kept_seen) =
        if has_view { (places.view(), places.view().join("kept")) } else { (ours.clone(), kept.clone()) };
    (JobPlace { ours, seen, user: user.clone() }, JobPlace { ours: kept, seen: kept_seen, user })
}

/// The mounts, in order. `program` are those of the runner program.
pub(super) fn view(setting: &Setting, program: Vec<Shown>, mapping: Option<Mapping>) -> View {
    let show = |source: PathBuf, place: PathBuf, access: Access, owners: Option<Mapping>| {
        Mount::Shown(Shown { source, place, access, owners })
    };
    let seen = &setting.place.seen;
    let mut mounts = vec![
        Mount::Hidden { place: setting.places.root().to_owned() },
        show(setting.place.ours.clone(), seen.clone(), Access::Writable, mapping),
        show(setting.kept.ours.clone(), setting.kept.seen.clone(), Access::ReadOnly, mapping),
        show(setting.places.programs(), setting.places.programs(), Access::ReadOnly, None),
    ];
    mounts.extend(program.into_iter().map(Mount::Shown));
    View { mounts }
}
