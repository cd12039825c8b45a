//! Runners as REST has them: listed, registered by JIT configuration, deleted; and the program that they run.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::page;
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::clock::rest_time;
use crate::server::downloads;
use crate::server::registration::{NewRunner, NotRegistered, register};
use crate::server::state::{Grant, NotRemoved, RunnerRecord, State, random_token};

const MOST_LABELS: usize = 100;
const LONGEST_LABEL: usize = 256;
const LONGEST_NAME: usize = 64;

pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    let wanted = |runner: &&RunnerRecord| call.query("name").is_none_or(|name| runner.name == name);
    let runners = state.runners.of(&scope).filter(wanted).map(shape).collect();
    Ok(page(state, call, "runners", runners))
}

pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    find(state, call).map(|runner| Answer::ok(shape(runner)))
}

pub(super) fn find<'a>(state: &'a State, call: &Call) -> Result<&'a RunnerRecord, Answer> {
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    let runner = state.runners.get(call.id("runner_id")?).filter(|runner| runner.scope == scope);
    runner.ok_or_else(Answer::not_found)
}

pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    let id = call.id("runner_id")?;
    let name = state.runners.get(id).map(|runner| runner.name.clone()).unwrap_or_default();
    match state.runners.delete(&scope, id) {
        Ok(()) => Ok(Answer::no_content()),
        Err(NotRemoved::Unknown) => Err(Answer::not_found()),
        Err(NotRemoved::Busy) => Err(Answer::invalid(&format!("Runner {name} is still running a job"))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenerateJitConfig {
    name: String,
    runner_group_id: u64,
    labels: Vec<String>,
    work_folder: Option<String>,
}

pub(super) fn generate_jitconfig(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: GenerateJitConfig = call.body()?;
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    if asked.name.is_empty() || asked.name.chars().count() > LONGEST_NAME {
        return Err(Answer::invalid(&format!("name must have 1 to {LONGEST_NAME} characters")));
    }
    if asked.labels.is_empty() || asked.labels.len() > MOST_LABELS {
        return Err(Answer::invalid(&format!("there must be 1 to {MOST_LABELS} labels")));
    }
    check_labels(&asked.labels)?;
    let group = state.accounts.group(&scope, asked.runner_group_id).ok_or_else(Answer::not_found)?;
    if group.hosted {
        return Err(Answer::error(StatusCode::FORBIDDEN, "Runner group cannot be administered"));
    }
    let runner = NewRunner {
        name: asked.name,
        scope,
        group: group.id,
        labels: asked.labels.iter().map(|label| label.to_lowercase()).collect(),
        scale_set: None,
        work_folder: asked.work_folder.unwrap_or_else(|| "_work".to_owned()),
        disable_update: false,
    };
    match register(state, runner, call.now) {
        Ok((id, encoded)) => {
            let runner = state.runners.get(id).map_or(Value::Null, shape);
            Ok(Answer::json(StatusCode::CREATED, json!({ "runner": runner, "encoded_jit_config": encoded })))
        }
        Err(NotRegistered::NameTaken(name)) => {
            let message = format!("Already exists - A runner with the name {name} already exists.");
            Err(Answer::error(StatusCode::CONFLICT, &message))
        }
    }
}

pub(super) fn check_labels(labels: &[String]) -> Result<(), Answer> {
    let bad = |label: &&String| label.is_empty() || label.chars().count() > LONGEST_LABEL;
    match labels.iter().find(bad) {
        Some(label) => Err(Answer::invalid(&format!(
            "label {:?}… must have 1 to {LONGEST_LABEL} characters",
            label.chars().take(16).collect::<String>()
        ))),
        None => Ok(()),
    }
}

pub(super) fn downloads(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    let mut list = Vec::new();
    for (index, application) in state.options.applications.clone().iter().enumerate() {
        let mut item = json!({
            "os": application.os,
            "architecture": application.architecture,
            "download_url": format!("{}/_downloads{}", state.base, downloads::address(index, application)),
            "filename": downloads::filename(application),
        });
        if application.needs_token {
            let token = random_token("ghd_", 60);
            let life = (call.now.instant, state.options.registration_token_life);
            state.credentials.add(token.clone(), Grant::Download, Some(life));
            item["temp_download_token"] = token.into();
        }
        if let Some(checksum) = downloads::checksum(application) {
            item["sha256_checksum"] = checksum.into();
        }
        list.push(item);
    }
    Ok(Answer::ok(list.into()))
}

pub(super) fn deprecation(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let version = call.parameter("version");
    let known = state.options.deprecations.iter().find(|known| known.version == version);
    let known = known.ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(json!({
        "runner_version": version,
        "registration_deprecates_at": known.registration.map(rest_time),
        "runtime_deprecates_at": known.runtime.map(rest_time),
    })))
}

/// Runners of sets show no labels in REST, as is measured of sets with several.
fn shape(runner: &RunnerRecord) -> Value {
    let labels = if runner.scale_set.is_some() { Vec::new() } else { labels(runner) };
    json!({
        "id": runner.id,
        "runner_group_id": runner.group,
        "name": runner.name,
        "os": runner.os,
        "status": if runner.is_online() { "online" } else { "offline" },
        "busy": runner.busy,
        "labels": labels,
        "ephemeral": true,
        "version": runner.version,
    })
}

/// Labels that the service itself would give; they cannot be taken away.
const READ_ONLY: [&str; 7] = ["self-hosted", "linux", "macos", "windows", "x64", "arm", "arm64"];

pub(super) fn is_read_only(label: &str) -> bool {
    READ_ONLY.contains(&label)
}

pub(super) fn labels(runner: &RunnerRecord) -> Vec<Value> {
    let label = |(index, name): (usize, &String)| {
        let kind = if is_read_only(name) { "read-only" } else { "custom" };
        json!({ "id": index + 1, "name": name, "type": kind })
    };
    runner.labels.iter().enumerate().map(label).collect()
}
