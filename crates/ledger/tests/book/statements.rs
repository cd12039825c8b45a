//! What a month comes to: minutes, weights, prices, runs, and the verdicts on the documented budgets.

use std::collections::BTreeMap;

use hearth_ledger::{
    Book, Budgets, By, Figures, MicroUsd, MonthData, Period, PriceBook, Quantity, Reading, Statement, Verdict, judge,
};
use hearth_model::{Millis, Outcome, Ref};

use hearth_ledger::Verdict::{Met, Missed, NotComparable, NotMeasured};

use crate::support::{Job, LINUX, MAC_ARM, MAC_INTEL, MUSL, OK, WINDOWS, World};

pub(crate) const END: &str = "2026-11-30T12:00:00Z";

fn month_of(book: &Book, month: &str, zone: &str) -> MonthData {
    book.month(&Period::month(month, zone).unwrap(), None).unwrap()
}

pub(crate) fn november(book: &Book) -> MonthData {
    month_of(book, "2026-11", "UTC")
}

pub(crate) fn figures(month: &MonthData) -> Figures {
    Figures::of(month, PriceBook::shipped(), Budgets::documented())
}

fn total(month: &MonthData) -> hearth_ledger::Charge {
    Statement::of(month, By::Job, PriceBook::shipped()).total
}

pub(crate) fn verdicts(month: &MonthData, id: &str) -> Vec<Verdict> {
    let budget = Budgets::documented().get(id).unwrap();
    judge(budget, &figures(month)).limits.into_iter().map(|l| l.verdict).collect()
}

pub(crate) fn amount(month: &MonthData, quantity: Quantity) -> Option<String> {
    match figures(month).read(quantity, None) {
        Reading::Measured(measured) => Some(measured.amount.to_string()),
        Reading::NotMeasured { .. } | Reading::NotComparable { .. } => None,
    }
}

/// The document's new CI, staged: sanity, then build, then four tests side by side.
fn ci_run(run: u64, start: &str) -> Vec<Job> {
    let test = |name: &str| Job::new(name, start, 5).after(15).in_run(run);
    vec![
        Job::new("Sanity", start, 3).in_run(run),
        Job::new("Build", start, 12).after(3).in_run(run),
        test("Unit tests"),
        test("E2E tests"),
        test("OVSM tests"),
        test("Integration tests"),
    ]
}

/// The document's new release: five builds, three tests, four deployments.
fn release_run(run: u64, start: &str) -> Vec<Job> {
    let stages = [
        (
            0,
            vec![
                ("Build", LINUX, 10),
                ("Build", MUSL, 10),
                ("Build", MAC_INTEL, 12),
                ("Build", MAC_ARM, 12),
                ("Build", WINDOWS, 15),
            ],
        ),
        (15, vec![("Test", LINUX, 3), ("Test", MAC_ARM, 3), ("Test", WINDOWS, 3)]),
        (
            18,
            vec![
                ("GitHub release", LINUX, 2),
                ("Debian package", LINUX, 8),
                ("Homebrew formula", LINUX, 3),
                ("Crates publish", LINUX, 5),
            ],
        ),
    ];
    let jobs = stages.into_iter().flat_map(|(after, jobs)| {
        jobs.into_iter().map(move |(name, platform, minutes)| (name, platform, minutes, after))
    });
    jobs.map(|(name, platform, minutes, after)| {
        let mut job = Job::new(name, start, minutes).after(after).in_run(run).on(platform);
        job.facts.workflow = Some("release".to_owned());
        job.facts.reference = Ref::Tag("v1".to_owned());
        job
    })
    .collect()
}

pub(crate) fn record(book: &Book, jobs: &[Job]) {
    let all: Vec<_> = jobs.iter().flat_map(Job::whole).collect();
    book.append(&all).unwrap();
}

#[test]
fn the_documents_month_comes_to_what_it_really_costs() {
    let world = World::at(END);
    let book = world.open();
    for n in 0..10 {
        record(&book, &ci_run(n, &format!("2026-11-{:02}T08:00:00Z", n + 1)));
    }
    for n in 0..4 {
        record(&book, &release_run(100 + n, &format!("2026-11-{:02}T16:00:00Z", n + 1)));
    }
    let month = november(&book);
    let total = total(&month);
    assert_eq!(total.sums.billable_minutes, 694);
    assert_eq!(total.weighted_milli, 1_738_000);
    assert_eq!(total.hosted_equivalent, MicroUsd(10_500_000));
    assert_eq!(total.simulated_self_hosted, MicroUsd(1_388_000));
    assert_eq!((total.unpriced_minutes, total.unweighted_minutes), (0, 0));

    assert_eq!(verdicts(&month, "month_minutes"), [Missed, Missed, NotComparable]);
    assert_eq!(amount(&month, Quantity::MonthWall).as_deref(), Some("304 min"), "10 x 20 + 4 x 26");
    assert_eq!(verdicts(&month, "free_tier"), [Met], "1,738 of 2,000");
    assert_eq!(verdicts(&month, "month_share"), [Missed, Missed]);
    assert_eq!(amount(&month, Quantity::MonthShareWeighted).as_deref(), Some("86.9 %"));
    assert_eq!(verdicts(&month, "run_minutes"), [Met, Met]);
    assert_eq!(verdicts(&month, "ci_time"), [Met, Missed], "20 is under 25 and not under 15");
    assert_eq!(verdicts(&month, "release_time"), [Missed], "15 + 3 + 8 = 26");
    assert_eq!(verdicts(&month, "merge_time"), [Missed], "20 + 26 of one commit");
    assert_eq!(verdicts(&month, "savings"), [NotComparable]);
    assert_eq!(verdicts(&month, "retention_ci"), [NotMeasured]);
    assert_eq!(verdicts(&month, "duplicate_builds"), [NotMeasured, NotMeasured]);
    assert_eq!(verdicts(&month, "stage_test"), [Met]);
    assert_eq!(verdicts(&month, "stage_build_matrix"), [Met]);
    assert_eq!(verdicts(&month, "stage_deploy"), [Met]);
    for budget in Budgets::documented().all.iter().filter(|b| b.job.is_some() && !b.limits.is_empty()) {
        assert_eq!(verdicts(&month, &budget.id), [Met], "{}", budget.id);
    }
}

#[test]
fn the_other_weights_differ_by_a_percent() {
    let world = World::at(END);
    let book = world.open();
    record(&book, &release_run(1, "2026-11-01T16:00:00Z"));
    let month = november(&book);
    let weighted = |table: &str| -> u64 {
        let prices = PriceBook::shipped();
        let weights = prices.weights(table).unwrap();
        month
            .cells
            .iter()
            .map(|cell| weights.milli(prices.sku(&cell.series.platform).unwrap()).unwrap() * cell.sums.billable_minutes)
            .sum()
    };
    assert_eq!(total(&month).sums.billable_minutes, 86);
    assert_eq!(weighted("classic"), 347_000);
    assert_eq!(weighted("price_ratio") / 1_000, 349);
    assert_eq!(total(&month).hosted_equivalent, MicroUsd(2_100_000));
}

#[test]
fn a_second_more_per_job_is_a_minute_more_per_job() {
    let world = World::at(END);
    let book = world.open();
    let mut run = ci_run(1, "2026-11-01T08:00:00Z");
    record(&book, &run);
    let month = november(&book);
    assert_eq!(total(&month).sums.actual, Millis::from_minutes(35));
    assert_eq!(total(&month).sums.rounding_waste(), Millis(0));
    assert_eq!(figures(&month).parallelism_milli, Some(1_750));

    for job in &mut run {
        job.ran += Millis::from_secs(1);
    }
    record(&book, &run);
    let month = november(&book);
    assert_eq!(
        total(&month).sums.billable_minutes,
        35,
        "the same observations said again with another time are not news"
    );

    let world = World::at(END);
    let book = world.open();
    record(&book, &run);
    let sums = total(&november(&book)).sums;
    assert_eq!(sums.actual, Millis::from_minutes(35) + Millis::from_secs(6));
    assert_eq!(sums.billable_minutes, 41);
    assert_eq!(sums.rounding_waste(), Millis::from_minutes(5) + Millis::from_secs(54));
}

#[test]
fn a_job_belongs_to_the_month_in_which_it_completed_in_every_zone() {
    let world = World::at(END);
    let book = world.open();
    // 31 October 23:58 to 1 November 00:03 UTC.
    record(&book, &[Job::new("edge", "2026-10-31T23:58:00Z", 5)]);
    let minutes = |month: &str, zone: &str| total(&month_of(&book, month, zone)).sums.billable_minutes;
    assert_eq!((minutes("2026-10", "UTC"), minutes("2026-11", "UTC")), (0, 5));
    assert_eq!((minutes("2026-10", "America/New_York"), minutes("2026-11", "America/New_York")), (5, 0));
    assert_eq!((minutes("2026-10", "Europe/Berlin"), minutes("2026-11", "Europe/Berlin")), (0, 5));
}

#[test]
fn a_month_of_a_local_zone_has_exactly_the_jobs_between_its_midnights() {
    let world = World::at(END);
    let book = world.open();
    // One job of a minute ends at each full hour from the last day of September to the first of November.
    let mut jobs = Vec::new();
    for day in 29..=64 {
        for hour in 0..24 {
            let start =
                crate::support::instant_of("2026-09-01T00:00:00Z") + Millis::from_minutes((day * 24 + hour) * 60 - 1);
            let mut job = Job::new("hourly", "2026-09-01T00:00:00Z", 1);
            job.accepted_at = start;
            jobs.push(job);
        }
    }
    record(&book, &jobs);
    for (zone, month, hours) in [
        ("UTC", "2026-10", 744),
        ("Europe/Berlin", "2026-10", 745),
        ("America/New_York", "2026-10", 744),
        ("Asia/Kathmandu", "2026-10", 744),
        ("Pacific/Auckland", "2026-10", 744),
    ] {
        assert_eq!(total(&month_of(&book, month, zone)).sums.jobs, hours, "{zone}");
    }
}

#[test]
fn a_price_is_the_one_of_the_day_of_completion() {
    let world = World::at(END);
    let book = world.open();
    record(&book, &[Job::new("old", "2025-12-31T12:00:00Z", 10), Job::new("new", "2026-01-01T12:00:00Z", 10)]);
    let cost = |month: &str| total(&month_of(&book, month, "UTC")).hosted_equivalent;
    assert_eq!((cost("2025-12"), cost("2026-01")), (MicroUsd(80_000), MicroUsd(60_000)));
    assert_eq!(total(&month_of(&book, "2026-01", "UTC")).simulated_self_hosted, MicroUsd(0));
}

#[test]
fn a_platform_that_nobody_hosts_is_missing_and_not_free() {
    let world = World::at(END);
    let book = world.open();
    record(&book, &[Job::new("test", "2026-11-01T08:00:00Z", 10).on("riscv64gc-unknown-linux-gnu")]);
    let month = november(&book);
    assert_eq!((total(&month).unpriced_minutes, total(&month).hosted_equivalent), (10, MicroUsd(0)));
    assert_eq!(verdicts(&month, "free_tier"), [Verdict::NotMeasured]);
    assert_eq!(verdicts(&month, "month_minutes")[0], Verdict::Met);
}

#[test]
fn what_never_started_and_what_is_still_running_cost_nothing() {
    let world = World::at(END);
    let book = world.open();
    let mut never = Job::new("typo", "2026-11-01T08:00:00Z", 0);
    never.outcome = Outcome::NeverStarted { code: 127 };
    record(&book, &[never]);
    book.append(&Job::new("slow", "2026-11-01T08:00:00Z", 500).start()).unwrap();
    let month = november(&book);
    let sums = total(&month).sums;
    assert_eq!((sums.jobs, sums.voided, sums.billable_minutes, month.open), (0, 1, 0, 1));
    assert_eq!(month.ci.runs, 0);
    assert_eq!(verdicts(&month, "month_minutes")[0], Verdict::NotMeasured);
}

#[test]
fn attempts_are_runs_of_their_own_and_a_local_job_is_its_own_run() {
    let world = World::at(END);
    let book = world.open();
    let attempt = |n| {
        let mut job = Job::new("test", "2026-11-01T08:00:00Z", 10).after(u64::from(n) * 600).in_run(1);
        job.facts.run.run_attempt = Some(n);
        job
    };
    record(
        &book,
        &[
            attempt(1),
            attempt(2),
            Job::new("local", "2026-11-01T08:00:00Z", 2),
            Job::new("local", "2026-11-01T08:00:00Z", 2),
        ],
    );
    let month = november(&book);
    assert_eq!(month.ci.runs, 4);
    assert_eq!(month.ci.worst_wall, Some(Millis::from_minutes(10)), "the hours between attempts are nobody's");
}

#[test]
fn groups_add_up_to_the_total_whatever_they_are_grouped_by() {
    let world = World::at(END);
    let book = world.open();
    let mut jobs = ci_run(1, "2026-11-01T08:00:00Z");
    jobs.extend(release_run(2, "2026-11-02T08:00:00Z"));
    let mut other = Job::new("test", "2026-11-03T08:00:00Z", 7);
    other.facts.repository = "local/scratch".to_owned();
    other.facts.workflow = None;
    other.outcome = Outcome::Exited { code: 1 };
    jobs.push(other);
    record(&book, &jobs);
    let month = november(&book);
    for by in By::ALL {
        let statement = Statement::of(&month, by, PriceBook::shipped());
        let sum =
            |pick: fn(&hearth_ledger::Charge) -> u64| statement.groups.iter().map(|g| pick(&g.charge)).sum::<u64>();
        assert_eq!(sum(|c| c.sums.billable_minutes), statement.total.sums.billable_minutes, "{by}");
        assert_eq!(sum(|c| c.weighted_milli), statement.total.weighted_milli, "{by}");
        assert_eq!(sum(|c| c.hosted_equivalent.0), statement.total.hosted_equivalent.0, "{by}");
    }
    let by_repository = Statement::of(&month, By::Repository, PriceBook::shipped());
    let names: BTreeMap<&str, u64> =
        by_repository.groups.iter().map(|g| (g.name.as_str(), g.charge.sums.billable_minutes)).collect();
    assert_eq!(names, BTreeMap::from([("github.com/acme/anvil", 121), ("local/scratch", 7)]));
    let one = book.month(&Period::month("2026-11", "UTC").unwrap(), Some("local/scratch")).unwrap();
    assert_eq!((total(&one).sums.jobs, total(&one).sums.failed, one.ci.runs), (1, 1, 1));
}

#[test]
fn executions_are_handed_out_in_order_of_their_end_until_told_to_stop() {
    let world = World::at(END);
    let book = world.open();
    let jobs = [3_u64, 1, 2].map(|n| Job::new(&n.to_string(), "2026-11-01T08:00:00Z", n));
    record(&book, &jobs);
    let period = Period::month("2026-11", "UTC").unwrap();
    let mut seen = Vec::new();
    book.each_execution(&period, None, |execution| {
        assert_eq!(execution.outcome, Some(OK));
        seen.push(execution.facts.unwrap().job);
        if seen.len() == 2 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, ["1", "2"]);
}
