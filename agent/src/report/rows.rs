//! CSV by RFC 4180: one row per execution with all columns, or one per limit of a budget. An empty cell is not
//! measured; 0 is measured as zero. Text from jobs is made safe for spreadsheets, which the help of the command says.

use std::io::Write;
use std::ops::ControlFlow;

use hearth_ledger::{Amount, Book, Day, Execution, PriceBook, Reading, rfc3339};
use hearth_model::{JobFacts, Measures, Timestamp};

use super::ReportError;
use super::page::{Page, Question};
use super::safe::for_csv;

const EXECUTION: [&str; 53] = [
    "execution_id",
    "forge",
    "repository",
    "repository_id",
    "workflow",
    "workflow_ref",
    "job",
    "ref",
    "event",
    "from_fork",
    "commit",
    "work_tree",
    "lock_digest",
    "actor",
    "platform",
    "run_id",
    "run_attempt",
    "job_id",
    "runner_name",
    "machine",
    "slot",
    "state",
    "outcome",
    "exit_code",
    "conclusion",
    "ending",
    "end_basis",
    "accepted_at",
    "started_at",
    "completed_at",
    "ran_ms",
    "billable_minutes",
    "sku",
    "weighted_milliminutes",
    "hosted_micro_usd",
    "disagreements",
    "measured_by",
    "cpu_count",
    "cpu_us",
    "peak_rss_bytes",
    "read_bytes",
    "written_bytes",
    "warm_target",
    "warm_bytes",
    "compile_requests",
    "compile_hits",
    "compile_misses",
    "compile_uncacheable",
    "compile_errors",
    "compile_useful_ms",
    "compile_total_ms",
    "build_fingerprint",
    "full_build",
];

const BUDGET: [&str; 17] = [
    "id",
    "title",
    "basis",
    "scope",
    "period",
    "was",
    "claimed",
    "limit",
    "is",
    "value",
    "verdict",
    "figure_ms",
    "figure_part",
    "figure_whole",
    "figure_count",
    "read_from",
    "lines",
];

pub(super) fn executions(book: &Book, question: &Question, out: &mut impl Write) -> Result<(), ReportError> {
    let mut writer = writer(out);
    writer.write_record(EXECUTION).map_err(ReportError::Csv)?;
    let mut failed = None;
    book.each_execution(&question.period, question.repository.as_deref(), |execution| {
        match writer.write_record(execution_row(&execution)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(cause) => {
                failed = Some(cause);
                ControlFlow::Break(())
            }
        }
    })
    .map_err(ReportError::Ledger)?;
    match failed {
        Some(cause) => Err(ReportError::Csv(cause)),
        None => writer.flush().map_err(ReportError::Write),
    }
}

pub(super) fn budgets(page: &Page, out: &mut impl Write) -> Result<(), ReportError> {
    let mut writer = writer(out);
    writer.write_record(BUDGET).map_err(ReportError::Csv)?;
    for judgment in &page.judgments {
        let budget = judgment.budget;
        for line in &judgment.limits {
            let (mut time, mut part, mut whole, mut count) = (None, None, None, None);
            let mut basis = budget.basis;
            if let Reading::Measured(measured) = &line.reading {
                basis = measured.basis;
                match measured.amount {
                    Amount::Time(ms) => time = Some(ms.0),
                    Amount::Ratio { part: p, whole: w } => (part, whole) = (Some(p), Some(w)),
                    Amount::Count(n) => count = Some(n),
                }
            }
            let text = |text: &Option<String>| text.as_deref().map_or(String::new(), |text| for_csv(text).into_owned());
            let row: [String; 17] = [
                budget.id.clone(),
                budget.title.clone(),
                basis.to_string(),
                budget.scope.clone(),
                budget.period.clone(),
                text(&budget.was),
                text(&budget.claimed),
                line.limit.name.clone(),
                line.limit.is.sign().to_owned(),
                line.limit.value.to_string(),
                line.verdict.as_str().to_owned(),
                figure(time),
                figure(part),
                figure(whole),
                figure(count),
                for_csv(line.reading.because()).into_owned(),
                budget.lines.clone(),
            ];
            writer.write_record(row).map_err(ReportError::Csv)?;
        }
    }
    writer.flush().map_err(ReportError::Write)
}

fn writer<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out)
}

fn execution_row(execution: &Execution) -> [String; 53] {
    let facts = execution.facts.as_ref();
    let place = execution.place.as_ref();
    let measures = execution.measures.as_ref();
    let compile = measures.and_then(|m| m.compile);
    let said = |pick: fn(&JobFacts) -> Option<&str>| {
        facts.and_then(pick).map_or(String::new(), |text| for_csv(text).into_owned())
    };
    let used = |pick: fn(&Measures) -> Option<u64>| figure(measures.and_then(pick));
    let at = |instant: Option<Timestamp>| instant.map_or(String::new(), rfc3339);
    let (sku, weighted, price) = hosted(execution);
    [
        execution.id.to_string(),
        said(|f| Some(f.forge.host())),
        said(|f| Some(&f.repository)),
        figure(facts.and_then(|f| f.run.repository_id)),
        said(|f| f.workflow.as_deref()),
        said(|f| f.run.workflow_ref.as_deref()),
        said(|f| Some(&f.job)),
        facts.map_or(String::new(), |f| for_csv(&f.reference.to_string()).into_owned()),
        said(|f| Some(f.event.as_str())),
        figure(facts.map(|f| f.from_fork)),
        said(|f| f.commit.as_deref()),
        facts.map_or("", |f| work_tree(f.work_tree)).to_owned(),
        said(|f| f.lock_digest.as_deref()),
        said(|f| f.actor.as_deref()),
        said(|f| Some(&f.platform)),
        figure(facts.and_then(|f| f.run.run_id)),
        figure(facts.and_then(|f| f.run.run_attempt)),
        figure(facts.and_then(|f| f.run.job_id)),
        said(|f| f.run.runner_name.as_deref()),
        place.map_or(String::new(), |p| for_csv(&p.machine).into_owned()),
        figure(place.map(|p| p.slot)),
        execution.state.as_str().to_owned(),
        figure(execution.outcome),
        figure(execution.outcome.map(hearth_model::Outcome::exit_code)),
        figure(execution.outcome.map(hearth_model::Outcome::conclusion)),
        figure(execution.ending),
        execution.end_basis.to_string(),
        at(execution.accepted_at),
        at(execution.started_at),
        at(execution.completed_at),
        figure(execution.ran.map(|ran| ran.0)),
        figure(execution.billable_minutes()),
        sku.unwrap_or_default().to_owned(),
        figure(weighted),
        figure(price),
        execution.disagreements.to_string(),
        figure(measures.map(|m| m.usage.measured_by)),
        figure(place.and_then(|p| p.cpu_count)),
        used(|m| m.usage.cpu_us),
        used(|m| m.usage.peak_rss.map(|bytes| bytes.0)),
        used(|m| m.usage.read.map(|bytes| bytes.0)),
        used(|m| m.usage.written.map(|bytes| bytes.0)),
        figure(measures.map(|m| m.warm_target)),
        used(|m| m.warm_bytes.map(|bytes| bytes.0)),
        figure(compile.map(|c| c.requests)),
        figure(compile.map(|c| c.hits)),
        figure(compile.map(|c| c.misses)),
        figure(compile.map(|c| c.uncacheable)),
        figure(compile.map(|c| c.errors)),
        used(|m| m.compile_useful.map(|ms| ms.0)),
        used(|m| m.compile_total.map(|ms| ms.0)),
        measures.and_then(|m| m.build_fingerprint.as_deref()).map_or(String::new(), |text| for_csv(text).into_owned()),
        figure(measures.and_then(|m| m.full_build)),
    ]
}

/// The runner that the platform stands for, and what this execution weighs and would have cost there.
fn hosted(execution: &Execution) -> (Option<&'static str>, Option<u64>, Option<u64>) {
    let prices = PriceBook::shipped();
    let sku = execution.facts.as_ref().and_then(|facts| prices.sku(&facts.platform));
    let minutes = execution.billable_minutes();
    let weight = sku.and_then(|sku| prices.default_weights().milli(sku));
    let price = sku.zip(execution.completed_at).and_then(|(sku, at)| prices.price(sku, Day::of(at)));
    let times = |factor: Option<u64>| factor.zip(minutes).map(|(factor, minutes)| factor * minutes);
    (sku, times(weight), times(price.map(|price| price.0)))
}

const fn work_tree(state: hearth_model::WorkTree) -> &'static str {
    match state {
        hearth_model::WorkTree::Clean => "clean",
        hearth_model::WorkTree::Dirty => "dirty",
    }
}

/// What is not measured is an empty cell.
fn figure(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}
