//! `hearth runner list|install|rollback|pin`: the versions of the runner program, as a person sees and changes them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use comfy_table::{ContentArrangement, Table};
use hearth_model::{Clock, Timestamp};

use super::book::{Trial, WhyGivenUp};
use super::checksum::Sha256;
use super::deadline::Deadline;
use super::download::Progress;
use super::install::{InstallError, Installed};
use super::version::RunnerVersion;
use super::versions::{ListedVersion, Versions, VersionsError};
use hearth_daemon::terminal::for_terminal;

#[derive(Debug, thiserror::Error)]
pub enum RunnerCommandError {
    #[error(transparent)]
    Versions(VersionsError),
    #[error(transparent)]
    Install(InstallError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// See and change the versions of GitHub's runner program on this machine
#[derive(Debug, clap::Subcommand)]
pub enum RunnerCommand {
    /// List the installed versions, the newest first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Install a version: from an archive, or the one on GitHub's list of downloads
    Install(InstallArgs),
    /// Give up the current version for the one before it
    Rollback,
    /// Start every runner with this version, whatever is newer and however it did
    Pin {
        /// A version that is installed, like 2.336.0
        #[arg(id = "wanted", value_name = "VERSION", required_unless_present = "off")]
        version: Option<RunnerVersion>,
        /// Take the newest version that works again
        #[arg(long, conflicts_with = "wanted")]
        off: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct InstallArgs {
    /// The version that must come of it [default: whatever is on the list]
    #[arg(id = "wanted", value_name = "VERSION", conflicts_with_all = ["archive", "sha256"])]
    pub version: Option<RunnerVersion>,
    /// An archive under the name that GitHub gave it [default: runner.archive]
    #[arg(long, value_name = "FILE")]
    pub archive: Option<PathBuf>,
    /// The checksum that the archive must have [default: runner.sha256]
    #[arg(long, value_name = "SUM", requires = "archive")]
    pub sha256: Option<Sha256>,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

impl Versions {
    pub fn print_list(&self, form: Form, clock: &dyn Clock, out: &mut impl Write) -> Result<(), RunnerCommandError> {
        let listed = self.list().map_err(RunnerCommandError::Versions)?;
        let text = match form {
            Form::Json => {
                serde_json::to_string_pretty(&listed).map_err(io::Error::from).map_err(RunnerCommandError::Write)?
            }
            Form::Text if listed.is_empty() => "no version yet; install one: hearth runner install".to_owned(),
            Form::Text => table(&listed, clock.now()).to_string(),
        };
        writeln!(out, "{text}").map_err(RunnerCommandError::Write)
    }

    pub fn print_pin(&self, version: Option<RunnerVersion>, out: &mut impl Write) -> Result<(), RunnerCommandError> {
        self.pin(version).map_err(RunnerCommandError::Versions)?;
        let said = match version {
            Some(version) => writeln!(out, "every start from now on takes runner {version}"),
            None => writeln!(out, "every start from now on takes the newest runner that works"),
        };
        said.map_err(RunnerCommandError::Write)
    }

    pub fn print_rollback(&self, out: &mut impl Write) -> Result<(), RunnerCommandError> {
        let (from, to) = self.roll_back().map_err(RunnerCommandError::Versions)?;
        let said = writeln!(
            out,
            "runner {from} is given up; every start from now on takes runner {to}\n\
             a version that is newer than {from} is taken as soon as it is installed; to bring {from} back: hearth \
             runner pin {from}"
        );
        said.map_err(RunnerCommandError::Write)
    }
}

/// Says what came of an installation.
pub fn print_installed(installed: Installed, out: &mut impl Write) -> Result<(), RunnerCommandError> {
    let said = match installed {
        Installed::New(version) => writeln!(out, "runner {version} is installed"),
        Installed::AlreadyThere(version) => writeln!(out, "runner {version} was installed already"),
    };
    said.map_err(RunnerCommandError::Write)
}

fn table(listed: &[ListedVersion], now: Timestamp) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["version", "state", "in use", "size", "installed", "GitHub takes it", "from"]);
    for version in listed {
        table.add_row([
            version.version.to_string(),
            state(version),
            if version.in_use { "yes" } else { "no" }.to_owned(),
            version.bytes.to_string(),
            format!("{} ago", now.since(version.installed_at)),
            time_left(version.deadline, now),
            for_terminal(&version.source).into_owned(),
        ]);
    }
    table
}

fn state(version: &ListedVersion) -> String {
    let mut words = Vec::new();
    if version.pinned {
        words.push("pinned".to_owned());
    }
    if version.current {
        words.push("current".to_owned());
    }
    if version.refused_at.is_some() {
        words.push("refused by GitHub".to_owned());
    }
    words.extend(match version.trial {
        Trial::New { failed: 0 } => Some("new".to_owned()),
        Trial::New { failed } => Some(format!("new, {failed} starts failed")),
        Trial::GivenUp { why: WhyGivenUp::FailedStarts(failed), .. } => Some(format!("given up after {failed} starts")),
        Trial::GivenUp { why: WhyGivenUp::Person, .. } => Some("given up".to_owned()),
        Trial::Proved => None,
    });
    words.join(", ")
}

fn time_left(deadline: Option<Deadline>, now: Timestamp) -> String {
    match deadline {
        None => "without a limit so far".to_owned(),
        Some(deadline) if deadline.at > now => format!("for {}", deadline.at.since(now)),
        Some(deadline) => format!("maybe not, since {}", now.since(deadline.at)),
    }
}

/// Lines about a download, for whoever waits for it longer than one waits without wondering.
#[derive(Debug)]
pub struct ProgressLines {
    began: Instant,
    said: Option<Instant>,
}

const PATIENCE: Duration = Duration::from_secs(2);
const SAYS_EVERY: Duration = Duration::from_secs(5);

impl ProgressLines {
    pub fn begin(began: Instant) -> Self {
        Self { began, said: None }
    }

    /// The line that is due at `now`, if any.
    pub fn step(&mut self, progress: Progress, now: Instant) -> Option<String> {
        let is_due = match self.said {
            None => now.saturating_duration_since(self.began) >= PATIENCE,
            Some(said) => now.saturating_duration_since(said) >= SAYS_EVERY,
        };
        if !is_due {
            return None;
        }
        self.said = Some(now);
        let done = progress.done;
        Some(match progress.total {
            Some(total) => format!("downloading: {done} of {total}"),
            None => format!("downloading: {done}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{Bytes, Millis};

    use super::super::deadline::Basis;
    use super::*;

    fn at(days: u64) -> Timestamp {
        Timestamp::default() + Millis::from_minutes(days * 24 * 60)
    }

    #[test]
    fn a_list_says_what_comes_next_and_for_how_long() {
        let plain = ListedVersion {
            version: RunnerVersion::new(2, 335, 0),
            current: false,
            pinned: false,
            in_use: false,
            trial: Trial::Proved,
            refused_at: None,
            deadline: Some(Deadline { at: at(12), basis: Basis::Answer }),
            installed_at: at(8),
            built_at: None,
            bytes: Bytes::mib(600),
            sha256: Sha256::of(&b"archive"[..]).unwrap(),
            source: "https://example.com/\u{1b}[2J".to_owned(),
        };
        let current = ListedVersion {
            version: RunnerVersion::new(2, 336, 0),
            current: true,
            pinned: true,
            in_use: true,
            trial: Trial::New { failed: 2 },
            deadline: None,
            ..plain.clone()
        };
        let given_up = Trial::GivenUp { at: at(9), why: WhyGivenUp::FailedStarts(3) };
        let given_up = ListedVersion { trial: given_up, refused_at: Some(at(9)), ..plain.clone() };
        for (version, expected) in [
            (plain, ["", "no", "600 MiB", "48 h 00 min ago", "for 48 h 00 min", "https://example.com/\\u{1b}[2J"]),
            (
                current,
                [
                    "pinned, current, new, 2 starts failed",
                    "yes",
                    "600 MiB",
                    "48 h 00 min ago",
                    "without a limit so far",
                    "https://example.com/\\u{1b}[2J",
                ],
            ),
            (
                given_up,
                [
                    "refused by GitHub, given up after 3 starts",
                    "no",
                    "600 MiB",
                    "48 h 00 min ago",
                    "for 48 h 00 min",
                    "https://example.com/\\u{1b}[2J",
                ],
            ),
        ] {
            let table = table(&[version], at(10));
            let row: Vec<_> = table.row(0).unwrap().cell_iter().skip(1).map(comfy_table::Cell::content).collect();
            assert_eq!(row, expected);
        }
        assert_eq!(
            time_left(Some(Deadline { at: at(9), basis: Basis::BuildDate }), at(10)),
            "maybe not, since 24 h 00 min"
        );
    }

    #[test]
    fn a_download_is_told_of_when_it_takes_long_and_then_now_and_then() {
        let began = Instant::now();
        let mut lines = ProgressLines::begin(began);
        let progress = |done| Progress { done: Bytes::mib(done), total: Some(Bytes::mib(200)) };
        let mut step = |secs, done| lines.step(progress(done), began + Duration::from_secs(secs));
        assert_eq!(step(1, 10), None);
        assert_eq!(step(2, 20).as_deref(), Some("downloading: 20.0 MiB of 200 MiB"));
        assert_eq!(step(3, 30), None);
        assert_eq!(step(7, 70).as_deref(), Some("downloading: 70.0 MiB of 200 MiB"));
        let untold = Progress { done: Bytes::mib(9), total: None };
        assert_eq!(lines.step(untold, began + Duration::from_secs(12)).as_deref(), Some("downloading: 9.00 MiB"));
    }
}
