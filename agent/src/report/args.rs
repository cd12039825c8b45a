//! The command line of the two reports. Help texts teach the words; nothing is decided here.

use clap::{Args, ValueEnum};
use hearth_ledger::By;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: as wide as the terminal, or unwrapped into a pipe or file
    Table,
    /// For programs: every figure exact, in whole milliseconds, minutes and millionths of a dollar
    Json,
    /// For spreadsheets and databases: one row per execution, or per limit of a budget
    Csv,
    /// For a job summary or an issue
    Markdown,
}

/// What the minutes are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupBy {
    #[value(name = "repo", alias = "repository")]
    Repository,
    Workflow,
    Job,
    Branch,
    Platform,
}

impl GroupBy {
    pub(super) fn dimension(self) -> By {
        match self {
            Self::Repository => By::Repository,
            Self::Workflow => By::Workflow,
            Self::Job => By::Job,
            Self::Branch => By::Branch,
            Self::Platform => By::Platform,
        }
    }
}

/// Which executions are meant.
#[derive(Debug, Clone, Args)]
pub struct MonthArgs {
    /// The month, like 2026-11; the running one when left out
    ///
    /// A job belongs to the month in which it completed.
    #[arg(long, value_name = "YYYY-MM")]
    pub month: Option<String>,

    /// The time zone in which the month begins and ends, like UTC or Europe/Berlin
    ///
    /// Only the boundaries use it, durations never do. GitHub's months are in UTC.
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,

    /// Only this repository, like github.com/owner/name
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
}

/// Show the minutes of a month, and how the documented budgets stand
///
/// Three readings of the same jobs stand side by side. Actual job-minutes are what the jobs ran, added up. Billable
/// ones round every job up to a whole minute, as a forge bills it. Weighted ones multiply that by what a minute of the
/// platform draws from a free tier: Linux 1, Windows 2, macOS 10. The hosted equivalent is what the forge's own
/// runners would have charged, each day at its price.
///
/// What nobody measured is called "not measured"; it is never taken for zero, and never for a budget that is met.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  hearth report                                   the running month, by repository
  hearth report --month 2026-10 --by job          which jobs used last month's minutes
  hearth report --format csv > executions.csv     every execution with all its columns
  hearth report --format markdown >> \"$GITHUB_STEP_SUMMARY\"

CSV: names come from jobs, and a spreadsheet runs a cell that begins with = + - or @ as a formula. Such a cell gets a
leading ' (apostrophe), and control characters are written as \\u{..}. Use --format json for names as they were.")]
pub struct ReportArgs {
    #[command(flatten)]
    pub month: MonthArgs,

    /// What to group the minutes by
    #[arg(long, value_enum, default_value_t = GroupBy::Repository)]
    pub by: GroupBy,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Show every documented budget, where it stands in the document, and its verdict
///
/// There are four verdicts. "met" and "missed" need a figure of the budget's own basis. "not measured": there is no
/// data, or not enough. "not comparable": there is a figure, but of another basis, such as wall-clock against
/// job-minutes. A budget for a run or a job is judged on the worst one of the month.
///
/// Where the document contradicts itself, each reading has a line of its own and the notes say what was done.
#[derive(Debug, Clone, Args)]
pub struct BudgetsArgs {
    #[command(flatten)]
    pub month: MonthArgs,

    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}
