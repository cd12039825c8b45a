//! Why a keeper gives up.

use std::io;
use std::path::PathBuf;

use hearth_forge::RunnerName;
use hearth_host::users::UserError;
use hearth_host::view::ViewError;

use crate::compiler_cache::Unwrapped;
use crate::hooks::HookServerError;
use crate::places::PlacesError;
use crate::runner::{InvalidName, JitError, RootError, VersionsError};
use crate::settings::SettingsError;
use crate::slots::{RecordError, WrongState};
use crate::supervision::SuperviseError;

#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error(transparent)]
    Places(PlacesError),
    #[error(transparent)]
    Record(RecordError),
    #[error("slot {slot} is not registered for {runner}, so its keeper does nothing")]
    NotOurs { slot: PathBuf, runner: RunnerName },
    #[error("the slot's record cannot go on")]
    State(#[source] WrongState),
    #[error("cannot find this program's own file")]
    Own(#[source] io::Error),
    #[error("cannot tell this process from others")]
    Identity(#[source] io::Error),
    #[error(transparent)]
    Supervise(SuperviseError),
    #[error(transparent)]
    User(UserError),
    #[error("cannot make a place for the job in {slot}")]
    Place {
        slot: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot put the job's view together")]
    View(#[source] ViewError),
    #[error(transparent)]
    Wrapper(Unwrapped),
    #[error(transparent)]
    Hooks(HookServerError),
    #[error(transparent)]
    Settings(SettingsError),
    #[error("there can be no runner here")]
    Platform(#[source] InvalidName),
    #[error("there is no runner program to start")]
    Version(#[source] VersionsError),
    #[error(transparent)]
    Root(RootError),
    #[error("the runner's configuration cannot be used")]
    Jit(#[source] JitError),
    #[error("the hooks' scripts cannot be written")]
    Scripts(#[source] io::Error),
    #[error("the runner program cannot be started")]
    Start(#[source] io::Error),
}
