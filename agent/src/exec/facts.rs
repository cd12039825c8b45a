//! The facts of a local job: what git says, unless the caller knows better.

use std::ffi::OsString;

use hearth_model::{Event, Forge, JobFacts, Ref, RunFacts};

use super::ExecArgs;
use crate::checkout::{Checkout, Toolchain, platform};
use crate::environment::Environment;

pub(super) fn facts(
    args: &ExecArgs,
    checkout: &Checkout,
    toolchain: Option<&Toolchain>,
    environment: &Environment,
) -> JobFacts {
    let event = args.event.clone().unwrap_or(Event::Local);
    JobFacts {
        forge: Forge::Local,
        repository: checkout.repository.clone(),
        event,
        reference: args.reference.clone().map_or_else(|| checkout.reference.clone(), Ref::from),
        base_branch: args.base.clone(),
        default_branch: args.default_branch.clone().unwrap_or_else(|| checkout.default_branch.clone()),
        from_fork: args.from_fork,
        commit: checkout.commit.clone(),
        work_tree: checkout.work_tree,
        lock_digest: checkout.lock_digest.clone(),
        workflow: args.workflow.clone(),
        job: args.job.clone(),
        actor: environment.text("USER").or_else(|| environment.text("LOGNAME")).map(str::to_owned),
        platform: platform(toolchain),
        run: RunFacts { run_id: args.run_id, run_attempt: args.run_id.map(|_| args.attempt), ..RunFacts::default() },
    }
}

/// What a command says of profile, features and targets, in order: two commands that differ in it build different
/// things. A script's text counts as its words.
pub(super) fn build_options(command: &[OsString]) -> String {
    const ALONE: [&str; 4] = ["--release", "-r", "--all-features", "--no-default-features"];
    const WITH_VALUE: [&str; 5] = ["--profile", "--cargo-profile", "--features", "-F", "--target"];
    let text: Vec<String> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = text.iter().flat_map(|word| word.split_whitespace()).collect();
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if ALONE.contains(word) || WITH_VALUE.iter().any(|name| word.starts_with(&format!("{name}="))) {
            found.push((*word).to_owned());
        } else if WITH_VALUE.contains(word) {
            found.push(format!("{word}={}", words.get(index + 1).unwrap_or(&"")));
        }
    }
    found.sort();
    found.dedup();
    found.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &[&str], expected: &str) {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        assert_eq!(build_options(&command), expected, "{command:?}");
    }

    #[test]
    fn builds_differ_by_profile_features_and_targets_only() {
        check(&["cargo", "build"], "");
        check(&["cargo", "test", "--workspace", "-p", "x"], "");
        check(&["cargo", "build", "--release", "--features", "a,b"], "--features=a,b --release");
        check(&["cargo", "build", "--features=a,b", "--release"], "--features=a,b --release");
        check(
            &["sh", "-c", "cargo build && cargo test --target x86_64-unknown-linux-musl"],
            "--target=x86_64-unknown-linux-musl",
        );
    }
}
