//! The service's side of the fakes' own protocol: sessions of runners, the job each one gets, and its end. Nothing
//! fails here by itself: a test of the agent spoils what the agent talks to.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::runner_protocol::{
    CompleteJob, JobMessage, OfSession, OpenSession, Refused, Renewed, Session, VERSION_TOO_OLD,
};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::route::{Nature, Room, Route};
use crate::server::state::{Ending, JobId, JobRecord, NotYours, RunnerSession, State};

pub(crate) fn routes() -> Vec<Route> {
    let route = |method, template: &str, handler| Route::new(Room::Runner, method, template, handler);
    let routes = vec![
        route(Method::POST, "/sessions", open),
        route(Method::DELETE, "/sessions/{session_id}", close),
        route(Method::GET, "/sessions/{session_id}/message", |_, _| Err(Answer::not_found()))
            .polls(message)
            .query(&["wait_ms"]),
        route(Method::POST, "/jobs/{job_id}/acquire", acquire),
        route(Method::POST, "/jobs/{job_id}/renew", renew),
        route(Method::POST, "/jobs/{job_id}/complete", complete),
    ];
    routes.into_iter().map(|route| route.nature(Nature::Fixture)).collect()
}

fn open(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: OpenSession = body(state, call)?;
    if let Some(oldest) = &state.options.minimum_runner_version
        && is_older(&asked.version, oldest)
    {
        let message = format!("Runner version v{} is deprecated and cannot receive messages.", asked.version);
        let refused = Refused { error_kind: VERSION_TOO_OLD.to_owned(), message };
        return Err(Answer::json(StatusCode::UPGRADE_REQUIRED, json(&refused)));
    }
    let runner = state.runners.get_mut(asked.agent_id);
    let runner = runner.filter(|runner| runner.name == asked.agent_name && runner.secret.0 == asked.secret);
    let runner = runner.ok_or_else(Answer::not_found)?;
    if runner.session.is_some() {
        return Err(Answer::error(StatusCode::CONFLICT, "A session for this runner already exists."));
    }
    let id = uuid::Uuid::now_v7().to_string();
    runner.session = Some(RunnerSession { id: id.clone(), last_heard: call.now.instant });
    runner.os = asked.os;
    runner.version = Some(asked.version);
    Ok(Answer::ok(json(&Session { session_id: id })))
}

fn is_older(version: &str, than: &str) -> bool {
    let numbers = |text: &str| text.split('.').map(|part| part.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>();
    numbers(version) < numbers(than)
}

/// Ends a session; one that has ended already has ended.
#[expect(clippy::unnecessary_wraps, reason = "all handlers have one form")]
fn close(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    if let Some(id) = state.runners.of_session(call.parameter("session_id")).map(|runner| runner.id) {
        state.end_runner_session(id, call.now);
    }
    Ok(Answer::no_content())
}

fn message(state: &mut State, call: &Call) -> Result<Option<Answer>, Answer> {
    let runner = heard(state, call.parameter("session_id"))?;
    let job = state.runners.get(runner).filter(|runner| !runner.busy).and_then(|runner| runner.job);
    Ok(job.and_then(|job| state.jobs.get(job)).map(|job| Answer::ok(json(&job_message(state, job)))))
}

fn acquire(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: OfSession = body(state, call)?;
    let (runner, job) = of_job(state, call, &asked.session_id)?;
    state.acquire(runner, job, call.now).map_err(refusal)?;
    Ok(Answer::ok(serde_json::json!({})))
}

fn renew(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: OfSession = body(state, call)?;
    let (runner, job) = of_job(state, call, &asked.session_id)?;
    if state.runners.get(runner).and_then(|runner| runner.job) != Some(job) {
        return Err(refusal(NotYours::Taken));
    }
    let cancel = state.jobs.get(job).is_some_and(|job| job.cancel);
    Ok(Answer::ok(json(&Renewed { cancel })))
}

fn complete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: CompleteJob = body(state, call)?;
    let (runner, job) = of_job(state, call, &asked.session_id)?;
    let CompleteJob { session_id: _, result, steps, log, summaries } = asked;
    state.complete(runner, job, Ending { result, steps, log, summaries }, call.now).map_err(refusal)?;
    Ok(Answer::ok(serde_json::json!({})))
}

/// The runner of a session, which is alive.
fn heard(state: &mut State, session: &str) -> Result<u64, Answer> {
    let runner = state.runners.of_session(session).ok_or_else(Answer::not_found)?;
    if let Some(session) = runner.session.as_mut() {
        session.last_heard = std::time::Instant::now();
    }
    Ok(runner.id)
}

fn of_job(state: &mut State, call: &Call, session: &str) -> Result<(u64, JobId), Answer> {
    let runner = heard(state, session)?;
    let job = state.jobs.by_uuid(call.parameter("job_id")).ok_or_else(Answer::not_found)?;
    Ok((runner, job))
}

fn refusal(why: NotYours) -> Answer {
    match why {
        NotYours::Unknown => Answer::not_found(),
        NotYours::Taken => Answer::error(StatusCode::CONFLICT, "This job is not this runner's."),
    }
}

/// The fake runner is ours, and held to the protocol like everybody.
fn body<T: DeserializeOwned>(state: &mut State, call: &Call) -> Result<T, Answer> {
    let parsed = serde_json::from_value(call.body.clone().unwrap_or(Value::Null));
    parsed.map_err(|cause| {
        state.record.violation(format!("{} {}", call.method, call.path), format!("the body: {cause}"));
        Answer::error(StatusCode::BAD_REQUEST, &cause.to_string())
    })
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("messages are maps with names as keys")
}

fn job_message(state: &State, job: &JobRecord) -> JobMessage {
    JobMessage {
        job_id: job.uuid.clone(),
        request_id: job.request_id,
        display_name: job.job.name.clone(),
        github: github(state, job),
        event: job.job.event.clone(),
        env: job.job.env.clone(),
        steps: job.job.steps.clone(),
    }
}

/// The values of `GITHUB_*`.
fn github(state: &State, record: &JobRecord) -> BTreeMap<String, String> {
    let job = &record.job;
    let repository = state.accounts.repository(&job.repository);
    let owner = repository.map_or("", |repository| repository.owner());
    let owner_id = state.accounts.organization(owner).map_or(0, |owner| owner.id);
    let text = str::to_owned;
    let values = [
        ("actor", job.actor.clone()),
        ("actor_id", text("583231")),
        ("api_url", format!("{}/api/v3", state.base)),
        ("base_ref", job.base_ref.clone()),
        ("event_name", job.event_name.clone()),
        ("graphql_url", format!("{}/api/graphql", state.base)),
        ("head_ref", job.head_ref.clone()),
        ("job", job.key.clone()),
        ("ref", job.reference.clone()),
        ("ref_name", text(job.ref_name())),
        ("ref_protected", text("false")),
        ("ref_type", text(job.ref_type())),
        ("repository", job.repository.clone()),
        ("repository_id", repository.map_or(0, |repository| repository.id).to_string()),
        ("repository_owner", text(owner)),
        ("repository_owner_id", owner_id.to_string()),
        ("retention_days", text("90")),
        ("run_attempt", record.attempt.to_string()),
        ("run_id", record.run_id.to_string()),
        ("run_number", record.run_number.to_string()),
        ("server_url", state.base.clone()),
        ("sha", job.sha.clone()),
        ("triggering_actor", job.actor.clone()),
        ("workflow", job.workflow.clone()),
        ("workflow_ref", job.workflow_ref()),
        ("workflow_sha", job.sha.clone()),
    ];
    values.into_iter().map(|(name, value)| (text(name), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, than, older) in
            [("2.9.0", "2.10.0", true), ("2.10.0", "2.10.0", false), ("3.0.0", "2.10.0", false)]
        {
            assert_eq!(is_older(version, than), older, "{version} {than}");
        }
    }
}
