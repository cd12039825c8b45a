//! What a step sees in its environment. Pure: from what the process inherited, the job said and earlier steps exported.
//!
//! ```text
//!   script    inherited < workflow and job env, overwritten by GITHUB_ENV < step env < PATH < GITHUB_*, RUNNER_*
//!   hook      inherited                                                              < PATH < GITHUB_*, RUNNER_*
//! ```
//!
//! A hook sees neither the workflow's `env:` nor what a hook before it exported, but its `PATH` has the prepended
//! directories. What a step exports takes the place of the workflow's and the job's `env:` of that name; only a step's
//! own `env:` wins over it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::environment::Variables;

/// Keys of the context `github` that become variables. All others are for expressions.
const GITHUB: [&str; 39] = [
    "action",
    "action_path",
    "action_ref",
    "action_repository",
    "actor",
    "actor_id",
    "api_url",
    "artifacts",
    "artifacts_list",
    "base_ref",
    "env",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "output",
    "path",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "state",
    "step_summary",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
];
const PATH: &str = "PATH";

/// What lasts from step to step.
#[derive(Debug)]
pub(crate) struct Context {
    /// The runner's own variables, the tracking id among them.
    pub(crate) inherited: Variables,
    /// `env:` of workflow and job, and what steps exported.
    pub(crate) env: BTreeMap<String, String>,
    /// In the order in which they came.
    prepended: Vec<String>,
    pub(crate) github: BTreeMap<String, String>,
    pub(crate) runner: BTreeMap<String, String>,
}

impl Context {
    pub(crate) fn new(inherited: Variables, env: BTreeMap<String, String>, github: BTreeMap<String, String>) -> Self {
        Self { inherited, env, prepended: Vec::new(), github, runner: BTreeMap::new() }
    }

    /// A path that came before moves to the front.
    pub(crate) fn prepend(&mut self, path: String) {
        self.prepended.retain(|known| *known != path);
        self.prepended.push(path);
    }

    /// Where programs of steps are looked for: what was prepended, the last first, then what the runner inherited.
    pub(crate) fn search_path(&self) -> OsString {
        self.with_prepended(self.inherited.get(OsStr::new(PATH)))
    }

    /// The environment of a hook. `step` holds what is new in the context `github`: the file commands.
    pub(crate) fn of_hook(&self, step: &BTreeMap<String, String>) -> Variables {
        self.of(BTreeMap::new(), step)
    }

    /// The environment of a step of the workflow.
    pub(crate) fn of_step(&self, env: &BTreeMap<String, String>, step: &BTreeMap<String, String>) -> Variables {
        let mut own = self.env.clone();
        own.extend(env.clone());
        self.of(own, step)
    }

    fn of(&self, own: BTreeMap<String, String>, step: &BTreeMap<String, String>) -> Variables {
        let mut all = self.inherited.clone();
        all.extend(own.into_iter().map(|(name, value)| (name.into(), value.into())));
        if !self.prepended.is_empty() {
            let path = self.with_prepended(all.get(OsStr::new(PATH)));
            all.insert(PATH.into(), path);
        }
        let of_github = self.github.iter().chain(step).filter(|(key, _)| GITHUB.contains(&key.as_str()));
        all.extend(of_github.map(|(key, value)| (format!("GITHUB_{}", key.to_uppercase()).into(), value.into())));
        let of_runner = self.runner.iter();
        all.extend(of_runner.map(|(key, value)| (format!("RUNNER_{}", key.to_uppercase()).into(), value.into())));
        all.insert("GITHUB_ACTIONS".into(), "true".into());
        all.entry("CI".into()).or_insert_with(|| "true".into());
        all
    }

    /// A path that begins with all of them already stays as it is.
    fn with_prepended(&self, path: Option<&OsString>) -> OsString {
        let prepended = self.prepended.iter().rev().map(String::as_str).collect::<Vec<_>>().join(":");
        let path = path.cloned().unwrap_or_default();
        if path.is_empty() {
            return prepended.into();
        }
        let beginning = format!("{prepended}:");
        if prepended.is_empty() || path.as_encoded_bytes().starts_with(beginning.as_bytes()) {
            return path;
        }
        let mut all = OsString::from(beginning);
        all.push(path);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn context() -> Context {
        let inherited = [("PATH", "/bin"), ("A", "inherited"), ("KEEP", "k")];
        let inherited = inherited.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let github = [("run_id", "7"), ("token", "secret"), ("event", "{}"), ("workspace", "/w"), ("env", "/old")];
        let mut context = Context::new(inherited, texts(&[("A", "workflow"), ("B", "workflow")]), texts(&github));
        context.runner = texts(&[("name", "oven-1")]);
        context
    }

    fn get<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
        variables.get(OsStr::new(name)).and_then(|value| value.to_str())
    }

    #[test]
    fn a_step_sees_its_own_env_before_what_was_exported_before_the_workflow() {
        let mut context = context();
        context.env.insert("B".to_owned(), "exported".to_owned());
        context.env.insert("C".to_owned(), "exported".to_owned());
        let seen = context.of_step(&texts(&[("C", "step")]), &texts(&[("env", "/new")]));
        for (name, value) in [
            ("A", Some("workflow")),
            ("B", Some("exported")),
            ("C", Some("step")),
            ("KEEP", Some("k")),
            ("GITHUB_RUN_ID", Some("7")),
            ("GITHUB_ENV", Some("/new")),
            ("GITHUB_WORKSPACE", Some("/w")),
            ("GITHUB_TOKEN", None),
            ("GITHUB_EVENT", None),
            ("RUNNER_NAME", Some("oven-1")),
            ("GITHUB_ACTIONS", Some("true")),
            ("CI", Some("true")),
        ] {
            assert_eq!(get(&seen, name), value, "{name}");
        }
    }

    #[test]
    fn nothing_overwrites_the_contexts() {
        let context = context();
        let seen = context.of_step(&texts(&[("GITHUB_RUN_ID", "8"), ("RUNNER_NAME", "x"), ("CI", "0")]), &texts(&[]));
        let seen = ["GITHUB_RUN_ID", "RUNNER_NAME", "CI"].map(|name| get(&seen, name));
        assert_eq!(seen, [Some("7"), Some("oven-1"), Some("0")]);
    }

    #[test]
    fn a_hook_sees_no_env_but_the_path() {
        let mut context = context();
        context.env.insert("C".to_owned(), "exported".to_owned());
        context.prepend("/a".to_owned());
        let seen = context.of_hook(&texts(&[]));
        let seen = ["A", "B", "C", "PATH", "GITHUB_RUN_ID"].map(|name| get(&seen, name));
        assert_eq!(seen, [Some("inherited"), None, None, Some("/a:/bin"), Some("7")]);
    }

    #[test]
    fn the_last_path_comes_first() {
        let mut context = context();
        for path in ["/a", "/b", "/a"] {
            context.prepend(path.to_owned());
        }
        assert_eq!(context.search_path(), "/a:/b:/bin");
        let of_env = context.of_step(&texts(&[("PATH", "/own")]), &texts(&[]));
        assert_eq!(get(&of_env, "PATH"), Some("/a:/b:/own"));
        let again = context.of_step(&texts(&[("PATH", "/a:/b:/own")]), &texts(&[]));
        assert_eq!(get(&again, "PATH"), Some("/a:/b:/own"));
        context.inherited.remove(OsStr::new("PATH"));
        assert_eq!(context.search_path(), "/a:/b");
    }
}
