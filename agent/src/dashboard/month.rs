//! This month: what was charged on which day and to whom, and how the documented budgets stand.

use std::collections::BTreeMap;

use hearth_ledger::{
    Book, Budgets, By, Charge, Day, Figures, Group, Judgment, LedgerError, MonthData, Period, PriceBook, Statement,
    Verdict, judge, rfc3339,
};
use hearth_model::{Millis, Timestamp};

#[derive(Debug)]
pub(super) struct Month {
    pub(super) period: Period,
    pub(super) total: Charge,
    /// By repository, the most minutes first.
    pub(super) repositories: Vec<Group>,
    /// Every day of the month, also those without a job.
    pub(super) days: Vec<DayMinutes>,
    pub(super) judgments: Vec<Judgment<'static>>,
}

/// What the jobs that ended on one UTC day come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DayMinutes {
    /// `2026-11-22`
    pub(super) date: String,
    pub(super) jobs: u64,
    pub(super) ran: Millis,
    pub(super) billable_minutes: u64,
}

/// How many limits have each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    pub(super) met: u64,
    pub(super) missed: u64,
    pub(super) not_measured: u64,
    pub(super) not_comparable: u64,
}

impl Month {
    pub(super) fn read(book: &Book, now: Timestamp, zone: &str) -> Result<Self, LedgerError> {
        let period = Period::month_of(now, zone)?;
        let data = book.month(&period, None)?;
        let (budgets, prices) = (Budgets::documented(), PriceBook::shipped());
        let figures = Figures::of(&data, prices, budgets);
        let statement = Statement::of(&data, By::Repository, prices);
        Ok(Self {
            total: statement.total,
            repositories: statement.groups,
            days: days(&data),
            judgments: budgets.all.iter().map(|budget| judge(budget, &figures)).collect(),
            period,
        })
    }

    pub(super) fn verdicts(&self) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for limit in self.judgments.iter().flat_map(|judgment| &judgment.limits) {
            let count = match limit.verdict {
                Verdict::Met => &mut verdicts.met,
                Verdict::Missed => &mut verdicts.missed,
                Verdict::NotMeasured => &mut verdicts.not_measured,
                Verdict::NotComparable => &mut verdicts.not_comparable,
            };
            *count += 1;
        }
        verdicts
    }
}

fn days(month: &MonthData) -> Vec<DayMinutes> {
    let mut sums: BTreeMap<i64, (u64, Millis, u64)> = BTreeMap::new();
    for cell in &month.cells {
        let day = sums.entry(cell.day.0).or_default();
        day.0 += cell.sums.jobs;
        day.1 += cell.sums.actual;
        day.2 += cell.sums.billable_minutes;
    }
    let (first, last) = (Day::of(month.period.start), Day::of(month.period.end - Millis(1)));
    (first.0..=last.0)
        .map(|day| {
            let (jobs, ran, billable_minutes) = sums.get(&day).copied().unwrap_or_default();
            DayMinutes { date: date(Day(day)), jobs, ran, billable_minutes }
        })
        .collect()
}

fn date(day: Day) -> String {
    let midnight = Timestamp::from_millis(day.0 * 86_400_000);
    rfc3339(midnight).split('T').next().unwrap_or_default().to_owned()
}
