//! The gauges that need arithmetic: what a budget for the month allows and what is spent of it. Pure. What is not
//! measured has no series, because a series of zero would say that nothing was spent.

use hearth_ledger::{Amount, Judgment, Quantity, Reading, Verdict};
use hearth_model::Millis;

use super::labels::Label;

/// One limit on what the jobs of a month may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BudgetGauge {
    pub(super) labels: Vec<Label>,
    pub(super) limit: Millis,
    pub(super) spent: Option<Millis>,
}

/// The budgets that are spent over a month. Those for one run or one job have verdicts and no pace.
pub(super) fn budgets(judgments: &[Judgment<'_>]) -> Vec<BudgetGauge> {
    let lines = judgments.iter().flat_map(|judgment| judgment.limits.iter().map(move |line| (judgment.budget, line)));
    lines
        .filter_map(|(budget, line)| {
            let basis = match line.limit.quantity {
                Quantity::MonthBillable => "job_minutes_billable",
                Quantity::MonthWeighted => "job_minutes_weighted",
                _ => return None,
            };
            let spent = match &line.reading {
                Reading::Measured(measured) => match measured.amount {
                    Amount::Time(spent) => Some(spent),
                    Amount::Ratio { .. } | Amount::Count(_) => None,
                },
                Reading::NotMeasured { .. } | Reading::NotComparable { .. } => None,
            };
            let labels =
                vec![("budget", budget.id.clone()), ("limit", line.limit.name.clone()), ("basis", basis.to_owned())];
            Some(BudgetGauge { labels, limit: Millis::from_minutes(line.limit.value), spent })
        })
        .collect()
}

/// How many limits have each verdict; all four are always there.
pub(super) fn verdicts(judgments: &[Judgment<'_>]) -> [(&'static str, u64); 4] {
    let count = |wanted: Verdict| {
        judgments.iter().flat_map(|judgment| &judgment.limits).filter(|line| line.verdict == wanted).count() as u64
    };
    [
        ("met", count(Verdict::Met)),
        ("missed", count(Verdict::Missed)),
        ("not_measured", count(Verdict::NotMeasured)),
        ("not_comparable", count(Verdict::NotComparable)),
    ]
}
