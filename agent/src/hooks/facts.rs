//! What a started hook knows of its job: variables that the runner program sets, and a few fields of the event's
//! payload. Nothing of the job itself has run by then, so these facts are the forge's.

use std::fs::File;
use std::io::Read;

use hearth_model::{Event, Forge, JobFacts, Ref, RunFacts, WorkTree};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;

/// GitHub's own limit for a payload is 25 MB.
const LARGEST_PAYLOAD: u64 = 32 << 20;
/// Longer names are cut: they are for people and for telling jobs apart.
const LONGEST: usize = 256;

/// The facts as the hook sends them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HookFacts {
    /// `owner/name`
    pub repository: String,
    pub repository_id: Option<u64>,
    pub event: String,
    pub reference: String,
    pub base_branch: Option<String>,
    pub commit: Option<String>,
    pub workflow: Option<String>,
    pub workflow_ref: Option<String>,
    pub job: String,
    pub actor: Option<String>,
    pub run_id: Option<u64>,
    pub run_attempt: Option<u32>,
    pub runner_name: String,
    /// Where the checkout will be.
    pub workspace: String,
    pub payload: PayloadFacts,
}

/// What the event's payload adds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PayloadFacts {
    pub default_branch: Option<String>,
    pub pull_request: Option<PullRequestFacts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequestFacts {
    pub number: u64,
    pub base_branch: String,
    /// Its head is in another repository, or in one that is gone.
    pub from_fork: bool,
}

impl HookFacts {
    /// Reads what the runner program set for this hook.
    pub(super) fn of(environment: &Environment) -> Self {
        let text = |name: &str| environment.text(name).map(clean);
        let payload = environment.text("GITHUB_EVENT_PATH").and_then(|path| {
            let mut bytes = Vec::new();
            File::open(path).ok()?.take(LARGEST_PAYLOAD).read_to_end(&mut bytes).ok()?;
            PayloadFacts::parse(&bytes)
        });
        Self {
            repository: text("GITHUB_REPOSITORY").unwrap_or_default(),
            repository_id: text("GITHUB_REPOSITORY_ID").and_then(|id| id.parse().ok()),
            event: text("GITHUB_EVENT_NAME").unwrap_or_default(),
            reference: text("GITHUB_REF").unwrap_or_default(),
            base_branch: text("GITHUB_BASE_REF"),
            commit: text("GITHUB_SHA"),
            workflow: text("GITHUB_WORKFLOW"),
            workflow_ref: text("GITHUB_WORKFLOW_REF"),
            job: text("GITHUB_JOB").unwrap_or_default(),
            actor: text("GITHUB_ACTOR"),
            run_id: text("GITHUB_RUN_ID").and_then(|id| id.parse().ok()),
            run_attempt: text("GITHUB_RUN_ATTEMPT").and_then(|n| n.parse().ok()),
            runner_name: text("RUNNER_NAME").unwrap_or_default(),
            workspace: text("GITHUB_WORKSPACE").unwrap_or_default(),
            payload: payload.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct Payload {
    repository: Option<Repository>,
    pull_request: Option<PullRequest>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    name: String,
    repo: Option<Repository>,
}

impl PayloadFacts {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let payload: Payload = serde_json::from_slice(bytes).ok()?;
        let ours = payload.repository.as_ref().map(|repository| repository.id);
        let pull_request = payload.pull_request.map(|pull_request| PullRequestFacts {
            number: pull_request.number,
            base_branch: clean(&pull_request.base.name),
            // A head without a repository was a fork that is gone.
            from_fork: ours.is_none() || pull_request.head.repo.map(|head| head.id) != ours,
        });
        let default_branch = payload.repository.and_then(|repository| repository.default_branch);
        Some(Self { default_branch: default_branch.as_deref().map(clean), pull_request })
    }
}

/// The job's facts, out of the hook's. `host` is the forge's, `platform` this machine's triple.
pub fn job_facts(said: &HookFacts, host: &str, platform: &str) -> JobFacts {
    let event = Event::from(said.event.clone());
    let pull_request = said.payload.pull_request.as_ref();
    let is_about_pull_request = matches!(event, Event::PullRequest | Event::PullRequestTarget);
    JobFacts {
        forge: Forge::GitHub { host: host.to_owned() },
        repository: format!("{host}/{}", said.repository),
        reference: Ref::from(said.reference.clone()),
        base_branch: said.base_branch.clone().or_else(|| pull_request.map(|p| p.base_branch.clone())),
        // Without a known default branch no branch is the default, so nothing is trusted.
        default_branch: said.payload.default_branch.clone().unwrap_or_default(),
        // A pull request that nobody describes may come from anywhere.
        from_fork: is_about_pull_request && pull_request.is_none_or(|p| p.from_fork),
        event,
        commit: said.commit.clone(),
        work_tree: WorkTree::Clean,
        lock_digest: None,
        workflow: said.workflow.clone(),
        job: if said.job.is_empty() { "unknown".to_owned() } else { said.job.clone() },
        actor: said.actor.clone(),
        platform: platform.to_owned(),
        run: RunFacts {
            repository_id: said.repository_id,
            run_id: said.run_id,
            run_attempt: said.run_attempt,
            job_id: None,
            runner_name: Some(said.runner_name.clone()),
            workflow_ref: said.workflow_ref.clone(),
        },
    }
}

/// One line of bounded length: names are chosen by whoever writes a workflow or opens a pull request.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use hearth_trust::{Class, classify};

    use super::*;

    fn hook(event: &str, reference: &str, payload: &str) -> JobFacts {
        let said = HookFacts {
            repository: "acme/rocket".to_owned(),
            event: event.to_owned(),
            reference: reference.to_owned(),
            payload: PayloadFacts::parse(payload.as_bytes()).unwrap_or_default(),
            ..HookFacts::default()
        };
        job_facts(&said, "github.com", "x86_64-unknown-linux-gnu")
    }

    #[track_caller]
    fn check(event: &str, reference: &str, payload: &str, expected: Class) {
        assert_eq!(classify(&hook(event, reference, payload)).class, expected, "{event} {reference} {payload}");
    }

    const PUSH: &str = r#"{"repository":{"id":1,"default_branch":"main"}}"#;

    #[test]
    fn only_the_default_branch_that_the_payload_names_is_trusted() {
        check("push", "refs/heads/main", PUSH, Class::Trusted);
        check("push", "refs/heads/next", PUSH, Class::Branch);
        for nothing_known in ["{}", "not json", r#"{"repository":{"id":1}}"#] {
            check("push", "refs/heads/main", nothing_known, Class::Branch);
        }
    }

    #[test]
    fn a_pull_request_is_a_forks_unless_its_head_is_known_to_be_here() {
        let from = |head: &str| {
            format!(
                r#"{{"repository":{{"id":1,"default_branch":"main"}},"pull_request":{{"number":7,
                "head":{{"ref":"x","repo":{head}}},"base":{{"ref":"main","repo":{{"id":1}}}}}}}}"#
            )
        };
        check("pull_request", "refs/pull/7/merge", &from(r#"{"id":1}"#), Class::PullRequest);
        check("pull_request", "refs/pull/7/merge", &from(r#"{"id":2}"#), Class::ForkPullRequest);
        check("pull_request", "refs/pull/7/merge", &from("null"), Class::ForkPullRequest);
        check("pull_request", "refs/pull/7/merge", PUSH, Class::ForkPullRequest);
        check("pull_request_target", "refs/heads/main", &from(r#"{"id":2}"#), Class::Unknown);
        let facts = hook("pull_request", "refs/pull/7/merge", &from(r#"{"id":1}"#));
        assert_eq!(facts.base_branch.as_deref(), Some("main"));
    }

    #[test]
    fn names_are_one_line_of_bounded_length() {
        let environment = Environment::from_pairs(&[
            ("GITHUB_JOB", "build\n::set-env name=X::y\u{1b}[31m"),
            ("GITHUB_WORKFLOW", &"w".repeat(1000)),
            ("GITHUB_RUN_ID", "not a number"),
        ]);
        let facts = HookFacts::of(&environment);
        assert_eq!(facts.job, "build ::set-env name=X::y [31m");
        assert_eq!(facts.workflow.map(|w| w.len()), Some(LONGEST));
        assert_eq!(facts.run_id, None);
    }
}
