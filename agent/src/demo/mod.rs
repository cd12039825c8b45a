//! `hearth demo`: shows on a real workspace, on this machine, what a cold, a cached and a warm job take and what two
//! pipelines take, with nothing but a Rust toolchain and git. Every job is a real `hearth exec` of this program, every
//! figure comes from receipts, from cargo or from the ledger, and nothing outlives the demo but what `--keep` keeps.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use hearth_host::clock::SystemClock;
use hearth_host::tree;
use hearth_ledger::LedgerError;
use hearth_model::{Bytes, Clock, ExecutionId};

use crate::environment::Environment;
use crate::journey::chain;
use crate::settings::{AdminFile, SettingsArgs};
use crate::targets::TargetsError;

mod figures;
mod ground;
mod home;
mod plans;
mod progress;
mod project;
mod stage;
mod story;
mod table;
mod units;

use ground::Ground;
use home::Home;
use progress::say;
use stage::Stage;

/// Show a cold, a cached and a warm job and two pipelines, for real, on a workspace made for it
///
/// Needs a Rust toolchain, git, crates.io and some three minutes. Crates are fetched through your CARGO_HOME and stay
/// there; everything else is in one directory, which is removed at the end.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Keep the directory with repository, state, ledger and receipts
    #[arg(long)]
    pub keep: bool,
    /// Work in this directory, which has to be empty or new [default: a new one in TMPDIR or /var/tmp]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Write the figures as JSON into this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the demo keeps state and configuration in its own directory; leave --state and --config away, use --dir")]
    OwnState,
    #[error("{path} is not an empty directory; name one that is, or one that is not there yet")]
    NotEmpty { path: PathBuf },
    #[error("the demo needs {needed} of room in {path}, where {available} are free; name another place with --dir")]
    Room { path: PathBuf, needed: Bytes, available: Bytes },
    #[error("cannot {what} {path}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot find this program's own file")]
    Own(#[source] io::Error),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot run `{program}`; the demo needs git and a Rust toolchain")]
    Start {
        program: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot {what}: {status}; what was said stands above")]
    Tool { what: &'static str, status: ExitStatus },
    #[error("cannot fetch the crates of the demo's workspace; it needs crates.io, and what cargo said stands above")]
    Offline,
    #[error("the job \"{job}\" failed: {status}; its own output stands above")]
    Job { job: String, status: ExitStatus },
    #[error("stopped by signal {signal}")]
    Stopped { signal: i32 },
    #[error("cannot read the receipt {path}")]
    Receipt {
        path: PathBuf,
        #[source]
        cause: serde_json::Error,
    },
    #[error("cannot read the demo's ledger")]
    Ledger(#[source] LedgerError),
    #[error("cannot take the warm targets away")]
    Targets(#[source] TargetsError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Runs the demo; gives the exit code.
pub fn run(args: &DemoArgs, settings: &SettingsArgs, environment: &Environment) -> Result<u8, DemoError> {
    if settings.state.is_some() || settings.config.is_some() {
        return Err(DemoError::OwnState);
    }
    if let Some(path) = &args.json {
        // Found out now and not after three minutes.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let found = std::fs::read_dir(directory).map(drop);
        found.map_err(|cause| DemoError::File { what: "write", path: path.clone(), cause })?;
    }
    let id = ExecutionId::new(SystemClock::default().now());
    let mut stage = Stage::open(id.to_string())?;
    let home = Home::claim(args.dir.as_deref(), &format!("hearth-demo-{}", id.short()), environment)?;
    introduce(args, home.root(), environment);
    let prepared = Ground::prepare(&mut stage, home.root(), environment);
    let shown = prepared.and_then(|mut ground| show(&mut ground, args, home.root()));
    stage.progress.drop_step();
    stage.end_all();
    let root = home.root().to_owned();
    let left = if args.keep { Ok(()) } else { home.leave() };
    conclude(args, &root, shown, left)
}

fn introduce(args: &DemoArgs, root: &Path, environment: &Environment) {
    let fate = if args.keep { "which is kept" } else { "which is removed at the end; --keep keeps it" };
    let cargo_home = environment.cargo_home().unwrap_or_default();
    say(&format!(
        "hearth demo: real jobs on a real workspace, some three minutes on two cores\n  everything happens in {}, {fate}\n  \
         crates are fetched through {} and stay there",
        root.display(),
        cargo_home.display()
    ));
}

/// Tells the story and shows what came of it.
fn show(ground: &mut Ground<'_>, args: &DemoArgs, root: &Path) -> Result<(), DemoError> {
    let mut figures = story::tell(ground)?;
    figures.kept = args.keep.then(|| root.to_owned());
    if let Some(path) = &args.json {
        let text = serde_json::to_vec_pretty(&figures).unwrap_or_default();
        write_json(path, &text)?;
    }
    let tables = table::tables(&figures);
    say_out(&format!("\n{} on {} CPUs, {}\n\n{tables}", figures.rustc, figures.cpu_count, figures.took_ms))?;
    for sentence in &figures.left_out {
        say_out(&format!("  note: {sentence}"))?;
    }
    say_out("\nThe minute report of these jobs against the documented budgets:\n")?;
    let mut report = ground.hearth();
    report.args(["report", "--by", "workflow", "--format", "table"]);
    let failed = |cause| DemoError::Start { program: "hearth report".to_owned(), cause };
    let status = report.status().map_err(failed)?;
    if !status.success() {
        return Err(DemoError::Tool { what: "report the minutes", status });
    }
    let address = AdminFile::default().listen;
    let next = if args.keep {
        format!("{} serves it at http://{address}/", ground.own_command_line("up"))
    } else {
        format!("run the demo with --keep and it says here how to see its jobs at http://{address}/")
    };
    say_out(&format!("\nThe dashboard: {next}"))
}

fn conclude(
    args: &DemoArgs,
    root: &Path,
    shown: Result<(), DemoError>,
    left: Result<(), DemoError>,
) -> Result<u8, DemoError> {
    match (&left, args.keep) {
        (Ok(()), true) => say(&format!("everything is kept in {}", root.display())),
        (Ok(()), false) => say(&format!("{} is gone, with everything that was in it", root.display())),
        (Err(error), _) => say(&format!("{} could not be removed whole: {}", root.display(), chain(error))),
    }
    match shown {
        // As a shell says it.
        Err(DemoError::Stopped { signal }) => Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        Err(error) => Err(error),
        Ok(()) => left.map(|()| 0),
    }
}

fn say_out(text: &str) -> Result<(), DemoError> {
    writeln!(io::stdout().lock(), "{text}").map_err(DemoError::Write)
}

fn write_json(path: &Path, text: &[u8]) -> Result<(), DemoError> {
    tree::write_atomically(path, text).map_err(|cause| DemoError::File { what: "write", path: path.to_owned(), cause })
}
