//! Runners, as the service sees them.

use hearth_daemon::secrets::Secret;
use reqwest::Method;

use super::{Ask, ScaleSetService, says};
use crate::call::CallError;
use crate::http::Repeat;
use crate::ids::{RunnerId, RunnerName};
use crate::registrar::{Removal, RunnerSeen, Ticket};
use crate::wire::{Agent, List, ScaleSetJit, ScaleSetJitRequest};

const AGENTS: &[&str] = &["_apis", "distributedtask", "pools", "0", "agents"];

impl ScaleSetService {
    /// Registers a runner for one job. Sent once: who calls this finds out by name what became of a lost answer.
    pub(crate) async fn generate_jit_config(&self, name: &RunnerName) -> Result<Ticket, CallError> {
        let id = self.set_id().await?.to_string();
        let path = ["_apis", "runtime", "runnerscalesets", &id, "generatejitconfig"];
        let what = format!("register runner {name} in scale set {}", self.name());
        let body = ScaleSetJitRequest { name: name.as_str(), work_folder: &self.0.wanted.work_folder };
        let answer = self.call(Ask::new(what, Method::POST, &path, Repeat::Never).with_body(&body)).await;
        if matches!(answer, Err(CallError::NotFound { .. })) {
            self.forget_set().await;
        }
        let jit: ScaleSetJit = answer?.json()?;
        let (runner, jit) = (RunnerId(jit.runner.id), Secret::new(jit.encoded_jit_config));
        Ok(Ticket { runner, name: name.clone(), jit })
    }

    pub(crate) async fn agent_named(&self, name: &RunnerName) -> Result<Option<RunnerSeen>, CallError> {
        let what = format!("look for runner {name} of scale set {}", self.name());
        let query = [("agentName", name.as_str())];
        let ask = Ask { query: &query, ..Ask::new(what, Method::GET, AGENTS, Repeat::Harmless) };
        let list: List<Agent> = self.call(ask).await?.json()?;
        let found = list.value.into_iter().find(|agent| agent.name.eq_ignore_ascii_case(name.as_str()));
        Ok(found.map(|agent| RunnerSeen {
            runner: RunnerId(agent.id),
            name: agent.name,
            online: None,
            busy: None,
            labels: Vec::new(),
            version: None,
        }))
    }

    pub(crate) async fn delete_agent(&self, runner: RunnerId) -> Result<Removal, CallError> {
        let what = format!("remove runner {runner} of scale set {}", self.name());
        let id = runner.to_string();
        let path = [AGENTS, &[&id]].concat();
        match self.call(Ask::new(what, Method::DELETE, &path, Repeat::Harmless)).await {
            Ok(_) | Err(CallError::NotFound { .. }) => Ok(Removal::Gone),
            Err(CallError::Invalid { exception, message, .. } | CallError::Conflict { exception, message, .. })
                if says(exception.as_deref(), &message, "JobStillRunningException") =>
            {
                Ok(Removal::Busy)
            }
            Err(error) => Err(error),
        }
    }
}
