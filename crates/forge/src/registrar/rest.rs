//! Registrations over REST.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{RegisterError, Registrar, Removal, RunnerSeen, Ticket, resolved};
use crate::call::CallError;
use crate::ids::{RunnerId, RunnerName};
use crate::labels::Labels;
use crate::rest::Github;

/// Registers runners over REST.
#[derive(Debug, Clone)]
pub struct RestRegistrar(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    github: Github,
    labels: Labels,
    work_folder: String,
    group: Option<String>,
    group_id: OnceCell<i64>,
}

impl RestRegistrar {
    pub(crate) fn new(github: Github, labels: Labels, group: Option<String>, work_folder: String) -> Self {
        Self(Arc::new(Inner { github, labels, work_folder, group, group_id: OnceCell::new() }))
    }

    async fn try_register(&self, name: &RunnerName) -> Result<Ticket, CallError> {
        let inner = &*self.0;
        let group = inner.group_id.get_or_try_init(|| inner.github.group_id(inner.group.as_deref())).await?;
        inner.github.generate_jit_config(name, *group, &inner.labels, &inner.work_folder).await
    }
}

impl Registrar for RestRegistrar {
    async fn register(&self, name: &RunnerName) -> Result<Ticket, RegisterError> {
        match self.try_register(name).await {
            Ok(ticket) => Ok(ticket),
            Err(cause) => Err(resolved(self, name, cause).await),
        }
    }

    async fn find(&self, name: &RunnerName) -> Result<Option<RunnerSeen>, CallError> {
        self.0.github.runner_named(name).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<RunnerSeen>, CallError> {
        self.0.github.runners(prefix).await
    }

    async fn remove(&self, runner: RunnerId) -> Result<Removal, CallError> {
        self.0.github.delete_runner(runner).await
    }
}
