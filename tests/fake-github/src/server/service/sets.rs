//! Scale sets themselves: found, made, changed, deleted; and the groups that they are in.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, invalid, no_set, scope, set};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::clock::service_time;
use crate::server::state::{MessageQueue, ScaleSetRecord, Scope, State, statistics};

/// A set as clients send it. What the service fills in itself may be sent and counts for nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sent {
    name: Option<String>,
    runner_group_id: Option<u64>,
    labels: Option<Vec<Label>>,
    #[serde(rename = "RunnerSetting", alias = "runnerSetting")]
    runner_setting: Option<RunnerSetting>,
    #[serde(rename = "id")]
    _id: Option<u64>,
    #[serde(rename = "runnerGroupName")]
    _group_name: Option<String>,
    #[serde(rename = "createdOn")]
    _created_on: Option<String>,
    #[serde(rename = "runnerJitConfigUrl")]
    _jit_config_url: Option<String>,
    #[serde(rename = "statistics")]
    _statistics: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "id")]
    _id: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunnerSetting {
    disable_update: Option<bool>,
    #[serde(rename = "ephemeral")]
    _ephemeral: Option<bool>,
    #[serde(rename = "isElastic")]
    _is_elastic: Option<bool>,
}

pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let scope = scope(call)?;
    let wanted = |set: &&ScaleSetRecord| {
        set.scope == *scope
            && call.query("name").is_none_or(|name| set.name.eq_ignore_ascii_case(name))
            && call.query("runnerGroupId").is_none_or(|group| set.group.to_string() == group)
    };
    let found: Vec<_> = state.sets.all().filter(wanted).map(|set| shape(state, set)).collect();
    Ok(Answer::ok(json!({ "count": found.len(), "value": found })))
}

pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    set(state, call).map(|set| Answer::ok(shape(state, set)))
}

pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let sent: Sent = body(call)?;
    let scope = scope(call)?.clone();
    let name = sent.name.clone().filter(|name| !name.is_empty()).ok_or_else(|| invalid("a set needs a name"))?;
    let group = sent.runner_group_id.unwrap_or(1);
    check_group(state, &scope, group)?;
    check_name(state, &scope, group, &name, None)?;
    // A set without labels answers to its name.
    let labels = labels(sent.labels)?.unwrap_or_else(|| vec![name.to_lowercase()]);
    let disable_update = sent.runner_setting.and_then(|setting| setting.disable_update).unwrap_or(false);
    let id = state.sets.add(|id| ScaleSetRecord {
        id,
        scope,
        group,
        name,
        labels,
        disable_update,
        created_on: call.now.time,
        capacity: 0,
        session: None,
        queue: MessageQueue::default(),
    });
    state.sets.get(id).map(|set| Answer::ok(shape(state, set))).ok_or_else(no_set)
}

pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let sent: Sent = body(call)?;
    let (id, scope) = (set(state, call)?.id, scope(call)?.clone());
    let labels = labels(sent.labels)?;
    let (name, group) = {
        let set = set(state, call)?;
        (sent.name.unwrap_or_else(|| set.name.clone()), sent.runner_group_id.unwrap_or(set.group))
    };
    check_group(state, &scope, group)?;
    check_name(state, &scope, group, &name, Some(id))?;
    if let Some(set) = state.sets.get_mut(id) {
        (set.name, set.group) = (name, group);
        if let Some(labels) = labels {
            set.labels = labels;
        }
        if let Some(disable_update) = sent.runner_setting.and_then(|setting| setting.disable_update) {
            set.disable_update = disable_update;
        }
    }
    get(state, call)
}

pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let id = set(state, call)?.id;
    state.sets.remove(id);
    Ok(Answer::no_content())
}

pub(super) fn groups(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let groups = state.accounts.groups(scope(call)?);
    let named = |name: &str| call.query("groupName").is_none_or(|wanted| name.eq_ignore_ascii_case(wanted));
    let found: Vec<_> = groups.iter().filter(|group| named(&group.name)).collect();
    let shape = |group: &&crate::server::state::Group| json!({ "id": group.id, "name": group.name, "size": 0, "isDefaultGroup": group.id == 1 });
    let found: Vec<_> = found.iter().map(shape).collect();
    Ok(Answer::ok(json!({ "count": found.len(), "value": found })))
}

fn check_group(state: &State, scope: &Scope, group: u64) -> Result<(), Answer> {
    match state.accounts.group(scope, group) {
        Some(group) if !group.hosted => Ok(()),
        _ => Err(Answer::exception(StatusCode::BAD_REQUEST, "RunnerGroupNotFoundException", "No such runner group.")),
    }
}

/// Names are one set's each in a group.
fn check_name(state: &State, scope: &Scope, group: u64, name: &str, own: Option<u64>) -> Result<(), Answer> {
    let same = |set: &ScaleSetRecord| {
        set.scope == *scope && set.group == group && set.name.eq_ignore_ascii_case(name) && Some(set.id) != own
    };
    if state.sets.all().any(same) {
        let message = format!("A runner scale set with name {name} already exists.");
        return Err(Answer::exception(StatusCode::BAD_REQUEST, "RunnerScaleSetExistsException", &message));
    }
    Ok(())
}

fn labels(sent: Option<Vec<Label>>) -> Result<Option<Vec<String>>, Answer> {
    let Some(sent) = sent.filter(|sent| !sent.is_empty()) else { return Ok(None) };
    let good = |label: &Label| !label.name.is_empty() && label.kind.as_deref().is_none_or(|kind| kind == "System");
    if !sent.iter().all(good) {
        return Err(invalid("labels need a name, and the type `System`"));
    }
    Ok(Some(sent.into_iter().map(|label| label.name.to_lowercase()).collect()))
}

pub(super) fn shape(state: &State, set: &ScaleSetRecord) -> Value {
    let labels = set.labels.iter().enumerate();
    let labels: Vec<_> =
        labels.map(|(index, name)| json!({ "id": index + 1, "type": "System", "name": name })).collect();
    let group = state.accounts.group(&set.scope, set.group).map(|group| group.name);
    let base = format!("{}/_services/pipelines/{}{}/{}", state.base, state.tenant, super::SETS, set.id);
    json!({
        "id": set.id,
        "name": set.name,
        "runnerGroupId": set.group,
        "runnerGroupName": group,
        "labels": labels,
        "RunnerSetting": { "ephemeral": true, "isElastic": true, "disableUpdate": set.disable_update },
        "createdOn": service_time(set.created_on),
        "runnerJitConfigUrl": format!("{base}/generatejitconfig"),
        "getAcquirableJobsUrl": format!("{base}/acquirablejobs"),
        "acquireJobsUrl": format!("{base}/acquirejobs"),
        "enabled": true,
        "status": if set.has_session() { "online" } else { "offline" },
        "statistics": statistics(state, set.id),
    })
}
