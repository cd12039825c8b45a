//! `hearth jobs`.

use std::io::{self, Write};

use hearth_ledger::{Book, Execution, LedgerError, State, civil_time, rfc3339};
use hearth_model::Timestamp;
use serde_json::json;

use super::args::JobsArgs;
use super::open::{OpenJob, Owner, open_jobs};
use super::told::{told, told_open, warm};
use crate::report::{Setting, Sheet, draw, forgive_closed_pipe};
use hearth_daemon::terminal::for_terminal;

const SCHEMA_VERSION: u32 = 1;
const HEADER: [&str; 10] =
    ["Job", "Began", "Repository", "Workflow, job", "Runner", "Outcome", "Ran", "Charged", "Start", "Cache hits"];

#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("cannot list the jobs in the ledger")]
    Ledger(#[source] LedgerError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Answers `hearth jobs`.
pub fn print_jobs(args: &JobsArgs, book: &Book, setting: Setting<'_>, out: &mut impl Write) -> Result<(), ListError> {
    let listed = Listed::read(args, book).map_err(ListError::Ledger)?;
    let text = if args.json { listed.json(setting.now) } else { listed.text(args.repository.as_deref(), setting) };
    forgive_closed_pipe(writeln!(out, "{text}")).map_err(ListError::Write)
}

struct Listed {
    open: Vec<OpenJob>,
    /// The newest first.
    ended: Vec<Execution>,
}

impl Listed {
    fn read(args: &JobsArgs, book: &Book) -> Result<Self, LedgerError> {
        let mut open = open_jobs(book)?;
        if let Some(name) = &args.repository {
            open.retain(|job| job.execution.facts.as_ref().is_some_and(|facts| facts.repository == *name));
        }
        let limit = args.limit as usize;
        // The newest are asked for together with the open ones among them.
        let mut ended = match &args.repository {
            Some(name) => book.recent_of(name, limit + open.len())?,
            None => book.recent(limit + open.len())?,
        };
        ended.retain(|execution| !execution.state.is_open());
        ended.truncate(limit);
        Ok(Self { open, ended })
    }

    fn json(&self, now: Timestamp) -> String {
        let body = json!({
            "schema_version": SCHEMA_VERSION,
            "kind": "jobs",
            "generated_at": rfc3339(now),
            "open_jobs": self.open.iter().map(told_open).collect::<Vec<_>>(),
            "recent_jobs": self.ended.iter().map(told).collect::<Vec<_>>(),
        });
        format!("{body:#}")
    }

    fn text(&self, repository: Option<&str>, setting: Setting<'_>) -> String {
        if self.open.is_empty() && self.ended.is_empty() {
            return match repository {
                Some(name) => format!("no job of {} yet; hearth report lists the repositories", for_terminal(name)),
                None => "no job yet; try one in a Rust repository: hearth exec -- cargo test".to_owned(),
            };
        }
        let open = self.open.iter().map(|job| open_row(job, setting));
        let rows = open.chain(self.ended.iter().map(|execution| ended_row(execution, setting))).collect();
        let sheet =
            Sheet { heading: String::new(), header: HEADER.to_vec(), figures: &[6, 7, 9], whole: &[0, 1], rows };
        draw(&sheet, setting.screen)
    }
}

fn open_row(job: &OpenJob, setting: Setting<'_>) -> Vec<String> {
    let state = match (job.owner, job.execution.state) {
        (Owner::Gone, _) => "its process is gone; booked as lost soon",
        (Owner::Alive, State::Accepted) => "being prepared",
        (Owner::Alive, _) => "running",
    };
    let ran = job.since().map(|since| setting.now.since(since).to_string()).unwrap_or_default();
    row(&job.execution, state.to_owned(), ran, setting)
}

fn ended_row(execution: &Execution, setting: Setting<'_>) -> Vec<String> {
    let outcome = execution.outcome.map_or_else(|| "not known".to_owned(), |outcome| outcome.to_string());
    row(execution, outcome, execution.ran.unwrap_or_default().to_string(), setting)
}

fn row(execution: &Execution, outcome: String, ran: String, setting: Setting<'_>) -> Vec<String> {
    let facts = execution.facts.as_ref();
    let measures = execution.measures.as_ref();
    let began = execution.started_at.or(execution.accepted_at);
    let began = began.map(|at| civil_time(at, setting.zone).unwrap_or_else(|_| rfc3339(at)));
    let job = facts.map(|facts| match &facts.workflow {
        Some(workflow) => format!("{workflow}, {}", facts.job),
        None => facts.job.clone(),
    });
    let slot = execution.place.as_ref().map(|place| format!("slot {}", place.slot));
    let runner = facts.and_then(|facts| facts.run.runner_name.clone());
    let hits = measures.and_then(|m| m.compile).filter(|counts| counts.hits + counts.misses > 0);
    let is_open = execution.state.is_open();
    vec![
        execution.id.short(),
        began.unwrap_or_default(),
        facts.map(|facts| facts.repository.clone()).unwrap_or_default(),
        job.unwrap_or_default(),
        [runner, slot].into_iter().flatten().collect::<Vec<_>>().join(", "),
        outcome,
        ran,
        execution.billable_minutes().map(|minutes| format!("{minutes} min")).unwrap_or_default(),
        if is_open { String::new() } else { warm(measures.map(|m| m.warm_target)).to_owned() },
        hits.map(|counts| format!("{} of {}", counts.hits, counts.hits + counts.misses)).unwrap_or_default(),
    ]
}
