//! Registrations with the scale set service.

use super::{RegisterError, Registrar, Removal, RunnerSeen, Ticket, resolved};
use crate::call::CallError;
use crate::ids::{RunnerId, RunnerName};
use crate::scale_set::ScaleSetService;

/// Registers runners of a scale set.
#[derive(Debug, Clone)]
pub struct ScaleSetRegistrar(ScaleSetService);

impl ScaleSetRegistrar {
    pub(crate) fn new(service: ScaleSetService) -> Self {
        Self(service)
    }
}

impl Registrar for ScaleSetRegistrar {
    async fn register(&self, name: &RunnerName) -> Result<Ticket, RegisterError> {
        match self.0.generate_jit_config(name).await {
            Ok(ticket) => Ok(ticket),
            Err(cause) => Err(resolved(self, name, cause).await),
        }
    }

    async fn find(&self, name: &RunnerName) -> Result<Option<RunnerSeen>, CallError> {
        self.0.agent_named(name).await
    }

    /// The service cannot list; REST shows its runners too.
    async fn list(&self, prefix: &str) -> Result<Vec<RunnerSeen>, CallError> {
        self.0.github().runners(prefix).await
    }

    async fn remove(&self, runner: RunnerId) -> Result<Removal, CallError> {
        self.0.delete_agent(runner).await
    }
}
