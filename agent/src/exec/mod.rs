//! `hearth exec`: a local job. The same road as every job, with git in the place of a forge and this process in the
//! place of the official runner.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hearth_model::Event;

mod facts;
mod run;
mod summary;

pub use run::{ExecError, expectation, run};

/// Hearth itself failed before the command started, told apart from every exit code of a command (as env(1) does).
pub const OWN_FAILURE: u8 = 125;

/// Run a command in a slot, with a warm target directory and the shared compile cache, and book its minutes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The command runs in DIR with your terminal, and its exit code is ours (128+n for signal n, 125 when Hearth itself \
fails before the command starts). What it builds stays warm for the next job of the same lane: repository, job name, \
toolchain, flags and paths.

While `hearth up` serves this machine, the job uses its cache, and through it what stands behind ([cache.upstream]). \
Without it the job uses the cache of this machine alone, and says so where there is something behind.

Examples:
  hearth exec -- cargo test --workspace
  hearth exec --job lint -- cargo clippy --all-targets
  hearth exec --event pull_request --ref refs/pull/7/merge --base main -- ./ci.sh")]
pub struct ExecArgs {
    /// The checkout to run in
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub repo: PathBuf,
    /// The job's name: jobs of one name share warm targets and stand together in the report
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = non_empty)]
    pub job: String,
    /// The name under which warm targets are shared, for jobs that use what another job built [default: the job's name]
    #[arg(long, value_name = "NAME", value_parser = non_empty)]
    pub lane: Option<String>,
    /// The workflow that the job belongs to, for the report
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,
    /// What caused the job, in GitHub's words: push, pull_request, schedule, release … [default: local]
    #[arg(long, value_name = "EVENT")]
    pub event: Option<Event>,
    /// The ref that is built, like refs/heads/main or refs/pull/7/merge [default: what is checked out]
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// The branch that a pull request wants to go into
    #[arg(long, value_name = "BRANCH")]
    pub base: Option<String>,
    /// The default branch, whose jobs are trusted [default: the remote's word, or main, master, trunk]
    #[arg(long, value_name = "BRANCH")]
    pub default_branch: Option<String>,
    /// The pull request comes from another repository
    #[arg(long)]
    pub from_fork: bool,
    /// A number that groups jobs into one CI run, for the report
    #[arg(long, value_name = "N")]
    pub run_id: Option<u64>,
    /// Which attempt of that run
    #[arg(long, value_name = "N", default_value_t = 1, requires = "run_id")]
    pub attempt: u32,
    /// Stop the command when it runs longer, like 30m [default: exec.time_limit of the configuration]
    #[arg(long, value_name = "TIME")]
    pub time_limit: Option<hearth_model::Millis>,
    /// Write the receipt as JSON into this file
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// Say nothing beside the command's own output, unless something is wrong
    #[arg(long, short)]
    pub quiet: bool,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

impl ExecArgs {
    /// What `hearth exec` in `repo` with nothing but a job name would be.
    fn plain(repo: &Path, job: &str) -> Self {
        Self {
            repo: repo.to_owned(),
            job: job.to_owned(),
            lane: None,
            workflow: None,
            event: None,
            reference: None,
            base: None,
            default_branch: None,
            from_fork: false,
            run_id: None,
            attempt: 1,
            time_limit: None,
            receipt: None,
            quiet: false,
            command: Vec::new(),
        }
    }
}

fn non_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err("a name is not empty and has no control characters".to_owned());
    }
    Ok(text.to_owned())
}
