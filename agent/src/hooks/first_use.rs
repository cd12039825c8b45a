//! The first compilation of a job: cargo asks its compiler who it is before it decides what is fresh. That is the
//! moment, known to us because we are the compiler's wrapper, at which checkout and toolchain exist and nothing has been
//! compared yet. Whatever the job put on its `PATH`, and by whichever program cargo is called, it passes here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::client::{HookError, Keeper, in_this_thread};
use super::protocol::{Answer, Ask, FIRST_USE_LIMIT, HOOK_LIMIT, Handed, Seen};
use crate::checkout::{self, Toolchain, Workspace};
use crate::environment::{Environment, HOOK_SOCKET};
use crate::journey::chain;
use crate::targets::{LaneKey, Restored, link_final_artifacts, restore_checkout};
use hearth_daemon::terminal::for_terminal;

/// Where cargo is told to keep what it builds.
const BUILD_DIRECTORY: &str = "CARGO_BUILD_BUILD_DIR";

/// Whether a wrapper was called with the question that comes before everything else: `rustc -vV`, or the same by way of
/// another wrapper.
fn is_first_question(compilation: &[OsString]) -> bool {
    (2..=3).contains(&compilation.len()) && compilation.last().is_some_and(|last| last == "-vV")
}

/// Takes the job's warm target if this is the first question of its first build. Never fails, and never takes longer
/// than its deadlines: the answer to every trouble is a cold build.
pub fn prepare(compilation: &[OsString], environment: &Environment) {
    if !is_first_question(compilation) || environment.text(HOOK_SOCKET).is_none() {
        return;
    }
    let Ok(runtime) = in_this_thread() else { return };
    match runtime.block_on(take(environment)) {
        Ok(None) => {}
        Ok(Some(said)) => say(&said),
        Err(error) => say(&format!("no warm target: {}", chain(&error))),
    }
}

/// On standard error: standard output is the compiler's answer.
fn say(text: &str) {
    let _closed = writeln!(io::stderr(), "hearth: {}", for_terminal(text));
}

#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Hook(HookError),
    #[error("the checkout cannot be read")]
    Checkout(#[source] checkout::GitError),
    #[error("the toolchain cannot be asked")]
    Toolchain(#[source] checkout::ToolchainError),
    #[error("the directory that the build runs in cannot be found")]
    Directory(#[source] io::Error),
    #[error("the times of unchanged files could not be restored")]
    Restore(#[source] io::Error),
}

/// `None` when there is nothing to take.
async fn take(environment: &Environment) -> Result<Option<String>, TakeError> {
    let mut keeper = Keeper::connect(environment).await.map_err(TakeError::Hook)?;
    match keeper.ask(&Ask::IsWarmTargetWaiting, HOOK_LIMIT).await {
        Ok(Answer::Waiting) => {}
        // Taken by an earlier build of this job, or not meant for it.
        Ok(_) | Err(HookError::Refused(_)) => return Ok(None),
        Err(error) => return Err(TakeError::Hook(error)),
    }
    let Some(build) = environment.text(BUILD_DIRECTORY).map(PathBuf::from) else { return Ok(None) };
    let directory = Path::new(".").canonicalize().map_err(TakeError::Directory)?;
    let (checkout, toolchain, workspace) =
        tokio::join!(checkout::inspect(&directory), Toolchain::of(&directory), Workspace::of(&directory));
    let mut checkout = checkout.map_err(TakeError::Checkout)?;
    let toolchain = toolchain.map_err(TakeError::Toolchain)?;
    if !toolchain.has_build_directory() {
        return Ok(Some(format!("{} cannot keep a build directory apart, so this build is cold", toolchain.cargo)));
    }
    let seen = Seen {
        checkout: checkout.clone(),
        toolchain,
        cargo_home: environment.cargo_home().unwrap_or_default().to_string_lossy().into_owned(),
        environment: variables(environment),
    };
    let Handed { manifest, kept } = match keeper.ask(&Ask::Take(Box::new(seen)), FIRST_USE_LIMIT).await {
        Ok(Answer::Handed(handed)) => *handed,
        Ok(_) => return Err(TakeError::Hook(HookError::Confused)),
        Err(error) => return Err(TakeError::Hook(error)),
    };
    if let Some(workspace) = &workspace
        && let Err(error) = link_final_artifacts(&build, workspace, &triples(environment))
    {
        say(&format!("tests may not find the binaries that they test: {error}"));
    }
    let mut counts = Restored::default();
    if let Some(manifest) = &manifest {
        let clock = hearth_host::clock::SystemClock::default();
        counts = restore_checkout(&kept, manifest, &mut checkout, &clock).map_err(TakeError::Restore)?;
    }
    let restored = Ask::Restored { checkout: Box::new(checkout), counts };
    keeper.ask(&restored, HOOK_LIMIT).await.map_err(TakeError::Hook)?;
    let times = counts.restored + counts.renewed;
    Ok(manifest.map(|_| format!("warm target in place, the times of {times} files and directories restored")))
}

/// The target that the environment names; a command line is not ours to see.
fn triples(environment: &Environment) -> Vec<String> {
    let named = environment.text("CARGO_BUILD_TARGET").filter(|name| !name.contains('/') && *name != "..");
    named.map(str::to_owned).into_iter().collect()
}

fn variables(environment: &Environment) -> BTreeMap<String, String> {
    LaneKey::variables(environment.texts())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: bool) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        assert_eq!(is_first_question(&words), expected, "{words:?}");
    }

    #[test]
    fn cargos_first_question_is_told_from_a_compilation() {
        check(&["/t/bin/rustc", "-vV"], true);
        check(&["/t/bin/clippy-driver", "/t/bin/rustc", "-vV"], true);
        check(&["/t/bin/rustc", "--crate-name", "app"], false);
        check(&["-vV"], false);
        check(&["rustc", "-", "--crate-name", "___", "--print=cfg", "-vV"], false);
    }

    #[test]
    fn outside_a_forges_job_there_is_nothing_to_do() {
        prepare(&["rustc".into(), "-vV".into()], &Environment::from_pairs(&[]));
        prepare(
            &["rustc".into(), "-vV".into()],
            &Environment::from_pairs(&[("HEARTH_HOOK_SOCKET", "/nowhere/hearth.sock")]),
        );
    }
}
