//! The command lines of `hearth status` and `hearth drain`.

use clap::Args;
use hearth_model::Millis;

/// Show how this machine stands: its daemon, the places that it serves, its slots, its runner program
///
/// Without a daemon it shows what the slots say.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Exit codes:
  0  the daemon is up and nothing is wrong
  1  the daemon is up, and something needs a person; the last lines say what
  3  no daemon is up
  125  the state directory could not be looked at")]
pub struct StatusArgs {
    /// Print JSON: times in UTC
    #[arg(long)]
    pub json: bool,
}

/// Take no more jobs from GitHub, and wait until those that run have ended
///
/// Runners without a job are taken away at once. The daemon stays up: restart it to take jobs again.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Exit codes:
  0  no runner is left
  124  the deadline came first
  125  there is no daemon to drain, or it went away
  130  interrupted while waiting

After the deadline or an interruption no job is lost and no new one is taken: ask again to go on waiting.")]
pub struct DrainArgs {
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub deadline: Millis,
}
