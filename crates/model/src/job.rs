//! What is known of a job when it starts. Facts come from the forge or, for a local job, from git; nothing here has
//! been decided yet. Trust, lease and budgets are derived from these facts and from nothing else.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a job comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forge {
    /// `hearth exec` on this machine.
    Local,
    /// GitHub, by host: `github.com`, a `ghe.com` tenant or an own server.
    GitHub { host: String },
}

impl Forge {
    /// The name that stands in the ledger.
    pub fn host(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::GitHub { host } => host,
        }
    }
}

/// What caused the job, in GitHub's words, plus `local` for a command that a person started by hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Event {
    Local,
    Push,
    Schedule,
    WorkflowDispatch,
    MergeGroup,
    PullRequest,
    PullRequestTarget,
    Release,
    /// Any event that has no rule of its own. It is kept as it was said.
    Other(String),
}

impl Event {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::Push => "push",
            Self::Schedule => "schedule",
            Self::WorkflowDispatch => "workflow_dispatch",
            Self::MergeGroup => "merge_group",
            Self::PullRequest => "pull_request",
            Self::PullRequestTarget => "pull_request_target",
            Self::Release => "release",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for Event {
    fn from(name: String) -> Self {
        match name.as_str() {
            "local" => Self::Local,
            "push" => Self::Push,
            "schedule" => Self::Schedule,
            "workflow_dispatch" => Self::WorkflowDispatch,
            "merge_group" => Self::MergeGroup,
            "pull_request" => Self::PullRequest,
            "pull_request_target" => Self::PullRequestTarget,
            "release" => Self::Release,
            _ => Self::Other(name),
        }
    }
}

impl From<Event> for String {
    fn from(event: Event) -> Self {
        event.as_str().to_owned()
    }
}

impl FromStr for Event {
    type Err = Infallible;
    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self::from(name.to_owned()))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A git ref by its full name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Ref {
    /// `refs/heads/<name>`
    Branch(String),
    /// `refs/tags/<name>`
    Tag(String),
    /// `refs/pull/<number>/merge` or `/head`
    PullRequest(u64),
    /// Anything else, as it was said; a detached checkout is `HEAD`.
    Other(String),
}

impl From<String> for Ref {
    fn from(full: String) -> Self {
        if let Some(name) = full.strip_prefix("refs/heads/").filter(|n| !n.is_empty()) {
            return Self::Branch(name.to_owned());
        }
        if let Some(name) = full.strip_prefix("refs/tags/").filter(|n| !n.is_empty()) {
            return Self::Tag(name.to_owned());
        }
        let number = full
            .strip_prefix("refs/pull/")
            .and_then(|rest| rest.strip_suffix("/merge").or_else(|| rest.strip_suffix("/head")))
            .and_then(|n| n.parse().ok());
        number.map_or(Self::Other(full), Self::PullRequest)
    }
}

impl From<Ref> for String {
    fn from(reference: Ref) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "refs/heads/{name}"),
            Self::Tag(name) => write!(f, "refs/tags/{name}"),
            Self::PullRequest(number) => write!(f, "refs/pull/{number}/merge"),
            Self::Other(full) => f.write_str(full),
        }
    }
}

/// Whether the checkout holds exactly its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkTree {
    Clean,
    Dirty,
}

/// The forge's own numbers for a job; a local job has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    pub repository_id: Option<u64>,
    pub run_id: Option<u64>,
    pub run_attempt: Option<u32>,
    /// GitHub's REST id of the job.
    pub job_id: Option<u64>,
    pub runner_name: Option<String>,
    /// `owner/repo/path@ref` of the workflow file.
    pub workflow_ref: Option<String>,
}

/// What is known of a job when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFacts {
    pub forge: Forge,
    /// `host/owner/name`, or `local/<directory>` for a repository that has no remote.
    pub repository: String,
    pub event: Event,
    pub reference: Ref,
    /// The branch that a pull request wants to go into.
    pub base_branch: Option<String>,
    pub default_branch: String,
    /// A pull request whose head is in another repository.
    pub from_fork: bool,
    /// Hex object id; `None` in a repository without commits.
    pub commit: Option<String>,
    pub work_tree: WorkTree,
    /// Digest of `Cargo.lock`, when there is one.
    pub lock_digest: Option<String>,
    pub workflow: Option<String>,
    pub job: String,
    pub actor: Option<String>,
    /// Target triple of the machine, or of the build when it is known.
    pub platform: String,
    pub run: RunFacts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_taken_apart_and_put_together() {
        for full in ["refs/heads/main", "refs/heads/a/b", "refs/tags/v1", "refs/pull/7/merge", "HEAD", "refs/heads/"] {
            assert_eq!(Ref::from(full.to_owned()).to_string(), full);
        }
        assert_eq!(Ref::from("refs/pull/7/merge".to_owned()), Ref::PullRequest(7));
        assert_eq!(Ref::from("refs/pull/x/merge".to_owned()), Ref::Other("refs/pull/x/merge".to_owned()));
    }

    #[test]
    fn an_unknown_event_is_kept_as_it_was_said() {
        let event: Event = serde_json::from_str("\"issue_comment\"").unwrap();
        assert_eq!(event, Event::Other("issue_comment".to_owned()));
        assert_eq!(serde_json::to_string(&event).unwrap(), "\"issue_comment\"");
    }
}
