//! The queue of one session: polled, acknowledged, and the jobs in it acquired.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::sessions::zero;
use super::{body, invalid, no_set, set};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::faults::FaultKind;
use crate::server::state::{Caller, Grant, Order, State, statistics};

pub(super) fn poll(state: &mut State, call: &Call) -> Result<Option<Answer>, Answer> {
    let set = queue(state, call)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| invalid("lastMessageId is no number above 0"));
    let last = call.query("lastMessageId").map(number).transpose()?;
    if last == Some(0) {
        return Err(violation(state, call, "lastMessageId is 0; leave it out"));
    }
    let capacity = call.header("x-scalesetmaxcapacity").and_then(|text| text.parse().ok());
    let Some(capacity) = capacity else {
        return Err(violation(state, call, "no number in X-ScaleSetMaxCapacity"));
    };
    let redeliver_after = state.options.redeliver_after;
    let record = state.sets.get_mut(set).ok_or_else(no_set)?;
    if record.capacity != capacity {
        record.capacity = capacity;
        state.moves += 1;
    }
    if let Some(session) = record.session.as_mut() {
        session.last_heard = std::time::Instant::now();
    }
    let order = match call.fault {
        Some(FaultKind::Reordering) => Order::NewestFirst,
        _ => Order::OldestFirst,
    };
    let again = record.queue.last_acknowledged().filter(|_| call.fault == Some(FaultKind::Redelivery)).cloned();
    let now = std::time::Instant::now();
    let next = again.or_else(|| record.queue.next(last.unwrap_or(0), order, redeliver_after, now).cloned());
    let Some(message) = next else { return Ok(None) };
    let mut numbers = statistics(state, set);
    if call.fault == Some(FaultKind::ZeroStatistics) {
        numbers = zero(&numbers);
    }
    Ok(Some(Answer::ok(json!({
        "messageId": message.id,
        "messageType": "RunnerScaleSetJobMessages",
        "body": message.body,
        "statistics": numbers,
    }))))
}

pub(super) fn acknowledge(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let set = queue(state, call)?;
    let id = call.id("message_id").map_err(|_| invalid("a message id is a number"))?;
    let record = state.sets.get_mut(set).ok_or_else(no_set)?;
    if record.queue.acknowledge(id) {
        return Ok(Answer::no_content());
    }
    Err(violation(state, call, "acknowledges a message that was never sent"))
}

pub(super) fn acquire(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: Vec<i64> = body(call)?;
    let Caller::Holder { grant: Grant::Queue { set, .. }, .. } = &call.caller else { return Err(no_set()) };
    if call.id("set_id").ok() != Some(*set) {
        return Err(no_set());
    }
    let acquired = state.acquire_for_set(*set, &asked, call.now);
    Ok(Answer::ok(json!({ "count": acquired.len(), "value": acquired })))
}

pub(super) fn acquirable(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let set = set(state, call)?.id;
    let jobs = state.jobs.queued().filter(|job| job.announced.contains(&set));
    let found: Vec<Value> = jobs
        .map(|job| {
            let (owner, name) = job.queue_name();
            json!({
                "runnerRequestId": job.request_id,
                "repositoryName": name,
                "ownerName": owner,
                "jobWorkflowRef": job.job.workflow_ref(),
                "eventName": job.job.event_name,
                "requestLabels": job.job.labels,
            })
        })
        .collect();
    Ok(Answer::ok(json!({ "count": found.len(), "value": found })))
}

/// The set whose queue the address and the token name, while their session is open.
fn queue(state: &State, call: &Call) -> Result<u64, Answer> {
    let Caller::Holder { grant: Grant::Queue { set, session }, .. } = &call.caller else { return Err(no_set()) };
    let open = state.sets.get(*set).and_then(|set| set.session.as_ref());
    let is_open = open.is_some_and(|open| open.id == *session);
    if is_open && call.query("sessionId") == Some(session) && call.id("set_id").ok() == Some(*set) {
        return Ok(*set);
    }
    let message = "The session of this queue is over.";
    Err(Answer::exception(StatusCode::UNAUTHORIZED, "TaskAgentSessionExpiredException", message))
}

fn violation(state: &mut State, call: &Call, what: &str) -> Answer {
    state.record.violation(format!("{} {}", call.method, call.path), what);
    invalid(what)
}
