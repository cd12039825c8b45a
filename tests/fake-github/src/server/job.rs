//! Jobs as a test describes them, before anybody queues them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::runner_protocol::{Action, Checkout, Condition, Step};

/// A job of a workflow, as the file and the event that started it describe it.
#[derive(Debug, Clone)]
pub struct Job {
    /// `owner/name`.
    pub repository: String,
    /// The key in the workflow file.
    pub key: String,
    /// What people see; a matrix gives several jobs of one key different names.
    pub name: String,
    /// `runs-on`.
    pub labels: Vec<String>,
    pub steps: Vec<Step>,
    pub env: BTreeMap<String, String>,
    pub workflow: String,
    pub workflow_file: String,
    pub event_name: String,
    pub event: Value,
    /// `refs/heads/main`.
    pub reference: String,
    pub head_ref: String,
    pub base_ref: String,
    pub sha: String,
    pub actor: String,
}

impl Job {
    /// A job of a push to `main` that runs anywhere and does nothing.
    pub fn new(repository: &str) -> Self {
        let text = str::to_owned;
        Self {
            repository: text(repository),
            key: text("build"),
            name: text("build"),
            labels: vec![text("self-hosted")],
            steps: Vec::new(),
            env: BTreeMap::new(),
            workflow: text("CI"),
            workflow_file: text(".github/workflows/ci.yml"),
            event_name: text("push"),
            event: json!({ "ref": "refs/heads/main" }),
            reference: text("refs/heads/main"),
            head_ref: String::new(),
            base_ref: String::new(),
            sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            actor: text("octocat"),
        }
    }

    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        key.clone_into(&mut self.name);
        self
    }

    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    #[must_use]
    pub fn labels<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    #[must_use]
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// One more step: a script.
    #[must_use]
    pub fn run(self, script: &str) -> Self {
        let name = format!("Run {}", script.lines().next().unwrap_or(script));
        self.steps([step(&name, Action::Run(script.to_owned()))])
    }

    /// One more step: a checkout of a commit or a ref from this URL.
    #[must_use]
    pub fn checkout(self, url: &str, reference: &str) -> Self {
        let checkout = Checkout { url: url.to_owned(), reference: reference.to_owned(), path: None };
        self.steps([step("Run actions/checkout@v4", Action::Checkout(checkout))])
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn event(mut self, name: &str, payload: Value) -> Self {
        name.clone_into(&mut self.event_name);
        self.event = payload;
        self
    }

    #[must_use]
    pub fn reference(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.reference);
        self
    }

    #[must_use]
    pub fn sha(mut self, sha: &str) -> Self {
        sha.clone_into(&mut self.sha);
        self
    }

    /// From a branch into a branch, as pull requests are.
    #[must_use]
    pub fn branches(mut self, head: &str, base: &str) -> Self {
        head.clone_into(&mut self.head_ref);
        base.clone_into(&mut self.base_ref);
        self
    }

    #[must_use]
    pub fn workflow(mut self, name: &str, file: &str) -> Self {
        name.clone_into(&mut self.workflow);
        file.clone_into(&mut self.workflow_file);
        self
    }

    /// `owner/name/.github/workflows/ci.yml@refs/heads/main`.
    pub(crate) fn workflow_ref(&self) -> String {
        format!("{}/{}@{}", self.repository, self.workflow_file, self.reference)
    }

    /// The ref as people say it: `main`, `v1`, `12/merge`.
    pub(crate) fn ref_name(&self) -> &str {
        let prefixes = ["refs/heads/", "refs/tags/", "refs/pull/"];
        prefixes.iter().find_map(|prefix| self.reference.strip_prefix(prefix)).unwrap_or(&self.reference)
    }

    pub(crate) fn ref_type(&self) -> &'static str {
        if self.reference.starts_with("refs/tags/") { "tag" } else { "branch" }
    }
}

fn step(name: &str, action: Action) -> Step {
    let (env, condition) = (BTreeMap::new(), Condition::Success);
    Step { name: name.to_owned(), action, env, condition, is_container: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_is_shown_as_github_shows_it() {
        for (reference, name, kind) in [
            ("refs/heads/feature/a", "feature/a", "branch"),
            ("refs/tags/v1", "v1", "tag"),
            ("refs/pull/12/merge", "12/merge", "branch"),
        ] {
            let job = Job::new("acme/widgets").reference(reference);
            assert_eq!((job.ref_name(), job.ref_type()), (name, kind));
        }
    }
}
