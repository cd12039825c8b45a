//! A job as programs and people are told of it, wherever it is listed.

use hearth_ledger::{Execution, rfc3339};
use hearth_model::{Forge, Outcome, Timestamp, WarmTarget};
use serde_json::{Value, json};

use super::open::OpenJob;

/// By the rules of `hearth report --format json`: exact figures with their unit in the name, null for what is not known.
pub fn told(execution: &Execution) -> Value {
    let facts = execution.facts.as_ref();
    let place = execution.place.as_ref();
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
        "run_id": facts.and_then(|f| f.run.run_id),
        "runner": facts.and_then(|f| f.run.runner_name.as_deref()),
        "url": forge_url(execution),
        "machine": place.map(|place| &place.machine),
        "slot": place.map(|place| place.slot),
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

/// One that is open, with whether its process lives.
pub fn told_open(job: &OpenJob) -> Value {
    let mut value = told(&job.execution);
    value["owner"] = json!(job.owner.as_str());
    value
}

/// Where the forge shows what the job's steps wrote.
pub fn forge_url(execution: &Execution) -> Option<String> {
    let facts = execution.facts.as_ref()?;
    match facts.forge {
        Forge::Local => None,
        Forge::GitHub { .. } => {
            let run = format!("https://{}/actions/runs/{}", facts.repository, facts.run.run_id?);
            Some(facts.run.job_id.map_or(run.clone(), |job| format!("{run}/job/{job}")))
        }
    }
}

/// What a job found when it began.
pub const fn warm(found: Option<WarmTarget>) -> &'static str {
    match found {
        Some(WarmTarget::Exact) => "warm, same sources",
        Some(WarmTarget::Partial) => "warm, changed sources",
        Some(WarmTarget::None) => "cold",
        Some(WarmTarget::Unknown) | None => "without a target",
    }
}

fn at(instant: Option<Timestamp>) -> Option<String> {
    instant.map(rfc3339)
}
