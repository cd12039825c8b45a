//! A page as headings, rows and notes in plain words. Names stand here as they were said; whoever writes a sheet makes
//! them safe for its medium.

use hearth_ledger::{Budget, Charge, Judgment, KindOfRuns, Quantity, Reading, Verdict};

use super::figure::{NOT_MEASURED, counted, dollars, minutes, share, thousandths};
use super::page::Page;

/// One table.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) heading: String,
    /// Empty for a list of names and values.
    pub(crate) header: Vec<&'static str>,
    /// Columns whose cells are figures.
    pub(crate) figures: &'static [usize],
    /// Columns whose cells are never wrapped.
    pub(crate) whole: &'static [usize],
    pub(crate) rows: Vec<Vec<String>>,
}

/// Sheets and what is to be said below them.
#[derive(Debug)]
pub(super) struct Sheets {
    pub(super) title: String,
    pub(super) tables: Vec<Sheet>,
    pub(super) notes: Vec<String>,
}

/// Totals, groups, and the budgets that have something to say.
pub(super) fn report(page: &Page) -> Sheets {
    let is_idle_job = |judgment: &&Judgment<'_>| {
        judgment.budget.job.is_some() && judgment.limits.iter().all(|l| l.verdict == Verdict::NotMeasured)
    };
    let idle = page.judgments.iter().filter(|j| is_idle_job(j) && !j.limits.is_empty()).count() as u64;
    let shown: Vec<&Judgment<'_>> = page.judgments.iter().filter(|judgment| !is_idle_job(judgment)).collect();
    let mut notes = assumptions(page);
    if idle > 0 {
        notes.push(format!(
            "{} of single jobs not measured, because no such job ended in this month; `hearth budgets` lists them.",
            counted(idle, "budget", "budgets")
        ));
    }
    notes.extend(contradictions(page, &shown, How::Short));
    Sheets { title: title(page, "Minutes"), tables: vec![totals(page), groups(page), verdicts(page, &shown)], notes }
}

/// Every budget, with all that is to be said about it.
pub(super) fn budgets(page: &Page) -> Sheets {
    let all: Vec<&Judgment<'_>> = page.judgments.iter().collect();
    let mut notes = assumptions(page);
    let of_budgets =
        all.iter().filter_map(|j| j.budget.note.as_ref().map(|note| format!("{}: {note}", j.budget.title)));
    notes.extend(of_budgets);
    notes.extend(contradictions(page, &all, How::InFull));
    Sheets { title: title(page, "Budgets"), tables: vec![verdicts(page, &all), provenance(page)], notes }
}

fn title(page: &Page, what: &str) -> String {
    let of = page.question.repository.as_deref().unwrap_or("all repositories");
    let period = &page.question.period;
    let running = if period.contains(page.question.now) { ", so far" } else { "" };
    format!("{what} of {} ({}), {of}{running}", period.label, period.zone)
}

fn totals(page: &Page) -> Sheet {
    let total = &page.statement.total;
    let sums = &total.sums;
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    row("Jobs", jobs(total, page.month.open));
    row("Runs", format!("{} CI, {} release", page.month.ci.runs, page.month.release.runs));
    row("Actual job-minutes", minutes(sums.actual));
    row("Billable job-minutes", format!("{} min", sums.billable_minutes));
    row("Weighted job-minutes", with_missing(minutes(total.weighted()), total.unweighted_minutes));
    let billable_ms = sums.billable_minutes * 60_000;
    let waste = minutes(sums.rounding_waste());
    row(
        "Rounding waste",
        match billable_ms {
            0 => waste,
            whole => format!("{waste}, {} of billable", share(sums.rounding_waste().0, whole)),
        },
    );
    row("Hosted equivalent", with_missing(dollars(total.hosted_equivalent), total.unpriced_minutes));
    row("Self-hosted charge, simulated", format!("{} (announced, not in force)", dollars(total.simulated_self_hosted)));
    row("Parallelism", page.figures.parallelism_milli.map_or_else(|| NOT_MEASURED.to_owned(), thousandths));
    row("Cache lookups", described(&page.figures.read(Quantity::CacheUsable, None), "usable"));
    row("Compiler calls", described(&page.figures.read(Quantity::CompilerHits, None), "hits"));
    row("Full builds", builds(&page.month.ci, &page.month.release));
    row("Build efficiency", efficiency(page));
    Sheet { heading: "Totals".to_owned(), header: Vec::new(), figures: &[], whole: &[0], rows }
}

fn jobs(total: &Charge, open: u64) -> String {
    let sums = &total.sums;
    let parts = [
        (sums.failed, "failed"),
        (sums.lost, "lost, charged up to their last heartbeat"),
        (sums.voided, "never started, charged nothing"),
        (open, "still running, not counted"),
    ];
    let said = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    [counted(sums.jobs, "job", "jobs")].into_iter().chain(said).collect::<Vec<_>>().join("; ")
}

fn with_missing(figure: String, missing: u64) -> String {
    match missing {
        0 => figure,
        missing => format!("{figure}, without {missing} min on platforms that have no hosted equivalent"),
    }
}

fn described(reading: &Reading, what: &str) -> String {
    match reading {
        Reading::Measured(m) => format!("{} {what}; {}", m.amount, m.of),
        Reading::NotMeasured { why } | Reading::NotComparable { why } => format!("{NOT_MEASURED}: {why}"),
    }
}

fn builds(ci: &KindOfRuns, release: &KindOfRuns) -> String {
    let full = ci.full_builds + release.full_builds;
    let redundant = full - (ci.distinct_builds + release.distinct_builds).min(full);
    let known = format!("{full}, {redundant} of them redundant");
    match ci.unknown_builds + release.unknown_builds {
        0 if ci.runs + release.runs == 0 => NOT_MEASURED.to_owned(),
        0 => known,
        unknown => format!("{known}; not measured in {}", counted(unknown, "job", "jobs")),
    }
}

fn efficiency(page: &Page) -> String {
    let by_time = described(&page.figures.read(Quantity::BuildEfficiency, None), "useful");
    match page.figures.count_efficiency {
        Some(by_count) => format!("{by_time}; by count of builds {by_count}"),
        None => by_time,
    }
}

fn groups(page: &Page) -> Sheet {
    let row = |name: String, charge: &Charge| {
        let sums = &charge.sums;
        let incomplete = |missing: u64| if missing == 0 { "" } else { " +?" };
        vec![
            name,
            sums.jobs.to_string(),
            sums.failed.to_string(),
            minutes(sums.actual),
            format!("{} min", sums.billable_minutes),
            format!("{}{}", minutes(charge.weighted()), incomplete(charge.unweighted_minutes)),
            minutes(sums.rounding_waste()),
            format!("{}{}", dollars(charge.hosted_equivalent), incomplete(charge.unpriced_minutes)),
        ]
    };
    let mut rows: Vec<Vec<String>> = page
        .statement
        .groups
        .iter()
        .map(|group| {
            row(if group.name.is_empty() { "(not known)".to_owned() } else { group.name.clone() }, &group.charge)
        })
        .collect();
    rows.push(row("Total".to_owned(), &page.statement.total));
    Sheet {
        heading: format!("Job-minutes by {}", page.statement.by),
        header: vec![
            page.statement.by.as_str(),
            "jobs",
            "failed",
            "actual",
            "billable",
            "weighted",
            "rounding",
            "hosted",
        ],
        figures: &[1, 2, 3, 4, 5, 6, 7],
        whole: &[1, 2, 3, 4, 5, 6, 7],
        rows,
    }
}

/// One line per limit. The basis stands with every figure, so that no wall-clock can be read as job-minutes.
fn verdicts(page: &Page, judgments: &[&Judgment<'_>]) -> Sheet {
    let rows = judgments.iter().flat_map(|judgment| {
        let budget = judgment.budget;
        judgment.limits.iter().enumerate().map(move |(at, line)| {
            let basis = match &line.reading {
                Reading::Measured(measured) => measured.basis,
                Reading::NotMeasured { .. } | Reading::NotComparable { .. } => budget.basis,
            };
            vec![
                if at == 0 { format!("{}{}", budget.title, note_numbers(budget)) } else { String::new() },
                format!("{}: {}", line.limit.name, budget.wanted(line.limit)),
                line.reading.figure(),
                line.verdict.as_str().to_owned(),
                format!("{basis}: {}", line.reading.because()),
            ]
        })
    });
    Sheet {
        heading: format!("Budgets of \"{}\"", page.budgets.document),
        header: vec!["budget", "limit", "figure", "verdict", "read from"],
        figures: &[2],
        whole: &[2, 3],
        rows: rows.collect(),
    }
}

/// Where each budget stands in the document, and what the document says of the past.
fn provenance(page: &Page) -> Sheet {
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows = page.budgets.all.iter().map(|budget| {
        let (was, claimed) = (said(&budget.was), said(&budget.claimed));
        let scope = format!("{}, per {}", budget.scope, budget.period);
        vec![format!("{}{}", budget.title, note_numbers(budget)), scope, was, claimed, budget.lines.clone()]
    });
    Sheet {
        heading: "Where they stand".to_owned(),
        header: vec!["budget", "scope", "was", "claimed", "lines"],
        figures: &[],
        whole: &[],
        rows: rows.collect(),
    }
}

fn note_numbers(budget: &Budget) -> String {
    let numbers: Vec<String> = budget.contradictions.iter().map(ToString::to_string).collect();
    if numbers.is_empty() { String::new() } else { format!(" [{}]", numbers.join(" ")) }
}

/// What the figures rest on.
fn assumptions(page: &Page) -> Vec<String> {
    let weights = page.prices.default_weights();
    vec![
        format!("Weights: {} ({}).", weights.name, weights.what),
        format!(
            "Hosted equivalent: standard runners at the prices of the day, as fast as these machines, every job rounded up \
             to a whole minute, no included minutes subtracted; prices checked on {}.",
            page.prices.checked_on
        ),
        "A budget for a run or a job is judged on the worst one; what the document says of the past is history and never judged.".to_owned(),
    ]
}

#[derive(Clone, Copy)]
enum How {
    Short,
    InFull,
}

/// The document's contradictions that touch the budgets shown.
fn contradictions(page: &Page, shown: &[&Judgment<'_>], how: How) -> Vec<String> {
    page.budgets
        .contradictions
        .iter()
        .filter(|c| shown.iter().any(|judgment| judgment.budget.contradictions.contains(&c.number)))
        .map(|c| match how {
            How::Short => format!("[{}] {}", c.number, c.handled),
            How::InFull => format!("[{}] {} Here: {}", c.number, c.says, c.handled),
        })
        .collect()
}
