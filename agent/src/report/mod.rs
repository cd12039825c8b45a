//! Questions to the ledger and their answers: `hearth report` and `hearth budgets`, as a table, JSON, CSV or Markdown.
//! It computes no figure of its own and never prints wall-clock time under a heading that says job-minutes.

mod args;
mod figure;
mod json;
mod markdown;
mod page;
mod rows;
mod safe;
mod sheet;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use hearth_ledger::{Book, By, LedgerError};
use hearth_model::Timestamp;

pub use args::{BudgetsArgs, Format, GroupBy, ReportArgs};
pub(crate) use safe::for_markdown;
pub(crate) use sheet::Sheet;
pub use table::Screen;
pub(crate) use table::draw;

use page::{Page, Question};

/// Why a report could not be given.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("cannot find the month to report")]
    Month(#[source] LedgerError),
    #[error("cannot read the month from the ledger")]
    Ledger(#[source] LedgerError),
    #[error("cannot write the report")]
    Write(#[source] io::Error),
    #[error("cannot write the report as JSON")]
    Json(#[source] serde_json::Error),
    #[error("cannot write the report as CSV")]
    Csv(#[source] csv::Error),
}

/// What a report depends on beside its question.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub now: Timestamp,
    /// The zone of months when the question names none.
    pub zone: &'a str,
    pub screen: Screen,
}

/// Answers `hearth report`.
pub fn run_report(
    args: &ReportArgs,
    book: &Book,
    setting: Setting<'_>,
    out: &mut impl Write,
) -> Result<(), ReportError> {
    let question = Question::of(&args.month, setting, args.by.dimension())?;
    let answer = match args.format {
        Format::Csv => rows::executions(book, &question, out),
        format => {
            let page = Page::read(book, question)?;
            match format {
                Format::Json => json::report(&page, out),
                Format::Markdown => markdown::write(&sheet::report(&page), out),
                Format::Table | Format::Csv => table::write(&sheet::report(&page), setting.screen, out),
            }
        }
    };
    until_the_reader_has_enough(answer)
}

/// Answers `hearth budgets`.
pub fn run_budgets(
    args: &BudgetsArgs,
    book: &Book,
    setting: Setting<'_>,
    out: &mut impl Write,
) -> Result<(), ReportError> {
    let question = Question::of(&args.month, setting, By::Repository)?;
    let page = Page::read(book, question)?;
    let answer = match args.format {
        Format::Csv => rows::budgets(&page, out),
        Format::Json => json::budgets(&page, out),
        Format::Markdown => markdown::write(&sheet::budgets(&page), out),
        Format::Table => table::write(&sheet::budgets(&page), setting.screen, out),
    };
    until_the_reader_has_enough(answer)
}

/// A reader that stops reading, as `head` does, has what it wanted.
pub(crate) fn forgive_closed_pipe(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The same of a whole report.
fn until_the_reader_has_enough(answer: Result<(), ReportError>) -> Result<(), ReportError> {
    let is_closed = |kind: io::ErrorKind| kind == io::ErrorKind::BrokenPipe;
    match answer {
        Err(ReportError::Write(cause)) if is_closed(cause.kind()) => Ok(()),
        Err(ReportError::Json(cause)) if cause.io_error_kind().is_some_and(is_closed) => Ok(()),
        Err(ReportError::Csv(cause)) if matches!(cause.kind(), csv::ErrorKind::Io(io) if is_closed(io.kind())) => {
            Ok(())
        }
        other => other,
    }
}
