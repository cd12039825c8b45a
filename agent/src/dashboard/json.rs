//! The page for programs, by the rules of `hearth report --format json`: exact figures with their unit in the name,
//! null for what is not measured, a `schema_version` that goes up when a field changes its meaning or goes away.
//! A part that could not be read is null, and `unreadable` says why.

use hearth_cache_server::{IndexState, NodeStatus};
use hearth_ledger::{Execution, Judgment, rfc3339};
use hearth_model::{Outcome, Timestamp};
use serde_json::{Value, json};

use super::month::Month;
use super::overview::{OpenJob, Overview, Owner, Part, WarmTargets};
use crate::targets::ListedSnapshot;

const SCHEMA_VERSION: u32 = 1;

pub(super) fn overview(overview: &Overview) -> Value {
    let slots = overview.slots.iter().map(|(number, occupancy)| {
        let job = overview.job_in(*number);
        json!({ "slot": number, "occupancy": occupancy, "execution_id": job.map(|job| job.execution.id) })
    });
    json!({
        "schema_version": SCHEMA_VERSION,
        "machine": overview.machine,
        "version": env!("CARGO_PKG_VERSION"),
        "read_at": rfc3339(overview.read_at),
        "zone": overview.zone,
        "slots": slots.collect::<Vec<_>>(),
        "open_jobs": part(&overview.jobs, |jobs| jobs.open.iter().map(open_job).collect()),
        "recent_jobs": part(&overview.jobs, |jobs| jobs.recent.iter().map(execution).collect()),
        "month": part(&overview.month, month),
        "cache": cache(&overview.cache),
        "warm_targets": part(&overview.targets, warm_targets),
        "unreadable": {
            "jobs": overview.jobs.as_ref().err(),
            "month": overview.month.as_ref().err(),
            "warm_targets": overview.targets.as_ref().err(),
        },
    })
}

fn part<T>(part: &Part<T>, tell: impl FnOnce(&T) -> Value) -> Value {
    part.as_ref().map_or(Value::Null, tell)
}

fn open_job(job: &OpenJob) -> Value {
    let mut value = execution(&job.execution);
    value["owner"] = json!(match job.owner {
        Owner::Alive => "alive",
        Owner::Gone => "gone",
    });
    value
}

fn execution(execution: &Execution) -> Value {
    let facts = execution.facts.as_ref();
    let measures = execution.measures.as_ref();
    let compile = measures.and_then(|m| m.compile);
    json!({
        "execution_id": execution.id,
        "state": execution.state,
        "repository": facts.map(|f| &f.repository),
        "workflow": facts.and_then(|f| f.workflow.as_deref()),
        "job": facts.map(|f| &f.job),
        "ref": facts.map(|f| &f.reference),
        "event": facts.map(|f| &f.event),
        "commit": facts.and_then(|f| f.commit.as_deref()),
        "slot": execution.place.as_ref().map(|place| place.slot),
        "accepted_at": at(execution.accepted_at),
        "started_at": at(execution.started_at),
        "completed_at": at(execution.completed_at),
        "outcome": execution.outcome,
        "said": execution.outcome.map(|outcome| outcome.to_string()),
        "exit_code": execution.outcome.map(Outcome::exit_code),
        "ending": execution.ending,
        "end_basis": execution.end_basis,
        "ran_ms": execution.ran,
        "billable_minutes": execution.billable_minutes(),
        "warm_target": measures.map(|m| m.warm_target),
        "compile_requests": compile.map(|c| c.requests),
        "compile_hits": compile.map(|c| c.hits),
        "compile_misses": compile.map(|c| c.misses),
    })
}

fn at(instant: Option<Timestamp>) -> Option<String> {
    instant.map(rfc3339)
}

fn month(month: &Month) -> Value {
    let days = month.days.iter().map(|day| {
        json!({ "date": day.date, "jobs": day.jobs, "ran_ms": day.ran, "billable_minutes": day.billable_minutes })
    });
    let repositories = month.repositories.iter().map(|group| {
        let sums = &group.charge.sums;
        json!({
            "repository": group.name,
            "jobs": sums.jobs,
            "failed": sums.failed,
            "ran_ms": sums.actual,
            "billable_minutes": sums.billable_minutes,
        })
    });
    let verdicts = month.verdicts();
    json!({
        "label": month.period.label,
        "start": rfc3339(month.period.start),
        "end": rfc3339(month.period.end),
        "jobs": month.total.sums.jobs,
        "failed": month.total.sums.failed,
        "ran_ms": month.total.sums.actual,
        "billable_minutes": month.total.sums.billable_minutes,
        "days_utc": days.collect::<Vec<_>>(),
        "repositories": repositories.collect::<Vec<_>>(),
        "verdicts": {
            "met": verdicts.met,
            "missed": verdicts.missed,
            "not_measured": verdicts.not_measured,
            "not_comparable": verdicts.not_comparable,
        },
        "budgets": month.judgments.iter().map(budget).collect::<Vec<_>>(),
    })
}

fn budget(judgment: &Judgment<'_>) -> Value {
    let limits = judgment.limits.iter().map(|line| {
        json!({
            "name": line.limit.name,
            "wanted": judgment.budget.wanted(line.limit),
            "figure": line.reading.figure(),
            "verdict": line.verdict,
            "because": line.reading.because(),
        })
    });
    json!({
        "id": judgment.budget.id,
        "title": judgment.budget.title,
        "basis": judgment.budget.basis,
        "limits": limits.collect::<Vec<_>>(),
    })
}

fn cache(status: &NodeStatus) -> Value {
    json!({
        "objects": status.objects,
        "bytes": status.bytes,
        "budget_bytes": status.budget,
        "memory_bytes": status.memory,
        "index": match status.index {
            IndexState::Loading => "loading",
            IndexState::Complete => "complete",
        },
        "hits": status.hits,
        "misses": status.misses,
        "stored": status.stored,
        "failed": status.failed,
        "evicted": status.evicted,
        "corrupt": status.corrupt,
    })
}

fn warm_targets(targets: &WarmTargets) -> Value {
    let snapshot = |snapshot: &ListedSnapshot| {
        json!({
            "id": snapshot.id,
            "lane": snapshot.lane,
            "repository": snapshot.repository,
            "job": snapshot.job,
            "scope": snapshot.scope,
            "commit": snapshot.commit,
            "bytes": snapshot.bytes,
            "files": snapshot.files,
            "made_at": rfc3339(snapshot.made_at),
            "used_at": rfc3339(snapshot.used_at),
            "ready": snapshot.ready,
        })
    };
    json!({
        "bytes": targets.bytes(),
        "budget_bytes": targets.budget,
        "clones": targets.means,
        "snapshots": targets.snapshots.iter().map(snapshot).collect::<Vec<_>>(),
    })
}
