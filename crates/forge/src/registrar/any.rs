//! A registrar of either kind, chosen by the operator's settings.

use super::{RegisterError, Registrar, Removal, RestRegistrar, RunnerSeen, ScaleSetRegistrar, Ticket};
use crate::call::CallError;
use crate::ids::{RunnerId, RunnerName};

/// Registers runners in whichever way the settings say.
#[derive(Debug, Clone)]
pub enum AnyRegistrar {
    ScaleSet(ScaleSetRegistrar),
    Rest(RestRegistrar),
}

impl Registrar for AnyRegistrar {
    async fn register(&self, name: &RunnerName) -> Result<Ticket, RegisterError> {
        match self {
            Self::ScaleSet(registrar) => registrar.register(name).await,
            Self::Rest(registrar) => registrar.register(name).await,
        }
    }

    async fn find(&self, name: &RunnerName) -> Result<Option<RunnerSeen>, CallError> {
        match self {
            Self::ScaleSet(registrar) => registrar.find(name).await,
            Self::Rest(registrar) => registrar.find(name).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<RunnerSeen>, CallError> {
        match self {
            Self::ScaleSet(registrar) => registrar.list(prefix).await,
            Self::Rest(registrar) => registrar.list(prefix).await,
        }
    }

    async fn remove(&self, runner: RunnerId) -> Result<Removal, CallError> {
        match self {
            Self::ScaleSet(registrar) => registrar.remove(runner).await,
            Self::Rest(registrar) => registrar.remove(runner).await,
        }
    }
}
