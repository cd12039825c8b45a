//! The command lines of `hearth jobs` and `hearth logs`.

use clap::Args;

/// List the jobs of this machine: those that are open, then the last ones that ended
///
/// The first column is what `hearth logs` takes.
#[derive(Debug, Clone, Args)]
pub struct JobsArgs {
    /// Print JSON: every figure exact, times in UTC
    #[arg(long)]
    pub json: bool,
    /// How many that ended; those that are open are always listed
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only this repository, like github.com/owner/name
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
}

/// Show what this machine has written down about a job, and where it stands
///
/// What the steps of a job wrote is at GitHub; its address is shown. Here is what the runner program and the process
/// that looks after it said.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A slot keeps the logs of several runners after one another, and forgets the oldest. What is gone is said to be gone. A \
job that was started by hand, with `hearth exec`, wrote to its own terminal, and nothing of it is kept.")]
pub struct LogsArgs {
    /// The job: its id, or the first or last characters of it as `hearth jobs` lists them
    pub job: String,
    /// Go on until the job ends
    #[arg(long)]
    pub follow: bool,
    /// Print the runner program's own logs too, which are long; without it they are only named
    #[arg(long)]
    pub diagnostics: bool,
}
