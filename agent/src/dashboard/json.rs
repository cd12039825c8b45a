//! The page for programs, by the rules of `hearth report --format json`: exact figures with their unit in the name,
//! null for what is not measured, a `schema_version` that goes up when a field changes its meaning or goes away.
//! A part that could not be read is null, and `unreadable` says why.

use hearth_cache_server::{IndexState, NodeStatus};
use hearth_ledger::{Judgment, rfc3339};
use serde_json::{Value, json};

use super::month::Month;
use super::overview::{Forge, Overview, Part, WarmTargets};
use crate::dispatch::PlaceFigures;
use crate::jobs::{told, told_open};
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
        "open_jobs": part(&overview.jobs, |jobs| jobs.open.iter().map(told_open).collect()),
        "recent_jobs": part(&overview.jobs, |jobs| jobs.recent.iter().map(told).collect()),
        "month": part(&overview.month, month),
        "cache": cache(&overview.cache),
        "warm_targets": part(&overview.targets, warm_targets),
        "github": forge(&overview.forge),
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

fn forge(forge: &Forge) -> Value {
    let place = |place: &PlaceFigures| {
        json!({
            "url": place.url,
            "wanted_runners": place.standing.wanted,
            "runners": place.standing.have,
            "promised_runners": place.standing.capacity,
            "trouble": place.standing.trouble,
            "heard_at": place.demand.last_heard.map(rfc3339),
            "held_until": place.limits.held_until.map(rfc3339),
            "clock_skew_ms": place.clock_skew_ms,
        })
    };
    let runners = forge.runners.iter().map(|(slot, record)| match record {
        Ok(record) => json!({
            "slot": slot,
            "runner": record.runner,
            "place": record.target,
            "state": record.state.name(),
            "since": rfc3339(record.state.since()),
            "execution_id": record.execution,
        }),
        Err(why) => json!({ "slot": slot, "unreadable": why }),
    });
    json!({
        "is_draining": forge.is_draining,
        "places": forge.places.iter().map(place).collect::<Vec<_>>(),
        "runners": runners.collect::<Vec<_>>(),
    })
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
