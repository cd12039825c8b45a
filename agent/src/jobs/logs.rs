//! `hearth logs`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_ledger::{Execution, LedgerError};
use hearth_model::ExecutionId;

use super::args::LogsArgs;
use super::diagnostics::{Diagnostic, written_between};
use super::find::{FindError, find};
use super::open::{OpenJob, Owner};
use super::tail::Tail;
use super::told::forge_url;
use crate::app::App;
use crate::report::forgive_closed_pipe;
use crate::slots::logs;
use hearth_daemon::terminal::for_terminal;

/// How often a log that is followed is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error(transparent)]
    Find(FindError),
    #[error("cannot read {path}; it belongs to the user who runs the daemon")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot see in the ledger whether job {execution} has ended")]
    Ledger {
        execution: ExecutionId,
        #[source]
        cause: Box<LedgerError>,
    },
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Answers `hearth logs`.
pub async fn print_logs(args: &LogsArgs, app: &App, out: &mut impl Write) -> Result<(), LogsError> {
    let execution = find(&app.book, &args.job).map_err(LogsError::Find)?;
    match print_all(args, app, &execution, out).await {
        Err(LogsError::Write(cause)) => forgive_closed_pipe(Err(cause)).map_err(LogsError::Write),
        other => other,
    }
}

async fn print_all(args: &LogsArgs, app: &App, execution: &Execution, out: &mut impl Write) -> Result<(), LogsError> {
    say(out, &introduction(execution))?;
    match forge_url(execution) {
        Some(url) => say(out, &format!("what its steps wrote is at {url}"))?,
        None => say(out, "it was started by hand: what it wrote went to that terminal, and nothing of it is kept")?,
    }
    let Some(place) = execution.place.as_ref().filter(|_| forge_url(execution).is_some()) else { return Ok(()) };
    let slot = app.places.slot(place.slot);
    let mut runner = Followed::of_runner(&slot, execution.id);
    let mut keeper = Followed::of_keeper(&slot, execution.id);
    for (what, log) in [("the runner program", &mut runner), ("the process that looks after it", &mut keeper)] {
        say(out, &format!("\n==> what {what} said: {}", log.path.display()))?;
        match log.beginning()? {
            Some(text) => lines(out, &text)?,
            None => say(out, "gone: the slot has carried other runners since, and keeps only so much of them")?,
        }
    }
    if args.follow {
        follow(app, execution.id, &mut [runner, keeper], out).await?;
    }
    print_diagnostics(args, app, execution.id, &slot, out)
}

fn introduction(execution: &Execution) -> String {
    let facts = execution.facts.as_ref();
    let name = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
    let place = execution.place.as_ref().map(|place| format!(", slot {} of {}", place.slot, place.machine));
    format!(
        "job {} of {}, execution {}{}: {}",
        name(facts.map(|facts| facts.job.as_str())),
        name(facts.map(|facts| facts.repository.as_str())),
        execution.id,
        place.unwrap_or_default(),
        ending(execution)
    )
}

fn ending(execution: &Execution) -> String {
    match execution.outcome {
        Some(outcome) => format!("{outcome} after {}", execution.ran.unwrap_or_default()),
        None => "open".to_owned(),
    }
}

/// Prints what is added until the job has ended.
async fn follow(app: &App, id: ExecutionId, followed: &mut [Followed], out: &mut impl Write) -> Result<(), LogsError> {
    loop {
        // Asked before the logs are read: what was said before the end is printed.
        let ledger = |cause| LogsError::Ledger { execution: id, cause: Box::new(cause) };
        let job = app.book.execution(id).map_err(ledger)?.map(OpenJob::of);
        let is_over = job.as_ref().is_none_or(|job| !job.execution.state.is_open() || job.owner == Owner::Gone);
        for log in &mut *followed {
            loop {
                let text = log.added()?;
                if text.is_empty() {
                    break;
                }
                lines(out, &text)?;
            }
        }
        if is_over {
            let ended = job.filter(|job| !job.execution.state.is_open()).map(|job| ending(&job.execution));
            return say(out, &format!("\n{}", ended.as_deref().unwrap_or("the process that looked after it is gone")));
        }
        out.flush().map_err(LogsError::Write)?;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn print_diagnostics(
    args: &LogsArgs,
    app: &App,
    id: ExecutionId,
    slot: &Path,
    out: &mut impl Write,
) -> Result<(), LogsError> {
    let aside = logs::diagnostics(slot);
    say(out, &format!("\n==> the runner program's own logs: {}", aside.display()))?;
    let job = app.book.execution(id).map_err(|cause| LogsError::Ledger { execution: id, cause: Box::new(cause) })?;
    let (Some(from), Some(to)) = job.map_or((None, None), |job| (job.accepted_at, job.completed_at)) else {
        return say(out, "they are put aside when the slot gets its next runner");
    };
    let found = written_between(&aside, from, to).map_err(|cause| LogsError::Read { path: aside, cause })?;
    if found.is_empty() {
        return say(out, "none: they are put aside when the slot gets its next runner, and kept for some runners");
    }
    for Diagnostic { path, bytes } in found {
        say(out, &format!("{} ({bytes})", path.display()))?;
        if args.diagnostics {
            let mut tail = Tail::new(path.clone());
            loop {
                let text = tail.next().map_err(|cause| LogsError::Read { path: path.clone(), cause })?;
                if text.is_empty() {
                    break;
                }
                lines(out, &text)?;
            }
        }
    }
    Ok(())
}

/// What one log says about one job.
struct Followed {
    path: PathBuf,
    tail: Tail,
    execution: ExecutionId,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sections, one after the other.
    Runner,
    /// Lines that name their execution.
    Keeper,
}

impl Followed {
    fn of_runner(slot: &Path, execution: ExecutionId) -> Self {
        Self::new(logs::runner_log(slot), execution, Kind::Runner)
    }

    fn of_keeper(slot: &Path, execution: ExecutionId) -> Self {
        Self::new(logs::keeper_log(slot), execution, Kind::Keeper)
    }

    fn new(path: PathBuf, execution: ExecutionId, kind: Kind) -> Self {
        Self { tail: Tail::new(path.clone()), path, execution, kind }
    }

    /// What it has said so far; `None` when nothing of it is there.
    fn beginning(&mut self) -> Result<Option<String>, LogsError> {
        let mut text = String::new();
        if self.kind == Kind::Runner {
            read_whole(&mut Tail::new(logs::older(&self.path)), &mut text).map_err(|cause| self.failed(cause))?;
        }
        read_whole(&mut self.tail, &mut text).map_err(|cause| self.failed(cause))?;
        Ok(match self.kind {
            Kind::Runner => logs::section(&text, self.execution).map(str::to_owned),
            Kind::Keeper => Some(self.ours(&text)).filter(|text| !text.is_empty()),
        })
    }

    /// What it has said since.
    fn added(&mut self) -> Result<String, LogsError> {
        loop {
            let text = self.tail.next().map_err(|cause| self.failed(cause))?;
            let ours = match self.kind {
                Kind::Runner => logs::before_heading(&text).to_owned(),
                Kind::Keeper => self.ours(&text),
            };
            // Nothing of it may be ours.
            if text.is_empty() || !ours.is_empty() {
                return Ok(ours);
            }
        }
    }

    fn ours(&self, text: &str) -> String {
        let id = self.execution.to_string();
        text.lines().filter(|line| line.contains(&id)).flat_map(|line| [line, "\n"]).collect()
    }

    fn failed(&self, cause: io::Error) -> LogsError {
        LogsError::Read { path: self.path.clone(), cause }
    }
}

/// Both kinds of logs are kept small by those who write them.
fn read_whole(tail: &mut Tail, text: &mut String) -> io::Result<()> {
    loop {
        let piece = tail.next()?;
        if piece.is_empty() {
            return Ok(());
        }
        text.push_str(&piece);
    }
}

fn say(out: &mut impl Write, line: &str) -> Result<(), LogsError> {
    // Its first character may be a line break of ours.
    let (before, line) = line.strip_prefix('\n').map_or(("", line), |line| ("\n", line));
    writeln!(out, "{before}{}", for_terminal(line)).map_err(LogsError::Write)
}

/// Lines that somebody else wrote.
fn lines(out: &mut impl Write, text: &str) -> Result<(), LogsError> {
    for line in text.lines() {
        let plain = line.replace('\t', "    ");
        writeln!(out, "{}", for_terminal(plain.trim_end_matches('\r'))).map_err(LogsError::Write)?;
    }
    Ok(())
}
