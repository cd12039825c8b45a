//! The programs that a job finds: git, cargo, rustc and the compiler wrapper, asked with the environment that the
//! runner program is started with.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::finding::Finding;
use crate::checkout::Toolchain;
use crate::compiler_cache::CompilerCacheFile;
use crate::runner::{Platform, search_path};

const GIT: &str = "git";
const TOOLCHAIN: &str = "toolchain";
const SCCACHE: &str = "sccache";
/// A program that says its version does nothing else; rustup may have to read its settings.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A job's home is empty at first. Here it is one that nobody can make, so that no program leaves anything in it.
const NO_HOME: &str = "/dev/null/home";

/// What a program said when it was asked for its version, or why it said nothing.
type Said = Result<String, String>;

/// Asks each of them. `home`: where a job sees its own. `operators`: the variables of `[runner.env]`.
pub(super) async fn look(
    home: &Path,
    operators: &BTreeMap<String, String>,
    compiler_cache: &CompilerCacheFile,
) -> Vec<Finding> {
    let environment = environment(home, operators);
    let path = environment.get("PATH").map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let (git, rustc, cargo, sccache) = tokio::join!(
        ask("git", "--version", &environment),
        ask("rustc", "-vV", &environment),
        ask("cargo", "-V", &environment),
        sccache(compiler_cache)
    );
    vec![judge_git(git, &path), judge_toolchain(rustc, cargo, &path), sccache]
}

fn environment(home: &Path, operators: &BTreeMap<String, String>) -> BTreeMap<String, OsString> {
    let mut environment = BTreeMap::new();
    if let Ok(platform) = Platform::of_this_machine() {
        environment.insert("PATH".to_owned(), search_path(home, platform));
    }
    environment.extend(operators.iter().map(|(name, value)| (name.clone(), value.into())));
    environment.insert("HOME".to_owned(), NO_HOME.into());
    environment
}

async fn ask(program: &str, argument: &str, environment: &BTreeMap<String, OsString>) -> Said {
    let mut command = Command::new(program);
    // No repository and no toolchain file of a directory has a word in it.
    command.arg(argument).current_dir("/").env_clear().envs(environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    match tokio::time::timeout(ANSWER_LIMIT, command.output()).await {
        Err(_elapsed) => Err(format!("`{program} {argument}` gave no answer within {} s", ANSWER_LIMIT.as_secs())),
        Ok(Err(error)) => Err(format!("cannot run `{program} {argument}`: {error}")),
        Ok(Ok(output)) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{program} {argument}` failed: {}", said.lines().next().unwrap_or("it did not say why")))
        }
        Ok(Ok(output)) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
    }
}

fn judge_git(git: Said, path: &str) -> Finding {
    match git {
        Ok(said) => Finding::good(GIT, first_line(&said)),
        Err(error) => {
            let why = "a checkout without git has no history, and without it nothing says which sources are unchanged: \
                       every build is cold";
            let fix = format!("install git in one of {path}, or set PATH in [runner.env]");
            Finding::bad(GIT, error, why, fix)
        }
    }
}

fn judge_toolchain(rustc: Said, cargo: Said, path: &str) -> Finding {
    let (rustc, cargo) = match (rustc, cargo) {
        (Ok(rustc), Ok(cargo)) => (rustc, cargo),
        (Err(error), _) | (_, Err(error)) => {
            let why =
                "a job that does not install a toolchain itself cannot build, and the machine offers no rust label";
            let fix = format!("install Rust in one of {path}, or set PATH and RUSTUP_HOME in [runner.env]");
            return Finding::warning(TOOLCHAIN, error, why, fix);
        }
    };
    let found = format!("{}, {}", first_line(&rustc), first_line(&cargo));
    if (Toolchain { rustc, cargo }).has_build_directory() {
        return Finding::good(TOOLCHAIN, found);
    }
    let why = "jobs with it have the compile cache alone: it cannot keep build and final files apart";
    Finding::warning(TOOLCHAIN, found, why, "install cargo 1.91 or newer")
}

async fn sccache(config: &CompilerCacheFile) -> Finding {
    let path = match config.sccache.as_str() {
        "off" => return Finding::not_checked(SCCACHE, "switched off in the configuration"),
        "bundled" => return judge_bundled(cfg!(feature = "bundled-sccache")),
        path => path,
    };
    match ask(path, "--version", &BTreeMap::new()).await {
        Ok(said) => Finding::good(SCCACHE, format!("{} at {path}", first_line(&said))),
        Err(error) => {
            let why = "jobs run without a compile cache";
            Finding::bad(SCCACHE, error, why, "set compiler_cache.sccache to `bundled`, or to a program that is there")
        }
    }
}

fn judge_bundled(is_bundled: bool) -> Finding {
    if is_bundled {
        return Finding::good(SCCACHE, "bundled in this program");
    }
    let why = "jobs run without a compile cache";
    let fix = "set compiler_cache.sccache to the path of an sccache";
    Finding::bad(SCCACHE, "this program was built without the bundled one", why, fix)
}

fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_job_looks_where_the_runner_program_is_told_to() {
        let home = Path::new("/state/view/home");
        let path = |operators: &[(&str, &str)]| {
            let operators = operators.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            environment(home, &operators)["PATH"].to_string_lossy().into_owned()
        };
        assert!(path(&[]).starts_with("/state/view/home/.cargo/bin:") && path(&[]).contains(":/usr/bin:"));
        assert_eq!(path(&[("PATH", "/opt/bin")]), "/opt/bin");
        let fixed = environment(home, &[("HOME".to_owned(), "/root".to_owned())].into());
        assert_eq!(fixed["HOME"], NO_HOME);
    }

    #[test]
    fn missing_programs_are_named_with_where_they_were_looked_for() {
        let missing = || Err("cannot run it".to_owned());
        let git = judge_git(missing(), "/usr/bin");
        assert_eq!(git.state, State::Bad);
        assert!(git.fix.contains("/usr/bin") && git.fix.contains("[runner.env]"), "{git:?}");
        let rustc = || Ok("rustc 1.95.0 (x)\nhost: y".to_owned());
        for (rustc, cargo, state) in [
            (rustc(), Ok("cargo 1.95.0 (x)".to_owned()), State::Good),
            (rustc(), Ok("cargo 1.90.0 (x)".to_owned()), State::Warning),
            (rustc(), missing(), State::Warning),
            (missing(), Ok("cargo 1.95.0".to_owned()), State::Warning),
        ] {
            let finding = judge_toolchain(rustc, cargo, "/usr/bin");
            assert_eq!(finding.state, state, "{finding:?}");
        }
        assert_eq!(judge_bundled(false).state, State::Bad);
    }

    #[tokio::test]
    async fn a_program_that_fails_or_is_missing_is_told_of() {
        let said = ask("sh", "-c", &BTreeMap::from([("PATH".to_owned(), "/bin:/usr/bin".into())])).await;
        assert!(said.unwrap_err().starts_with("`sh -c` failed: "));
        let said = ask("hearth-nowhere", "-V", &BTreeMap::new()).await;
        assert!(said.unwrap_err().starts_with("cannot run `hearth-nowhere -V`"));
        let sccache = sccache(&CompilerCacheFile { sccache: "/nowhere/sccache".to_owned() }).await;
        assert_eq!(sccache.state, State::Bad);
    }
}
