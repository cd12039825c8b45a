//! The fake GitHub as tests of this package start it: held against GitHub's own description wherever that is at hand.

use fake_github::{FakeGithub, Options};

use crate::environment::Environment;

/// Starts one. Without a description it checks everything but the forms of calls and answers.
pub fn start(options: Options) -> FakeGithub {
    let openapi = Environment::of_this_process().github_openapi();
    FakeGithub::start(Options { openapi, ..options }).expect("a port of this machine and the description can be had")
}

/// Fails when anybody, the fake included, said something that GitHub does not know or would not forgive.
pub fn nothing_is_violated(github: &FakeGithub) {
    let violations: Vec<_> = github.violations().iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}
