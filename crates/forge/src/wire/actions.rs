//! Repositories, workflow runs and their jobs, over REST.

use serde::Deserialize;

use super::or_default;

#[derive(Debug, Deserialize)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) full_name: String,
    pub(crate) private: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Runs {
    pub(crate) workflow_runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) event: Option<String>,
    /// `.github/workflows/ci.yml`, with `@ref` behind it for a reusable one.
    pub(crate) path: Option<String>,
    pub(crate) head_branch: Option<String>,
    /// As it is called now, whatever name was asked for.
    pub(crate) repository: RunRepository,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RunRepository {
    pub(crate) full_name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Jobs {
    pub(crate) jobs: Vec<Job>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) run_id: i64,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) labels: Vec<String>,
    pub(crate) runner_id: Option<i64>,
    pub(crate) runner_name: Option<String>,
}
