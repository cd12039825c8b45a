//! Registrations of runners: made with a just-in-time configuration, looked up by name, removed by number. A name is
//! used once; whatever became of a registration is found out by its name.

mod any;
mod rest;
mod scale_set;

use std::future::Future;

use hearth_daemon::secrets::Secret;

use crate::{CallError, Remedy, RunnerId, RunnerName};

pub use any::AnyRegistrar;
pub use rest::RestRegistrar;
pub use scale_set::ScaleSetRegistrar;

/// Makes and removes registrations. A cheap handle: clones share their connection, and it works while another task
/// waits for demand.
pub trait Registrar: Clone + Send + Sync + 'static {
    /// Registers a runner for one job. On [`RegisterError::Lost`] ask again under a new name.
    fn register(&self, name: &RunnerName) -> impl Future<Output = Result<Ticket, RegisterError>> + Send;
    /// The registration of this name, if there is one.
    fn find(&self, name: &RunnerName) -> impl Future<Output = Result<Option<RunnerSeen>, CallError>> + Send;
    /// All registrations whose names begin so, for the sweep after a crash. At most a thousand.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<RunnerSeen>, CallError>> + Send;
    /// Removes a registration. Gone is gone, also when it was gone before.
    fn remove(&self, runner: RunnerId) -> impl Future<Output = Result<Removal, CallError>> + Send;
}

/// What a runner needs to take one job.
#[derive(Debug)]
pub struct Ticket {
    pub runner: RunnerId,
    pub name: RunnerName,
    /// The just-in-time configuration, as it goes into the runner's environment.
    pub jit: Secret,
}

/// A registration as GitHub tells of it. What it did not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerSeen {
    pub runner: RunnerId,
    pub name: String,
    pub online: Option<bool>,
    pub busy: Option<bool>,
    pub labels: Vec<String>,
    pub version: Option<String>,
}

/// What became of a registration that should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Gone,
    /// It still has a job; wait for the runner's end.
    Busy,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// What was registered is gone again, or never was: ask again, under a new name.
    #[error("the answer about runner {name} was lost or its name is taken; nothing is registered under it now")]
    Lost {
        name: RunnerName,
        #[source]
        cause: CallError,
    },
    /// A registration of this name may be left; the sweep has to look for it.
    #[error("cannot find out whether runner {name} is registered")]
    Unresolved {
        name: RunnerName,
        #[source]
        cause: CallError,
    },
    /// Nothing was registered.
    #[error("runner {name} is not registered")]
    Refused {
        name: RunnerName,
        #[source]
        cause: CallError,
    },
}

impl RegisterError {
    /// What to do next; every new attempt takes a new name.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Lost { .. } | Self::Unresolved { .. } => Remedy::Wait,
            Self::Refused { cause, .. } => cause.remedy(),
        }
    }
}

/// What is to be said about a registration that failed. When nobody knows whether it was made, the name tells: names are
/// ours alone, so what is found under it is taken away.
async fn resolved<R: Registrar>(registrar: &R, name: &RunnerName, cause: CallError) -> RegisterError {
    let name = name.clone();
    if cause.remedy() != Remedy::FindOut {
        return RegisterError::Refused { name, cause };
    }
    match take_away(registrar, &name).await {
        Ok(Removal::Gone) => RegisterError::Lost { name, cause },
        Ok(Removal::Busy) => RegisterError::Unresolved { name, cause },
        Err(later) => RegisterError::Unresolved { name, cause: later },
    }
}

async fn take_away<R: Registrar>(registrar: &R, name: &RunnerName) -> Result<Removal, CallError> {
    match registrar.find(name).await? {
        Some(runner) => registrar.remove(runner.runner).await,
        None => Ok(Removal::Gone),
    }
}
