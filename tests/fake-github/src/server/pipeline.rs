//! What happens to every call between the socket and its handler: found, recorded, checked for strictness, spoiled by a
//! fault, authorized, limited, answered, checked again.

use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, Method, StatusCode};
use jiff::SignedDuration;
use serde_json::Value;

use crate::server::answer::{Answer, Body};
use crate::server::call::Call;
use crate::server::clock::Now;
use crate::server::faults::{Effect, FaultKind};
use crate::server::route::{Access, Handler, Nature, Room, Route};
use crate::server::state::{Caller, Presented, Scope, State};
use crate::server::world::World;
use crate::server::{limiting, strict};

/// A call as it came from the socket.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What goes back to the socket.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer {
        answer: Answer,
        room: Room,
        now: Now,
    },
    /// The connection is closed without a word.
    Dropped,
}

const SKEW: SignedDuration = SignedDuration::from_mins(10);

pub(crate) async fn serve(world: &Arc<World>, incoming: Incoming) -> Outcome {
    let now = world.clock.now();
    let Some((room, path)) = locate(world, &incoming.path) else {
        return unknown(world, &incoming, Room::Rest, now);
    };
    let found = world.routes.iter().filter(|route| route.room == room);
    let found: Vec<_> = found.filter_map(|route| Some((route, route.parameters(&path)?))).collect();
    let Some((route, parameters)) = found.into_iter().find(|(route, _)| route.method == incoming.method) else {
        return unknown(world, &incoming, room, now);
    };
    let fault = {
        let mut state = world.state();
        state.record.call(route.operation());
        state.plan.next(route)
    };
    let now = if fault == Some(FaultKind::ClockSkew) { now.skewed(SKEW) } else { now };
    let mut call = match strict::read(route, incoming, parameters, now) {
        Ok(call) => call,
        Err(what) => {
            world.state().record.violation(route.operation(), &what);
            let answer = Answer::error(StatusCode::BAD_REQUEST, &what);
            return Outcome::Answer { answer, room, now };
        }
    };
    call.fault = fault;
    check_request(world, route, &call);

    if let Some(fault) = fault.filter(|fault| fault.effect() == Effect::Instead) {
        let spoiled = spoil(world, route, &call, fault);
        world.state().plan.count(fault);
        return match spoiled {
            Some(answer) => Outcome::Answer { answer, room, now },
            None => Outcome::Dropped,
        };
    }
    let answer = answer(world, route, call).await;
    check_answer(world, route, &answer);
    match fault {
        Some(fault) if fault.effect() == Effect::After => {
            world.state().plan.count(fault);
            after(world, answer, fault, room, now).await
        }
        Some(fault) => {
            world.state().plan.count(fault);
            Outcome::Answer { answer, room, now }
        }
        None => Outcome::Answer { answer, room, now },
    }
}

/// Which server an address belongs to, and the address there.
fn locate(world: &World, path: &str) -> Option<(Room, String)> {
    let tenant = format!("/_services/pipelines/{}", world.state().tenant);
    let rooms = [
        ("/api/v3", Room::Rest),
        (tenant.as_str(), Room::Service),
        ("/_runner", Room::Runner),
        ("/_downloads", Room::Download),
    ];
    let rest = |prefix: &str| path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).map(str::to_owned);
    let (room, path) = rooms.into_iter().find_map(|(prefix, room)| Some((room, rest(prefix)?)))?;
    let by_name = (room == Room::Rest).then(|| world.state().accounts.by_name(&path)).flatten();
    Some((room, by_name.unwrap_or(path)))
}

fn unknown(world: &World, incoming: &Incoming, room: Room, now: Now) -> Outcome {
    let call = format!("{} {}", incoming.method, incoming.path);
    world.state().record.violation(call, "GitHub has no such operation");
    Outcome::Answer { answer: Answer::not_found(), room, now }
}

fn check_request(world: &World, route: &Route, call: &Call) {
    let Some(openapi) = world.openapi.as_ref().filter(|_| route.described) else { return };
    for what in openapi.check_request(route, call) {
        world.state().record.violation(route.operation(), what);
    }
}

/// The fake keeps to the description too, else a client is tested against something that does not exist.
fn check_answer(world: &World, route: &Route, answer: &Answer) {
    let Some(openapi) = world.openapi.as_ref().filter(|_| route.described) else { return };
    for what in openapi.check_answer(route, answer) {
        world.state().record.violation(route.operation(), format!("the fake answered: {what}"));
    }
}

async fn answer(world: &Arc<World>, route: &Route, mut call: Call) -> Answer {
    match admit(world, route, &mut call) {
        Err(refusal) => refusal,
        Ok(None) => handle(world, route, &call).await,
        Ok(Some(ticket)) => {
            let answer = handle(world, route, &call).await;
            let answer = limiting::conditional(&ticket, &call, answer);
            ticket.finish(answer)
        }
    }
}

/// Finds out who calls; counts the call where calls are counted, which is REST.
fn admit(world: &Arc<World>, route: &Route, call: &mut Call) -> Result<Option<limiting::Ticket>, Answer> {
    let mut state = world.state();
    if let Some(moved) = state.accounts.formerly(&call.scope()) {
        let now_called = Scope::Repository(moved.full_name.clone());
        state.authorize(route.access, presented(call), &now_called, call.now)?;
        let to = format!("{}/api/v3{}", state.base, call.by_number(moved.id));
        return Err(Answer::moved(&call.method, &to));
    }
    call.caller = state.authorize(route.access, presented(call), &call.scope(), call.now)?;
    if !route.is_rest() {
        return Ok(None);
    }
    limiting::Ticket::take(&mut state, world, route, call).map(Some)
}

fn presented(call: &Call) -> Presented<'_> {
    Presented::read(call.header("authorization"))
}

async fn handle(world: &Arc<World>, route: &Route, call: &Call) -> Answer {
    match route.handler {
        Handler::AtOnce(handler) => world.change(|state| handler(state, call)).unwrap_or_else(|refusal| refusal),
        Handler::InTime(handler) => {
            let mut changes = world.changes();
            let hold = call.query("wait_ms").and_then(|text| text.parse().ok()).map(Duration::from_millis);
            let (hold, pause) = {
                let state = world.state();
                (hold.unwrap_or(state.options.poll_hold), state.look_again_after())
            };
            let end = tokio::time::Instant::now() + hold;
            loop {
                changes.mark_unchanged();
                let mut polled = world.step(|state| handler(state, call));
                if matches!(polled, Ok(None)) {
                    // What the poll itself says, its capacity for one, may have set something in motion.
                    polled = world.step(|state| handler(state, call));
                }
                match polled {
                    Ok(Some(answer)) => return answer,
                    Err(refusal) => return refusal,
                    Ok(None) if tokio::time::Instant::now() >= end => return Answer::empty(StatusCode::ACCEPTED),
                    Ok(None) => {}
                }
                let until = end.min(tokio::time::Instant::now() + pause);
                // Either way the handler looks for itself; nothing is lost with the branch that is dropped.
                let _ = tokio::time::timeout_at(until, changes.changed()).await;
            }
        }
    }
}

/// The answer of a fault that strikes instead of the effect; none closes the connection.
fn spoil(world: &World, route: &Route, call: &Call, fault: FaultKind) -> Option<Answer> {
    let mut state = world.state();
    let retry_after = state.options.retry_after;
    let seconds = retry_after.as_secs().max(1);
    let refuse = |status, name: &str, message: &str| match route.room {
        Room::Service => Answer::exception(status, name, message),
        _ => Answer::error(status, message),
    };
    let presented = presented(call);
    Some(match fault {
        FaultKind::ExpiredToken => {
            if let Presented::Bearer(token) | Presented::RemoteAuth(token) = presented {
                forget_renewable(&mut state, token, call.now);
            }
            refuse(StatusCode::UNAUTHORIZED, "VssUnauthorizedException", "Bad credentials")
        }
        FaultKind::Unauthorized => refuse(StatusCode::UNAUTHORIZED, "VssUnauthorizedException", "Bad credentials"),
        FaultKind::Forbidden => Answer::lacks("administration=write"),
        FaultKind::SecondaryLimit | FaultKind::TooManyRequests => {
            let status = match fault {
                FaultKind::SecondaryLimit => StatusCode::FORBIDDEN,
                _ => StatusCode::TOO_MANY_REQUESTS,
            };
            let wait = Duration::from_secs(seconds);
            if let Ok(caller) = caller(&state, route, call, presented) {
                state.limits.tell_to_wait(&caller.account(), call.now.instant + wait);
            }
            Answer::secondary_limit(status, seconds)
        }
        FaultKind::NotFound => refuse(StatusCode::NOT_FOUND, "VssServiceException", "Not Found"),
        FaultKind::Unprocessable => match route.nature {
            Nature::Remove => Answer::invalid("Runner is still running a job"),
            _ => Answer::invalid("Validation failed"),
        },
        FaultKind::SessionConflict => crate::server::service::session_conflict("another listener"),
        FaultKind::DroppedPoll => return None,
        _ => {
            let codes = [
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ];
            let status = state.dice.choice(codes).unwrap_or(StatusCode::BAD_GATEWAY);
            refuse(status, "VssServiceException", "Server Error")
        }
    })
}

fn caller(state: &State, route: &Route, call: &Call, presented: Presented<'_>) -> Result<Caller, Answer> {
    let access = if route.access == Access::App { Access::App } else { Access::Anyone };
    state.authorize(access, presented, &Scope::Enterprise(String::new()), call.now)
}

fn forget_renewable(state: &mut State, token: &str, now: Now) {
    if state.credentials.find(token, now.instant).is_some_and(crate::server::state::Grant::is_renewable) {
        state.credentials.forget(token);
    }
}

/// What becomes of an answer whose effect has taken place.
async fn after(world: &World, answer: Answer, fault: FaultKind, room: Room, now: Now) -> Outcome {
    let done = |answer| Outcome::Answer { answer, room, now };
    match fault {
        FaultKind::LostAnswer => Outcome::Dropped,
        FaultKind::Undecodable => done(half(answer)),
        FaultKind::Conflict if answer.status.is_success() => done(match room {
            Room::Service => {
                Answer::exception(StatusCode::CONFLICT, "AgentExistsException", "The agent exists already.")
            }
            _ => Answer::error(StatusCode::CONFLICT, "Already exists - A runner with this name already exists."),
        }),
        FaultKind::SlowAnswer => {
            let slow = world.state().options.slow_answer;
            tokio::time::sleep(slow).await;
            done(answer)
        }
        _ => done(answer),
    }
}

/// The first half of a body, as all of it.
fn half(answer: Answer) -> Answer {
    let body = match &answer.body {
        Body::Json(value) => {
            let text = Value::to_string(value);
            let cut = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            Body::Bytes(text.as_bytes()[..cut].to_vec().into())
        }
        other => other.clone(),
    };
    Answer { body, ..answer }
}
