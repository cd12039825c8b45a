//! Repositories, their runs and their jobs, as polling and late reconciliation read them.

use serde_json::{Value, json};

use super::{page, shapes};
use crate::runner_protocol::StepResult;
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::clock::rest_time;
use crate::server::state::{JobId, JobRecord, RunRecord, State};

pub(super) fn repository(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let name = full_name(state, call)?;
    let found = state.accounts.repository(&name).map(|found| shapes::repository(state, found));
    found.map(Answer::ok).ok_or_else(Answer::not_found)
}

fn full_name(state: &State, call: &Call) -> Result<String, Answer> {
    let name = format!("{}/{}", call.parameter("owner"), call.parameter("repo"));
    state.accounts.repository(&name).map(|found| found.full_name.clone()).ok_or_else(Answer::not_found)
}

/// Newest first, as GitHub lists them.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let name = full_name(state, call)?;
    let wanted = |run: &&RunRecord| {
        let job = run.jobs.first().and_then(|id| state.jobs.get(*id));
        let is = |parameter: &str, value: Option<&str>| call.query(parameter).is_none_or(|asked| value == Some(asked));
        run.repository == name
            && is("status", Some(state.jobs.run_status(run)))
            && is("event", job.map(|job| job.job.event_name.as_str()))
            && is("branch", job.map(|job| job.job.ref_name()))
            && is("head_sha", job.map(|job| job.job.sha.as_str()))
    };
    let mut runs: Vec<_> = state.jobs.runs().filter(wanted).filter_map(|run| shape_of_run(state, run)).collect();
    runs.reverse();
    Ok(page(state, call, "workflow_runs", runs))
}

pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let run = find(state, call)?;
    shape_of_run(state, run).map(Answer::ok).ok_or_else(Answer::not_found)
}

fn find<'a>(state: &'a State, call: &Call) -> Result<&'a RunRecord, Answer> {
    let name = full_name(state, call)?;
    let run = state.jobs.run(call.id("run_id")?).filter(|run| run.repository == name);
    run.ok_or_else(Answer::not_found)
}

pub(super) fn jobs(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let run = find(state, call)?;
    let latest = match call.query("filter") {
        None | Some("latest") => true,
        Some("all") => false,
        Some(_) => return Err(Answer::invalid("filter is neither latest nor all")),
    };
    Ok(list_jobs(state, call, run, latest.then_some(run.attempt)))
}

pub(super) fn attempt_jobs(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let run = find(state, call)?;
    Ok(list_jobs(state, call, run, Some(call.id("attempt_number")?)))
}

fn list_jobs(state: &State, call: &Call, run: &RunRecord, attempt: Option<u64>) -> Answer {
    let jobs = run.jobs.iter().filter_map(|id| state.jobs.get(*id));
    let jobs = jobs.filter(|job| attempt.is_none_or(|attempt| job.attempt == attempt));
    let jobs = jobs.map(|job| shape_of_job(state, job)).collect();
    page(state, call, "jobs", jobs)
}

pub(super) fn job(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let name = full_name(state, call)?;
    let job = state.jobs.get(JobId(call.id("job_id")?)).filter(|job| job.job.repository == name);
    job.map(|job| Answer::ok(shape_of_job(state, job))).ok_or_else(Answer::not_found)
}

fn shape_of_job(state: &State, job: &JobRecord) -> Value {
    let api = format!("{}/api/v3/repos/{}", state.base, job.job.repository);
    let html = format!("{}/{}/actions/runs/{}/job/{}", state.base, job.job.repository, job.run_id, job.id);
    let runner = job.runner.as_ref();
    let queued = rest_time(job.queued_at);
    let done = job.finished_at.map(rest_time);
    let step = |(index, step): (usize, &StepResult)| {
        json!({
            "name": step.name, "status": "completed", "conclusion": step.conclusion, "number": index + 1,
            "started_at": job.runner_assigned_at.map(rest_time), "completed_at": done,
        })
    };
    json!({
        "id": job.id.0,
        "run_id": job.run_id,
        "run_attempt": job.attempt,
        "run_url": format!("{api}/actions/runs/{}", job.run_id),
        "node_id": format!("CR_{}", job.id),
        "head_sha": job.job.sha,
        "head_branch": job.job.ref_name(),
        "url": format!("{api}/actions/jobs/{}", job.id),
        "html_url": html,
        "status": job.status(),
        "conclusion": job.conclusion(),
        "created_at": queued,
        "started_at": job.runner_assigned_at.map_or(queued.clone(), rest_time),
        "completed_at": done,
        "name": job.job.name,
        "workflow_name": job.job.workflow,
        "steps": job.steps.iter().enumerate().map(step).collect::<Vec<_>>(),
        "check_run_url": format!("{api}/check-runs/{}", job.id),
        "labels": job.job.labels,
        "runner_id": runner.map(|runner| runner.id),
        "runner_name": runner.map(|runner| &runner.name),
        "runner_group_id": runner.map(|runner| runner.group),
        "runner_group_name": runner.map(|runner| &runner.group_name),
    })
}

/// None for a run without jobs, which nobody has seen.
fn shape_of_run(state: &State, run: &RunRecord) -> Option<Value> {
    let jobs: Vec<_> = run.jobs.iter().filter_map(|id| state.jobs.get(*id)).collect();
    let job = jobs.last()?;
    let api = format!("{}/api/v3/repos/{}/actions/runs/{}", state.base, run.repository, run.id);
    let repository = shapes::repository(state, state.accounts.repository(&run.repository)?);
    let status = state.jobs.run_status(run);
    let latest = || jobs.iter().filter(|job| job.attempt == run.attempt);
    let worst = ["failure", "cancelled"].into_iter().find(|bad| latest().any(|job| job.conclusion() == Some(bad)));
    let conclusion = (status == "completed").then(|| worst.unwrap_or("success"));
    let updated = latest().filter_map(|job| job.finished_at.or(job.runner_assigned_at)).max().unwrap_or(job.queued_at);
    let commit = json!({
        "id": job.job.sha, "tree_id": job.job.sha, "message": "a commit", "timestamp": shapes::LONG_AGO,
        "author": null, "committer": null,
    });
    Some(json!({
        "id": run.id,
        "node_id": format!("WFR_{}", run.id),
        "name": job.job.workflow,
        "head_branch": job.job.ref_name(),
        "head_sha": job.job.sha,
        "path": job.job.workflow_file,
        "display_title": "a commit",
        "run_number": run.number,
        "run_attempt": run.attempt,
        "event": job.job.event_name,
        "status": status,
        "conclusion": conclusion,
        "workflow_id": 1,
        "url": api,
        "html_url": format!("{}/{}/actions/runs/{}", state.base, run.repository, run.id),
        "pull_requests": [],
        "created_at": rest_time(run.queued_at),
        "run_started_at": rest_time(job.queued_at),
        "updated_at": rest_time(updated),
        "jobs_url": format!("{api}/jobs"),
        "logs_url": format!("{api}/logs"),
        "check_suite_url": format!("{api}/check-suite"),
        "artifacts_url": format!("{api}/artifacts"),
        "cancel_url": format!("{api}/cancel"),
        "rerun_url": format!("{api}/rerun"),
        "workflow_url": format!("{api}/workflow"),
        "actor": shapes::user(state, &job.job.actor),
        "triggering_actor": shapes::user(state, &job.job.actor),
        "head_commit": commit,
        "repository": repository,
        "head_repository": repository,
    }))
}
