//! The sections of the page. Each says in words what is missing: nothing yet, or nothing that could be read.

use hearth_cache_server::IndexState;
use hearth_daemon::pages::{Screen, cell, counted, figure, name, section, share_of_budget, table, whole};
use hearth_ledger::{Basis, Execution, Judgment, LimitVerdict, Reading, State, Verdict};
use hearth_model::{Millis, SlotNumber};
use maud::{Markup, html};

use super::format::{branch, outcome, time};
use super::month::Month;
use super::overview::{Overview, Part};
use super::plot::minutes_by_day;
use crate::jobs::{OpenJob, Owner, warm};
use crate::slots::Occupancy;

/// Repositories that are listed by name.
const REPOSITORIES: usize = 8;

/// A part, or the sentence in its place.
fn part<T>(part: &Part<T>, what: &str, show: impl FnOnce(&T) -> Markup) -> Markup {
    match part {
        Ok(part) => show(part),
        Err(why) => html! { p.trouble { (what) " cannot be read: " (why) "." } },
    }
}

pub(super) fn slots(overview: &Overview) -> Markup {
    let row = |slot: SlotNumber, occupancy: Occupancy| {
        let job = overview.job_in(slot);
        html! {
            tr {
                th.whole scope="row" data-column="Slot" { span.only-card { "Slot " } (slot) }
                @match (occupancy, job) {
                    (Occupancy::Free, _) => { (cell("State", html! { span.badge.quiet { "free" } })) (cell("Job", "")) (figure("For", "")) }
                    (Occupancy::Busy, None) => {
                        (cell("State", html! { span.badge.busy { "busy" } }))
                        (whole("Job", html! { span.quiet { "taken by a job that is not in the ledger yet or not any more" } }))
                        (figure("For", ""))
                    }
                    (Occupancy::Busy, Some(job)) => {
                        (cell("State", html! { span.badge.busy { "busy" } }))
                        (whole("Job", who(&job.execution)))
                        (figure("For", running_for(job, overview)))
                    }
                }
            }
        }
    };
    let rows = html! { @for (slot, occupancy) in &overview.slots { (row(*slot, *occupancy)) } };
    let open = part(&overview.jobs, "The open jobs", |jobs| {
        let elsewhere: Vec<&OpenJob> = jobs.open.iter().filter(|job| !is_shown_in_slot(job, overview)).collect();
        html! {
            @if jobs.open.is_empty() { p.quiet { "No job is running." } }
            @if !elsewhere.is_empty() { (open_jobs(&elsewhere, overview)) }
        }
    });
    let content = html! { (table("Slots of this machine", &["Slot", "State", "Job", "For"], &rows)) (open) };
    section("slots", "Now", &content)
}

fn is_shown_in_slot(job: &OpenJob, overview: &Overview) -> bool {
    let shown = job.slot().and_then(|slot| overview.job_in(slot));
    let busy = |slot| overview.slots.contains(&(slot, Occupancy::Busy));
    shown.is_some_and(|shown| shown.execution.id == job.execution.id) && job.slot().is_some_and(busy)
}

/// Jobs that the ledger has as open and that are in no slot: they are beginning, ending, or their process died.
fn open_jobs(jobs: &[&OpenJob], overview: &Overview) -> Markup {
    let state = |job: &OpenJob| match (job.owner, job.execution.state) {
        (Owner::Gone, _) => "its process is gone; it is booked as lost soon",
        (Owner::Alive, State::Accepted) => "being prepared",
        (Owner::Alive, _) => "running or being finished",
    };
    let rows = html! {
        @for job in jobs {
            tr { (whole("Job", who(&job.execution))) (cell("State", state(job))) (figure("For", running_for(job, overview))) }
        }
    };
    table("Open jobs that are in no slot", &["Job", "State", "For"], &rows)
}

fn running_for(job: &OpenJob, overview: &Overview) -> Markup {
    html! {
        @if let Some(since) = job.since() {
            (overview.read_at.since(since).to_string())
            span.second { "since " (time(since, overview.read_at, &overview.zone)) }
        }
    }
}

/// A job by its name, with where it comes from below.
fn who(execution: &Execution) -> Markup {
    let facts = execution.facts.as_ref();
    html! {
        strong { (name(facts.map_or("", |f| &f.job))) }
        span.second {
            (name(facts.map_or("", |f| &f.repository)))
            @let branch = branch(execution);
            @if !branch.is_empty() { " · " (name(&branch)) }
            @if let Some(workflow) = facts.and_then(|f| f.workflow.as_deref()) { " · " (name(workflow)) }
        }
    }
}

pub(super) fn recent(overview: &Overview) -> Markup {
    let content = part(&overview.jobs, "The jobs", |jobs| {
        if jobs.recent.is_empty() {
            return html! {
                p.empty { "No job has ended yet. Try this in a Rust repository: " code { "hearth exec -- cargo test" } }
            };
        }
        let rows = html! { @for execution in &jobs.recent { (recent_row(execution, overview)) } };
        table(
            "The last jobs, newest first",
            &["Ended", "Job", "Outcome", "Ran", "Charged", "Start", "Compiler cache"],
            &rows,
        )
    });
    section("jobs", "Recent jobs", &content)
}

fn recent_row(execution: &Execution, overview: &Overview) -> Markup {
    let (said, tone) = outcome(execution);
    let measures = execution.measures.as_ref();
    let cache = match measures.and_then(|m| m.compile) {
        Some(counts) if counts.hits + counts.misses > 0 => {
            html! { (counts.hits) " hit, " (counts.misses) " missed" }
        }
        Some(counts) if counts.uncacheable > 0 => html! { span.quiet { "nothing cacheable" } },
        Some(_) => html! { span.quiet { "not asked" } },
        None => html! { span.quiet { "not measured" } },
    };
    html! {
        tr {
            (cell("Ended", html! { @if let Some(at) = execution.completed_at { (time(at, overview.read_at, &overview.zone)) } }))
            (whole("Job", who(execution)))
            (whole("Outcome", html! { span class={ "outcome " (tone.class()) } { (said) } }))
            (figure("Ran", execution.ran.unwrap_or_default().to_string()))
            (figure("Charged", html! { (execution.billable_minutes().unwrap_or_default()) " min" }))
            (cell("Start", warm(measures.map(|m| m.warm_target))))
            (figure("Compiler cache", cache))
        }
    }
}

pub(super) fn month(overview: &Overview) -> Markup {
    let content = part(&overview.month, "The month", |month| {
        let label = &month.period.label;
        html! {
            @if month.total.sums.jobs == 0 {
                p.empty { "No job has ended in " (label) "." }
            } @else {
                p {
                    strong { (counted(month.total.sums.billable_minutes, "minute", "minutes")) } " charged for "
                    (month.total.sums.actual.to_string()) " that " (counted(month.total.sums.jobs, "job", "jobs")) " ran: \
                    every job is rounded up to whole minutes, as a forge bills it."
                }
                figure.minutes {
                    (minutes_by_day(&month.days, label, Screen::Wide))
                    (minutes_by_day(&month.days, label, Screen::Narrow))
                    figcaption {
                        span.key.ran { "what jobs ran" } " " span.key.charged { "added by rounding up" }
                    }
                }
                (repositories(month))
            }
        }
    });
    let heading = overview.month.as_ref().map_or("This month".to_owned(), |m| format!("Minutes of {}", m.period.label));
    section("month", &heading, &content)
}

fn repositories(month: &Month) -> Markup {
    let rows = html! {
        @for group in month.repositories.iter().take(REPOSITORIES) {
            @let sums = &group.charge.sums;
            tr {
                th.whole scope="row" data-column="Repository" { (name(&group.name)) }
                (figure("Jobs", sums.jobs.to_string()))
                (figure("Failed", sums.failed.to_string()))
                (figure("Ran", sums.actual.to_string()))
                (figure("Charged", html! { (sums.billable_minutes) " min" }))
            }
        }
    };
    html! {
        (table("Charged by repository", &["Repository", "Jobs", "Failed", "Ran", "Charged"], &rows))
        @if month.repositories.len() > REPOSITORIES {
            p.quiet { "and " (counted((month.repositories.len() - REPOSITORIES) as u64, "other", "others")) ": " code { "hearth report" } }
        }
    }
}

pub(super) fn budgets(overview: &Overview) -> Markup {
    let content = part(&overview.month, "The month", |month| {
        let verdicts = month.verdicts();
        let with = |wanted: &[Verdict]| -> Vec<(&Judgment<'_>, &LimitVerdict<'_>)> {
            let all =
                month.judgments.iter().flat_map(|judgment| judgment.limits.iter().map(move |line| (judgment, line)));
            all.filter(|(_, line)| wanted.contains(&line.verdict)).collect()
        };
        let mut judged = with(&[Verdict::Missed, Verdict::Met, Verdict::NotComparable]);
        judged.sort_by_key(|(_, line)| match line.verdict {
            Verdict::Missed => 0,
            Verdict::Met => 1,
            Verdict::NotMeasured | Verdict::NotComparable => 2,
        });
        html! {
            ul.verdicts {
                li { (verdict(Verdict::Met)) " " (verdicts.met) }
                li { (verdict(Verdict::Missed)) " " (verdicts.missed) }
                li { (verdict(Verdict::NotMeasured)) " " (verdicts.not_measured) }
                li { (verdict(Verdict::NotComparable)) " " (verdicts.not_comparable) }
            }
            @if !judged.is_empty() { (limits("Limits with a verdict", &judged)) }
            @if verdicts.not_measured > 0 {
                details #not-measured {
                    summary { (counted(verdicts.not_measured, "limit is", "limits are")) " not measured this month" }
                    (limits("Limits that are not measured", &with(&[Verdict::NotMeasured])))
                }
            }
        }
    });
    section("budgets", "Budgets of this month", &content)
}

fn limits(caption: &str, lines: &[(&Judgment<'_>, &LimitVerdict<'_>)]) -> Markup {
    let rows = html! {
        @for (judgment, line) in lines {
            tr {
                th.whole scope="row" data-column="Budget" { (judgment.budget.title) " " span.beside { (line.limit.name) } }
                (figure("Limit", judgment.budget.wanted(line.limit)))
                (figure("Figure", line.reading.figure()))
                (cell("Verdict", verdict(line.verdict)))
                (whole("Read from", html! { (line.reading.because()) " " span.beside { (basis(&line.reading, judgment.budget.basis).to_string()) } }))
            }
        }
    };
    table(caption, &["Budget", "Limit", "Figure", "Verdict", "Read from"], &rows)
}

fn basis(reading: &Reading, wanted: Basis) -> Basis {
    match reading {
        Reading::Measured(measured) => measured.basis,
        Reading::NotMeasured { .. } | Reading::NotComparable { .. } => wanted,
    }
}

fn verdict(verdict: Verdict) -> Markup {
    let class = match verdict {
        Verdict::Met => "good",
        Verdict::Missed => "bad",
        Verdict::NotMeasured | Verdict::NotComparable => "quiet",
    };
    html! { span class={ "badge " (class) } { (verdict.as_str()) } }
}

pub(super) fn targets(overview: &Overview) -> Markup {
    let content = part(&overview.targets, "The warm targets", |targets| {
        let rows = html! {
            @for snapshot in &targets.snapshots {
                tr {
                    (whole("Job", html! { strong { (name(&snapshot.job)) } span.second { (name(&snapshot.repository)) } }))
                    (cell("Scope", name(&snapshot.scope)))
                    (cell("Commit", html! { code { (snapshot.commit.as_deref().map_or("none", |c| c.get(..10).unwrap_or(c))) } }))
                    (figure("Size", html! { (snapshot.bytes.to_string()) }))
                    (figure("Files", html! { (snapshot.files) }))
                    (figure("Made", html! { (ago(overview.read_at.since(snapshot.made_at))) }))
                    (cell("Clone", ready(snapshot.ready)))
                }
            }
        };
        html! {
            (share_of_budget("Snapshots and ready clones", targets.bytes(), targets.budget))
            p.quiet { "Clones are made by " (targets.means.to_string()) "." }
            @if targets.snapshots.is_empty() {
                p.empty { "No snapshot yet: the first job that succeeds leaves one, and the next one starts from it." }
            } @else {
                (table("Snapshots, the most recently used first", &["Job", "Scope", "Commit", "Size", "Files", "Made", "Clone"], &rows))
            }
        }
    });
    section("targets", "Warm targets", &content)
}

fn ready(is_ready: bool) -> Markup {
    html! { @if is_ready { span.badge.good { "ready" } } @else { span.badge.quiet { "not ready" } } }
}

fn ago(time: Millis) -> String {
    match time.0 / 86_400_000 {
        0 => format!("{time} ago"),
        days => format!("{} ago", counted(days, "day", "days")),
    }
}

pub(super) fn cache(overview: &Overview) -> Markup {
    let status = &overview.cache;
    let pair = |what: &str, figure: String| html! { div { dt { (what) } dd { (figure) } } };
    let content = html! {
        (share_of_budget("Objects on disk", status.bytes, status.budget))
        dl.figures {
            (pair("Objects", status.objects.to_string()))
            (pair("In memory", status.memory.to_string()))
            (pair("Hits", status.hits.to_string()))
            (pair("Misses", status.misses.to_string()))
            (pair("Stored", status.stored.to_string()))
            (pair("Evicted", status.evicted.to_string()))
            (pair("Damaged, removed", status.corrupt.to_string()))
            (pair("Index", match status.index {
                IndexState::Complete => "complete".to_owned(),
                IndexState::Loading => "still counting what is on disk".to_owned(),
            }))
        }
        p.quiet { "Counted since this daemon started." }
    };
    section("cache", "Compile cache", &content)
}
