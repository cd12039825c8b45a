//! The verdict. Pure. Four words, because two would make "nobody looked" a success.

use serde::Serialize;

use crate::budgets::document::{Budget, Comparison, Limit};
use crate::budgets::figures::Figures;
use crate::budgets::reading::{Completeness, Reading};

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Met,
    Missed,
    /// There is no data, or not enough to say so.
    NotMeasured,
    /// There is a figure, but of another basis than the limit.
    NotComparable,
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
            Self::NotComparable => "not comparable",
        }
    }
}

/// One limit of a budget and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitVerdict<'a> {
    pub limit: &'a Limit,
    pub reading: Reading,
    pub verdict: Verdict,
}

/// A budget and how each of its limits stands; none of them for a budget that is history only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgment<'a> {
    pub budget: &'a Budget,
    pub limits: Vec<LimitVerdict<'a>>,
}

/// Holds the figures against a budget.
pub fn judge<'a>(budget: &'a Budget, figures: &Figures) -> Judgment<'a> {
    let limits = budget
        .limits
        .iter()
        .map(|limit| {
            let reading = figures.read(limit.quantity, budget.job.as_ref());
            LimitVerdict { limit, verdict: verdict(budget, limit, &reading), reading }
        })
        .collect();
    Judgment { budget, limits }
}

fn verdict(budget: &Budget, limit: &Limit, reading: &Reading) -> Verdict {
    let measured = match reading {
        Reading::NotMeasured { .. } => return Verdict::NotMeasured,
        Reading::NotComparable { .. } => return Verdict::NotComparable,
        Reading::Measured(measured) => measured,
    };
    if measured.basis != budget.basis {
        return Verdict::NotComparable;
    }
    let Some(keeps) = measured.amount.keeps(limit.is, limit.value, budget.basis) else {
        return Verdict::NotComparable;
    };
    let can_turn = measured.completeness == Completeness::AtLeast && may_turn(limit.is, keeps);
    match (keeps, can_turn) {
        (_, true) => Verdict::NotMeasured,
        (true, false) => Verdict::Met,
        (false, false) => Verdict::Missed,
    }
}

/// Whether a figure that is really higher could change what it now says: a ceiling that holds may break, a floor that
/// is missed may be reached.
const fn may_turn(is: Comparison, keeps: bool) -> bool {
    is.is_ceiling() == keeps
}

#[cfg(test)]
mod tests {
    use hearth_model::Millis;

    use super::*;
    use crate::budgets::document::{Basis, Budgets};
    use crate::budgets::reading::{Amount, Measurement};

    fn measured(amount: Amount, basis: Basis, completeness: Completeness) -> Reading {
        Reading::Measured(Measurement { amount, basis, completeness, of: String::new() })
    }

    fn minutes(n: u64, basis: Basis) -> Reading {
        measured(Amount::Time(Millis::from_minutes(n)), basis, Completeness::Complete)
    }

    fn percent(part: u64, whole: u64) -> Reading {
        measured(Amount::Ratio { part, whole }, Basis::Ratio, Completeness::Complete)
    }

    fn count(n: u64) -> Reading {
        measured(Amount::Count(n), Basis::Count, Completeness::Complete)
    }

    #[track_caller]
    fn check(id: &str, reading: &Reading, expected: &[Verdict]) {
        let budget = Budgets::documented().get(id).unwrap();
        let given: Vec<Verdict> = budget.limits.iter().map(|limit| verdict(budget, limit, reading)).collect();
        assert_eq!(given, expected, "{id} with {reading:?}");
    }

    #[test]
    fn limits_are_kept_to_the_letter() {
        use Verdict::{Met, Missed};
        let billable = |n| minutes(n, Basis::JobMinutesBillable);
        check("month_minutes", &billable(399), &[Met, Missed, Met]);
        check("month_minutes", &billable(400), &[Missed, Missed, Missed]);
        check("month_minutes", &billable(200), &[Met, Met, Met]);
        check("month_minutes", &billable(201), &[Met, Missed, Met]);
        check("free_tier", &minutes(2_000, Basis::JobMinutesWeighted), &[Met]);
        check("free_tier", &minutes(2_001, Basis::JobMinutesWeighted), &[Missed]);
        check("ci_time", &minutes(24, Basis::Wall), &[Met, Missed]);
        check("ci_time", &minutes(25, Basis::Wall), &[Missed, Missed]);
        check("ci_time", &minutes(14, Basis::Wall), &[Met, Met]);
        check("release_time", &minutes(26, Basis::Wall), &[Missed]);
        check("release_time", &minutes(25, Basis::Wall), &[Met]);
        check("cache_hit", &percent(80, 100), &[Missed, Missed, Missed, Missed]);
        check("cache_hit", &percent(801, 1_000), &[Met, Missed, Met, Missed]);
        check("cache_hit", &percent(95, 100), &[Met, Met, Met, Met]);
        check("build_efficiency", &percent(1, 4), &[Missed, Missed]);
        check("build_efficiency", &percent(1, 1), &[Met, Met]);
        check("duplicate_builds", &count(1), &[Met, Missed]);
        check("duplicate_builds", &count(0), &[Met, Met]);
        check("platforms", &count(5), &[Met, Missed]);
        check("platforms", &count(4), &[Missed, Missed]);
        check("platforms", &count(8), &[Met, Met]);
        check("job_ci_sanity", &minutes(3, Basis::JobMinutesActual), &[Met]);
        check("job_ci_sanity", &minutes(4, Basis::JobMinutesActual), &[Missed]);
        check("job_release_docs", &minutes(7, Basis::JobMinutesActual), &[]);
    }

    #[test]
    fn a_run_of_sixty_passes_the_budget_and_misses_the_diagram() {
        let check_run = |n, expected: &[Verdict]| check("run_minutes", &minutes(n, Basis::JobMinutesActual), expected);
        check_run(35, &[Verdict::Met, Verdict::Met]);
        check_run(60, &[Verdict::Met, Verdict::Missed]);
        check_run(161, &[Verdict::Missed, Verdict::Missed]);
    }

    #[test]
    fn unknown_is_never_met() {
        let nothing = Reading::not_measured("nobody looked");
        for budget in &Budgets::documented().all {
            for limit in &budget.limits {
                assert_eq!(verdict(budget, limit, &nothing), Verdict::NotMeasured, "{}", budget.id);
            }
        }
    }

    #[test]
    fn figures_of_another_basis_are_not_compared() {
        use Verdict::NotComparable;
        check("month_minutes", &minutes(1, Basis::Wall), &[NotComparable; 3]);
        check("run_minutes", &minutes(1, Basis::Wall), &[NotComparable; 2]);
        check("ci_time", &minutes(1, Basis::JobMinutesActual), &[NotComparable; 2]);
        check("ci_time", &measured(Amount::Count(1), Basis::Wall, Completeness::Complete), &[NotComparable; 2]);
        let retired = Reading::NotComparable { why: "no denominator".to_owned() };
        check("savings", &retired, &[NotComparable]);
    }

    #[test]
    fn an_incomplete_figure_can_break_a_ceiling_and_reach_a_floor_and_nothing_else() {
        use Verdict::{Met, Missed, NotMeasured};
        let at_least =
            |n| measured(Amount::Time(Millis::from_minutes(n)), Basis::JobMinutesWeighted, Completeness::AtLeast);
        check("free_tier", &at_least(2_001), &[Missed]);
        check("free_tier", &at_least(10), &[NotMeasured]);
        let some = |n| measured(Amount::Count(n), Basis::Count, Completeness::AtLeast);
        check("platforms", &some(5), &[Met, NotMeasured]);
        check("duplicate_builds", &some(1), &[NotMeasured, Missed]);
    }
}
