//! The page for programs. Every figure is exact and says its unit in its name; what is not measured is null.
//! `schema_version` goes up when a field changes its meaning or goes away; new fields may come at any time.

use std::io::Write;

use hearth_ledger::{Amount, Charge, Completeness, KindOfRuns, Reading, rfc3339};
use serde_json::{Value, json};

use super::ReportError;
use super::page::Page;

const SCHEMA_VERSION: u32 = 1;

pub(super) fn report(page: &Page, out: &mut impl Write) -> Result<(), ReportError> {
    let groups: Vec<Value> = page
        .statement
        .groups
        .iter()
        .map(|group| json!({ "name": group.name, "sums": charge(&group.charge) }))
        .collect();
    let mut body = head(page, "report");
    body["by"] = json!(page.statement.by.as_str());
    body["totals"] = charge(&page.statement.total);
    body["totals"]["open_jobs"] = json!(page.month.open);
    body["totals"]["parallelism_milli"] = json!(page.figures.parallelism_milli);
    body["totals"]["build_efficiency_by_count"] = json!(page.figures.count_efficiency.map(amount));
    body["runs"] = json!({ "ci": runs(&page.month.ci), "release": runs(&page.month.release) });
    body["groups"] = json!(groups);
    body["budgets"] = judgments(page);
    body["prices"] = json!({
        "book": page.prices.name,
        "checked_on": page.prices.checked_on,
        "rounding": page.prices.rounding,
        "weights": page.prices.default_weights().name,
    });
    write(&body, out)
}

pub(super) fn budgets(page: &Page, out: &mut impl Write) -> Result<(), ReportError> {
    let mut body = head(page, "budgets");
    body["budgets"] = judgments(page);
    body["contradictions"] = json!(page.budgets.contradictions);
    write(&body, out)
}

fn write(body: &Value, out: &mut impl Write) -> Result<(), ReportError> {
    serde_json::to_writer_pretty(&mut *out, body).map_err(ReportError::Json)?;
    out.write_all(b"\n").map_err(ReportError::Write)
}

fn head(page: &Page, kind: &str) -> Value {
    let question = &page.question;
    json!({
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "generated_at": rfc3339(question.now),
        "month": question.period.label,
        "zone": question.period.zone,
        "period": { "start": rfc3339(question.period.start), "end": rfc3339(question.period.end) },
        "repository": question.repository,
        "document": page.budgets.document,
    })
}

fn charge(charge: &Charge) -> Value {
    let sums = &charge.sums;
    json!({
        "jobs": sums.jobs,
        "failed": sums.failed,
        "lost": sums.lost,
        "never_started": sums.voided,
        "actual_ms": sums.actual.0,
        "billable_minutes": sums.billable_minutes,
        "weighted_milliminutes": charge.weighted_milli,
        "unweighted_minutes": charge.unweighted_minutes,
        "rounding_waste_ms": sums.rounding_waste().0,
        "longest_job_ms": sums.longest.0,
        "hosted_equivalent_micro_usd": charge.hosted_equivalent.0,
        "unpriced_minutes": charge.unpriced_minutes,
        "simulated_self_hosted_micro_usd": charge.simulated_self_hosted.0,
        "cache_lookups": { "exact": sums.exact, "partial": sums.partial, "none": sums.cold },
        "compiler": (sums.compile_jobs > 0).then(|| json!({
            "jobs": sums.compile_jobs, "requests": sums.requests, "hits": sums.hits, "misses": sums.misses,
        })),
        "compile_time": (sums.timed_jobs > 0).then(|| json!({
            "jobs": sums.timed_jobs, "useful_ms": sums.useful.0, "total_ms": sums.compile_total.0,
        })),
    })
}

fn runs(kind: &KindOfRuns) -> Value {
    let worst = |time: Option<hearth_model::Millis>| time.map(|ms| ms.0);
    json!({
        "runs": kind.runs,
        "job_ms": kind.actual.0,
        "worst_job_ms": worst(kind.worst_actual),
        "wall_ms": kind.wall.0,
        "worst_wall_ms": worst(kind.worst_wall),
        "full_builds": kind.full_builds,
        "distinct_builds": kind.distinct_builds,
        "jobs_with_unknown_builds": kind.unknown_builds,
    })
}

fn judgments(page: &Page) -> Value {
    let judged = page.judgments.iter().map(|judgment| {
        let budget = judgment.budget;
        let limits: Vec<Value> = judgment
            .limits
            .iter()
            .map(|line| {
                json!({
                    "name": line.limit.name,
                    "quantity": line.limit.quantity,
                    "is": line.limit.is,
                    "value": line.limit.value,
                    "verdict": line.verdict,
                    "reading": reading(&line.reading),
                })
            })
            .collect();
        json!({
            "id": budget.id,
            "title": budget.title,
            "basis": budget.basis,
            "scope": budget.scope,
            "period": budget.period,
            "was": budget.was,
            "claimed": budget.claimed,
            "lines": budget.lines,
            "note": budget.note,
            "contradictions": budget.contradictions,
            "limits": limits,
        })
    });
    Value::Array(judged.collect())
}

fn reading(reading: &Reading) -> Value {
    match reading {
        Reading::Measured(m) => json!({
            "amount": amount(m.amount),
            "basis": m.basis,
            "complete": m.completeness == Completeness::Complete,
            "of": m.of,
        }),
        Reading::NotMeasured { why } | Reading::NotComparable { why } => json!({ "amount": null, "why": why }),
    }
}

fn amount(amount: Amount) -> Value {
    match amount {
        Amount::Time(ms) => json!({ "ms": ms.0 }),
        Amount::Ratio { part, whole } => json!({ "part": part, "whole": whole }),
        Amount::Count(count) => json!({ "count": count }),
    }
}
