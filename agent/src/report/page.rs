//! Everything that one answer is made of, read once; every format writes the same page.

use hearth_ledger::{Book, Budgets, By, Figures, Judgment, MonthData, Period, PriceBook, Statement, judge};
use hearth_model::Timestamp;

use super::args::MonthArgs;
use super::{ReportError, Setting};

/// A question with nothing left open.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) period: Period,
    pub(super) repository: Option<String>,
    pub(super) by: By,
    pub(super) now: Timestamp,
}

impl Question {
    pub(super) fn of(args: &MonthArgs, setting: Setting<'_>, by: By) -> Result<Self, ReportError> {
        let zone = args.zone.as_deref().unwrap_or(setting.zone);
        let period = match &args.month {
            Some(month) => Period::month(month, zone),
            None => Period::month_of(setting.now, zone),
        };
        Ok(Self {
            period: period.map_err(ReportError::Month)?,
            repository: args.repository.clone(),
            by,
            now: setting.now,
        })
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) question: Question,
    pub(super) month: MonthData,
    pub(super) statement: Statement,
    pub(super) figures: Figures,
    pub(super) judgments: Vec<Judgment<'static>>,
    pub(super) budgets: &'static Budgets,
    pub(super) prices: &'static PriceBook,
}

impl Page {
    pub(super) fn read(book: &Book, question: Question) -> Result<Self, ReportError> {
        let (budgets, prices) = (Budgets::documented(), PriceBook::shipped());
        let month = book.month(&question.period, question.repository.as_deref()).map_err(ReportError::Ledger)?;
        let figures = Figures::of(&month, prices, budgets);
        Ok(Self {
            statement: Statement::of(&month, question.by, prices),
            judgments: budgets.all.iter().map(|budget| judge(budget, &figures)).collect(),
            figures,
            month,
            question,
            budgets,
            prices,
        })
    }
}
