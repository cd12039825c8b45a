//! `hearth hook started|completed`: what the runner program's hooks call, inside the job. It asks the keeper, writes
//! the answer into the files that the runner program reads, and always ends well.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use super::protocol::{Answer, Ask, Given, HOOK_LIMIT, LARGEST};
use super::{HookFacts, Refused};
use crate::environment::{Environment, HOOK_SOCKET};
use hearth_daemon::frames;
use hearth_daemon::terminal::for_terminal;

/// Called by the runner program around a job
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum HookCommand {
    /// Before the first step
    Started,
    /// After the last step
    Completed,
}

/// Why a hook has nothing to say.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("{HOOK_SOCKET} is not set, so this is no job of Hearth's")]
    NotOurs,
    #[error("the agent cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the agent did not answer within {} s", limit.as_secs())]
    Silent { limit: Duration },
    #[error(transparent)]
    Refused(Refused),
    #[error("the agent answered something else than was asked")]
    Confused,
    #[error("cannot write to the file that {variable} names")]
    Write {
        variable: &'static str,
        #[source]
        cause: io::Error,
    },
}

/// Carries out the hook; says what went wrong and is content with it.
pub fn run(command: HookCommand, environment: &Environment, out: &mut impl Write) {
    if let Ok(runtime) = in_this_thread() {
        runtime.block_on(carry_out(command, environment, out));
    }
}

/// A job waits for us, and one question after the other needs no further threads.
pub(super) fn in_this_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

async fn carry_out(command: HookCommand, environment: &Environment, out: &mut impl Write) {
    let done = match command {
        HookCommand::Started => started(environment, out).await,
        HookCommand::Completed => completed(environment, out).await,
    };
    if let Err(error) = done {
        // A workflow command: GitHub shows it on the run's page.
        let why = crate::journey::chain(&error);
        let _closed = writeln!(out, "::warning title=Hearth::{}; the job goes on without it", for_terminal(&why));
    }
}

async fn started(environment: &Environment, out: &mut impl Write) -> Result<(), HookError> {
    let facts = HookFacts::of(environment);
    let mut keeper = Keeper::connect(environment).await?;
    let Answer::Given(given) = keeper.ask(&Ask::Started(Box::new(facts)), HOOK_LIMIT).await? else {
        return Err(HookError::Confused);
    };
    let Given { variables, said } = given;
    // All or nothing: half of our variables would be worse than none.
    let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    append(environment, "GITHUB_ENV", &lines.concat())?;
    say(&said, out);
    Ok(())
}

async fn completed(environment: &Environment, out: &mut impl Write) -> Result<(), HookError> {
    let mut keeper = Keeper::connect(environment).await?;
    let Answer::Summary { markdown, said } = keeper.ask(&Ask::Completed, HOOK_LIMIT).await? else {
        return Err(HookError::Confused);
    };
    say(&said, out);
    append(environment, "GITHUB_STEP_SUMMARY", &markdown)
}

fn say(lines: &[String], out: &mut impl Write) {
    for line in lines {
        let _closed = writeln!(out, "hearth: {}", for_terminal(line));
    }
}

fn append(environment: &Environment, variable: &'static str, text: &str) -> Result<(), HookError> {
    let failed = |cause| HookError::Write { variable, cause };
    let path = environment.text(variable).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// A connection to the process that looks after this job.
pub(super) struct Keeper(UnixStream);

impl Keeper {
    pub(super) async fn connect(environment: &Environment) -> Result<Self, HookError> {
        let socket = environment.text(HOOK_SOCKET).ok_or(HookError::NotOurs)?;
        Ok(Self(UnixStream::connect(Path::new(socket)).await.map_err(HookError::Unreachable)?))
    }

    pub(super) async fn ask(&mut self, ask: &Ask, limit: Duration) -> Result<Answer, HookError> {
        let asked = async {
            frames::send(&mut self.0, ask, LARGEST).await?;
            frames::receive::<Answer>(&mut self.0, LARGEST).await
        };
        let answer = tokio::time::timeout(limit, asked).await.map_err(|_elapsed| HookError::Silent { limit })?;
        match answer.map_err(HookError::Unreachable)? {
            Answer::Refused(why) => Err(HookError::Refused(why)),
            answer => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hook_without_an_agent_says_so_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        let nowhere = dir.path().join("nobody.sock");
        for (socket, expected) in
            [("", "HEARTH_HOOK_SOCKET is not set"), (nowhere.to_str().unwrap(), "cannot be reached")]
        {
            let environment =
                Environment::from_pairs(&[("HEARTH_HOOK_SOCKET", socket), ("GITHUB_ENV", file.to_str().unwrap())]);
            let mut out = Vec::new();
            carry_out(HookCommand::Started, &environment, &mut out).await;
            let said = String::from_utf8(out).unwrap();
            assert!(said.starts_with("::warning") && said.contains(expected), "{said}");
            assert!(!file.exists());
        }
    }
}
