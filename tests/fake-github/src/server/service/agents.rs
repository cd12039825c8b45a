//! Runners as the service has them: registered for a set, found by name or id, deleted unless they run a job.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, invalid, scope, set};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::registration::{NewRunner, NotRegistered, register};
use crate::server::state::{NotRemoved, RunnerRecord, State};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GenerateJitConfig {
    name: String,
    work_folder: Option<String>,
}

pub(super) fn generate_jitconfig(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: GenerateJitConfig = body(call)?;
    if asked.name.is_empty() {
        return Err(invalid("a runner needs a name"));
    }
    let set = set(state, call)?;
    let runner = NewRunner {
        name: asked.name,
        scope: set.scope.clone(),
        group: set.group,
        labels: set.labels.clone(),
        scale_set: Some(set.id),
        work_folder: asked.work_folder.unwrap_or_else(|| "_work".to_owned()),
        disable_update: set.disable_update,
    };
    match register(state, runner, call.now) {
        Ok((id, encoded)) => {
            let runner = state.runners.get(id).map_or(Value::Null, shape);
            Ok(Answer::ok(json!({ "runner": runner, "encodedJITConfig": encoded })))
        }
        Err(NotRegistered::NameTaken(name)) => {
            let message = format!("Runner {name} already exists.");
            Err(Answer::exception(StatusCode::CONFLICT, "AgentExistsException", &message))
        }
    }
}

pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let runners = state.runners.of(scope(call)?);
    let named = |runner: &&RunnerRecord| call.query("agentName").is_none_or(|name| runner.name == name);
    let found: Vec<_> = runners.filter(named).map(shape).collect();
    Ok(Answer::ok(json!({ "count": found.len(), "value": found })))
}

pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let id = call.id("agent_id")?;
    let scope = scope(call)?;
    let found = state.runners.get(id).filter(|runner| runner.scope == *scope);
    found.map(|runner| Answer::ok(shape(runner))).ok_or_else(|| unknown(id))
}

pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let id = call.id("agent_id")?;
    match state.runners.delete(scope(call)?, id) {
        Ok(()) => Ok(Answer::no_content()),
        Err(NotRemoved::Unknown) => Err(unknown(id)),
        Err(NotRemoved::Busy) => {
            let message = format!("Runner {id} is still running a job.");
            Err(Answer::exception(StatusCode::BAD_REQUEST, "JobStillRunningException", &message))
        }
    }
}

fn unknown(id: u64) -> Answer {
    Answer::exception(StatusCode::NOT_FOUND, "AgentNotFoundException", &format!("Runner {id} is not registered."))
}

fn shape(runner: &RunnerRecord) -> Value {
    json!({
        "id": runner.id,
        "name": runner.name,
        "runnerScaleSetId": runner.scale_set.unwrap_or(0),
        "version": runner.version,
        "osDescription": runner.os,
        "status": if runner.is_online() { "online" } else { "offline" },
    })
}
