//! Workflow runs and their jobs, for polling.

use super::Github;
use crate::call::CallError;
use crate::endpoint::RepositoryName;
use crate::http::Request;
use crate::wire::{Job, Jobs, Run, Runs};

impl Github {
    /// The runs with this status, newest first; at most a thousand.
    pub(crate) async fn runs(&self, repository: &RepositoryName, status: &str) -> Result<Vec<Run>, CallError> {
        let what = format!("list the {status} runs of {repository}");
        let mut url = self.endpoint().api(&["repos", repository.owner(), repository.name(), "actions", "runs"]);
        url.query_pairs_mut().append_pair("status", status);
        self.pages(Request::get(what, url), |page| page.json().map(|page: Runs| page.workflow_runs)).await
    }

    /// The jobs of a run's latest attempt.
    pub(crate) async fn jobs(&self, repository: &RepositoryName, run: i64) -> Result<Vec<Job>, CallError> {
        let what = format!("list the jobs of run {run} of {repository}");
        let run = run.to_string();
        let segments = ["repos", repository.owner(), repository.name(), "actions", "runs", &run, "jobs"];
        let mut url = self.endpoint().api(&segments);
        url.query_pairs_mut().append_pair("filter", "latest");
        self.pages(Request::get(what, url), |page| page.json().map(|page: Jobs| page.jobs)).await
    }

    /// One job; `None` when its run was deleted.
    pub(crate) async fn job(&self, repository: &RepositoryName, id: i64) -> Result<Option<Job>, CallError> {
        let what = format!("look up job {id} of {repository}");
        let number = id.to_string();
        let segments = ["repos", repository.owner(), repository.name(), "actions", "jobs", &number];
        match self.get(Request::get(what, self.endpoint().api(&segments))).await {
            Ok(answer) => answer.json().map(Some),
            Err(CallError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
