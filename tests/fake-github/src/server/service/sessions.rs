//! Message sessions: one for each set, opened with a name, refreshed with a new token, closed or left to time out.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, session_conflict, set, sets};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::faults::FaultKind;
use crate::server::jwt;
use crate::server::state::{Grant, MessageSession, State, random_token, statistics};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenSession {
    owner_name: String,
}

pub(super) fn open(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: OpenSession = body(call)?;
    let set = set(state, call)?;
    if let Some(open) = &set.session {
        return Err(session_conflict(&open.owner));
    }
    let id = uuid::Uuid::now_v7().to_string();
    let session = MessageSession { id: id.clone(), owner: asked.owner_name, last_heard: call.now.instant };
    let set = set.id;
    if let Some(set) = state.sets.get_mut(set) {
        set.session = Some(session);
    }
    answer(state, call, set, &id)
}

/// Gives a new token for the queue; the old one stays good as long as it was.
pub(super) fn refresh(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let (set, session) = current(state, call)?;
    if let Some(session) = state.sets.get_mut(set).and_then(|set| set.session.as_mut()) {
        session.last_heard = call.now.instant;
    }
    answer(state, call, set, &session)
}

pub(super) fn close(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let (set, session) = current(state, call)?;
    if let Some(set) = state.sets.get_mut(set) {
        set.session = None;
        set.capacity = 0;
    }
    let ended = |grant: &Grant| matches!(grant, Grant::Queue { session: ended, .. } if *ended == session);
    state.credentials.forget_all(ended);
    Ok(Answer::no_content())
}

/// The set and the session in the address, when that session is open.
fn current(state: &State, call: &Call) -> Result<(u64, String), Answer> {
    let set = set(state, call)?;
    let session = set.session.as_ref().filter(|session| session.id == call.parameter("session_id"));
    let session = session.ok_or_else(|| {
        Answer::exception(StatusCode::NOT_FOUND, "TaskAgentSessionExpiredException", "There is no such session.")
    })?;
    Ok((set.id, session.id.clone()))
}

fn answer(state: &mut State, call: &Call, set: u64, session: &str) -> Result<Answer, Answer> {
    let life = state.options.queue_token_life;
    let claims = json!({ "exp": (call.now.time + life).as_second(), "aud": "messages" });
    let token = jwt::opaque(&claims, &random_token("", 32));
    let grant = Grant::Queue { set, session: session.to_owned() };
    state.credentials.add(token.clone(), grant, Some((call.now.instant, life)));
    let record = state.sets.get(set).ok_or_else(super::no_set)?;
    let owner = record.session.as_ref().map(|session| session.owner.clone());
    let base = format!("{}/_services/pipelines/{}{}", state.base, state.tenant, super::SETS);
    let mut answer = json!({
        "sessionId": session,
        "ownerName": owner,
        "runnerScaleSet": sets::shape(state, record),
        // A query of its own: whoever appends a text to this address is found out.
        "messageQueueUrl": format!("{base}/{set}/messages?sessionId={session}"),
        "messageQueueAccessToken": token,
        "statistics": statistics(state, set),
    });
    if call.fault == Some(FaultKind::ZeroStatistics) {
        answer["statistics"] = zero(&answer["statistics"]);
    }
    Ok(Answer::ok(answer))
}

/// The same numbers, all zero.
pub(super) fn zero(statistics: &Value) -> Value {
    let names = statistics.as_object().into_iter().flatten();
    names.map(|(name, _)| (name.clone(), 0.into())).collect::<serde_json::Map<_, _>>().into()
}
