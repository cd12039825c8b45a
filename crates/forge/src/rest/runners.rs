//! Registrations of runners.

use hearth_daemon::secrets::Secret;
use reqwest::Method;

use super::Github;
use crate::call::CallError;
use crate::http::{Repeat, Request, Resource};
use crate::ids::{RunnerId, RunnerName};
use crate::labels::Labels;
use crate::registrar::{Removal, RunnerSeen, Ticket};
use crate::wire::{JitConfig, JitRequest, RegistrationToken, Runner, Runners};

impl Github {
    /// Registers a runner for one job. Sent once: who calls this finds out by name what became of a lost answer.
    pub(crate) async fn generate_jit_config(
        &self,
        name: &RunnerName,
        group: i64,
        labels: &Labels,
        work_folder: &str,
    ) -> Result<Ticket, CallError> {
        let what = format!("register runner {name} at {}", self.endpoint().scope());
        let url = self.endpoint().scoped(&["actions", "runners", "generate-jitconfig"]);
        let body =
            JitRequest { name: name.as_str(), runner_group_id: group, labels: labels.iter().collect(), work_folder };
        let request = Request::new(what, Method::POST, url, Repeat::Never).with_body(&body);
        let answer: JitConfig = self.call(request, Resource::Registration).await?.json()?;
        let jit = Secret::new(answer.encoded_jit_config);
        Ok(Ticket { runner: RunnerId(answer.runner.id), name: name.clone(), jit })
    }

    /// All registrations whose names begin so; at most a thousand are looked at.
    pub async fn runners(&self, prefix: &str) -> Result<Vec<RunnerSeen>, CallError> {
        let what = format!("list the runners of {}", self.endpoint().scope());
        let request = Request::get(what, self.endpoint().scoped(&["actions", "runners"]));
        let all = self.pages(request, |page| page.json().map(|page: Runners| page.runners)).await?;
        Ok(all.into_iter().filter(|runner| runner.name.starts_with(prefix)).map(seen).collect())
    }

    /// The registration of exactly this name.
    pub async fn runner_named(&self, name: &RunnerName) -> Result<Option<RunnerSeen>, CallError> {
        let what = format!("look for runner {name} at {}", self.endpoint().scope());
        let mut url = self.endpoint().scoped(&["actions", "runners"]);
        url.query_pairs_mut().append_pair("name", name.as_str());
        let page: Runners = self.get(Request::get(what, url)).await?.json()?;
        Ok(page.runners.into_iter().find(|runner| runner.name.eq_ignore_ascii_case(name.as_str())).map(seen))
    }

    pub async fn runner(&self, id: RunnerId) -> Result<Option<RunnerSeen>, CallError> {
        let what = format!("look for runner {id} at {}", self.endpoint().scope());
        let url = self.endpoint().scoped(&["actions", "runners", &id.to_string()]);
        match self.get(Request::get(what, url)).await {
            Ok(answer) => Ok(Some(seen(answer.json()?))),
            Err(CallError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a registration. One that is not there is gone.
    pub async fn delete_runner(&self, id: RunnerId) -> Result<Removal, CallError> {
        let what = format!("remove runner {id} from {}", self.endpoint().scope());
        let url = self.endpoint().scoped(&["actions", "runners", &id.to_string()]);
        match self.call(Request::new(what, Method::DELETE, url, Repeat::Harmless), Resource::Core).await {
            Ok(_) | Err(CallError::NotFound { .. }) => Ok(Removal::Gone),
            Err(CallError::Invalid { message, .. }) if message.contains("still running a job") => Ok(Removal::Busy),
            Err(error) => Err(error),
        }
    }

    /// The token that opens the scale set service's door. Another one does no harm.
    pub(crate) async fn registration_token(&self) -> Result<Secret, CallError> {
        let what = format!("get a registration token for {}", self.endpoint().scope());
        let url = self.endpoint().scoped(&["actions", "runners", "registration-token"]);
        let request = Request::new(what, Method::POST, url, Repeat::Harmless);
        let token: RegistrationToken = self.call(request, Resource::Core).await?.json()?;
        Ok(Secret::new(token.token))
    }
}

fn seen(runner: Runner) -> RunnerSeen {
    RunnerSeen {
        runner: RunnerId(runner.id),
        name: runner.name,
        online: runner.status.map(|status| status == "online"),
        busy: runner.busy,
        labels: runner.labels.into_iter().map(|label| label.name).collect(),
        version: runner.version,
    }
}
