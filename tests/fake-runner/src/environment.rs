//! The environment of the fake runner's process: the one place that reads it, arguments and own file included.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

/// The beginning of every variable that stands for an argument. They are taken out before anything else is started.
const INPUT: &str = "ACTIONS_RUNNER_INPUT_";
/// Makes a version that is too old end with a code of its own.
const RETURN_VERSION_DEPRECATED: &str = "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE";
/// Makes the job's result the exit code.
const RETURN_JOB_RESULT: &str = "ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED";
const HOOK_STARTED: &str = "ACTIONS_RUNNER_HOOK_JOB_STARTED";
const HOOK_COMPLETED: &str = "ACTIONS_RUNNER_HOOK_JOB_COMPLETED";
/// Where tools are kept, by falling precedence.
const TOOL_CACHES: [&str; 3] = ["RUNNER_TOOL_CACHE", "RUNNER_TOOLSDIRECTORY", "AGENT_TOOLSDIRECTORY"];

/// Variables of a process, as the system has them.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// What this process was started with.
pub(crate) struct Environment {
    variables: Variables,
}

pub(crate) fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// The file of this program with every symbolic link resolved, as the kernel has it.
pub(crate) fn own_file() -> io::Result<PathBuf> {
    std::env::current_exe()
}

impl Environment {
    pub(crate) fn of_this_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    #[cfg(test)]
    pub(crate) fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { variables: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// Puts in the lines `NAME=value` of the root's `.env`. They win over what was there; an empty value removes, and a
    /// line without a name is passed over.
    pub(crate) fn load(&mut self, dot_env: &str) {
        for line in dot_env.lines() {
            match line.split_once('=') {
                None | Some(("", _)) => {}
                Some((name, "")) => drop(self.variables.remove(OsStr::new(name))),
                Some((name, value)) => drop(self.variables.insert(name.into(), value.into())),
            }
        }
    }

    /// Takes all arguments in the form of variables out, and gives the one that is asked for, by its name in lower case.
    pub(crate) fn take_input(&mut self, wanted: &str) -> Option<String> {
        let mut found = None;
        self.variables.retain(|name, value| {
            let name = name.to_string_lossy().to_ascii_uppercase();
            let Some(input) = name.strip_prefix(INPUT) else {
                return true;
            };
            let value = value.to_string_lossy().trim().to_owned();
            if input.eq_ignore_ascii_case(wanted) && !value.is_empty() {
                found = Some(value);
            }
            false
        });
        found
    }

    /// What a child process gets, before its step adds to it.
    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    pub(crate) fn returns_version_deprecated(&self) -> bool {
        self.is_on(RETURN_VERSION_DEPRECATED)
    }

    pub(crate) fn returns_job_result(&self) -> bool {
        self.is_on(RETURN_JOB_RESULT)
    }

    pub(crate) fn started_hook(&self) -> Option<PathBuf> {
        self.non_empty(HOOK_STARTED)
    }

    pub(crate) fn completed_hook(&self) -> Option<PathBuf> {
        self.non_empty(HOOK_COMPLETED)
    }

    pub(crate) fn tool_cache(&self) -> Option<PathBuf> {
        TOOL_CACHES
            .iter()
            .find_map(|name| self.variables.get(OsStr::new(name)))
            .filter(|v| !v.is_empty())
            .map(Into::into)
    }

    fn non_empty(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    fn is_on(&self, name: &str) -> bool {
        const ON: [&str; 3] = ["1", "true", "$true"];
        let value = self.variables.get(OsStr::new(name)).map(|value| value.to_string_lossy().to_ascii_lowercase());
        value.is_some_and(|value| ON.contains(&value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(environment: &Environment) -> Vec<(&str, &str)> {
        environment.variables().iter().map(|(n, v)| (n.to_str().unwrap(), v.to_str().unwrap())).collect()
    }

    #[test]
    fn dot_env_wins_and_an_empty_value_removes() {
        let mut environment = Environment::of([("A", "1"), ("B", "1"), ("C", "1")]);
        environment.load("A=2\nB=\n=3\nnothing\nD=x=y\r\n");
        assert_eq!(pairs(&environment), [("A", "2"), ("C", "1"), ("D", "x=y")]);
    }

    #[test]
    fn inputs_leave_the_environment_whatever_they_are() {
        let mut environment = Environment::of([
            ("ACTIONS_RUNNER_INPUT_JITCONFIG", " x "),
            ("actions_runner_input_Url", "u"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(environment.take_input("jitconfig").as_deref(), Some("x"));
        assert_eq!(pairs(&environment), [("PATH", "/bin")]);
        assert_eq!(environment.take_input("jitconfig"), None);
    }

    #[test]
    fn switches_are_on_by_the_official_words() {
        for (value, on) in [("1", true), ("TRUE", true), ("0", false), ("", false), ("on", false)] {
            assert_eq!(Environment::of([(RETURN_JOB_RESULT, value)]).returns_job_result(), on, "{value}");
        }
    }
}
