//! The Actions service of a tenant, as scale sets use it: the sets, message sessions and their queues, and runners as
//! the service calls them, agents.

mod agents;
mod queue;
mod sessions;
mod sets;

use hyper::{Method, StatusCode};

use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::route::{Access, AtOnce, Nature, Room, Route};
use crate::server::state::{Caller, Grant, ScaleSetRecord, Scope, State};

const SETS: &str = "/_apis/runtime/runnerscalesets";
const AGENTS: &str = "/_apis/distributedtask/pools/0/agents";
const ONE: &str = "/{set_id}";

pub(crate) fn routes() -> Vec<Route> {
    let at = |tail: &str| format!("{SETS}{tail}");
    let admin = |method, template: String, handler: AtOnce| {
        Route::new(Room::Service, method, template, handler).access(Access::Admin)
    };
    let queue = |method, tail: &str, handler: AtOnce| admin(method, at(tail), handler).access(Access::Queue);
    let session = format!("{ONE}/sessions/{{session_id}}");
    vec![
        admin(Method::GET, at(""), sets::list).query(&["runnerGroupId", "name"]),
        admin(Method::POST, at(""), sets::create),
        admin(Method::GET, at(ONE), sets::get),
        admin(Method::PATCH, at(ONE), sets::update),
        admin(Method::DELETE, at(ONE), sets::delete),
        admin(Method::GET, "/_apis/runtime/runnergroups/".to_owned(), sets::groups).query(&["groupName"]),
        admin(Method::POST, at(&format!("{ONE}/sessions")), sessions::open).nature(Nature::Session),
        admin(Method::PATCH, at(&session), sessions::refresh),
        admin(Method::DELETE, at(&session), sessions::close),
        admin(Method::POST, at(&format!("{ONE}/generatejitconfig")), agents::generate_jitconfig)
            .nature(Nature::Register),
        admin(Method::GET, at(&format!("{ONE}/acquirablejobs")), queue::acquirable),
        queue(Method::POST, &format!("{ONE}/acquirejobs"), queue::acquire),
        queue(Method::GET, &format!("{ONE}/messages"), |_, _| Err(Answer::not_found()))
            .polls(queue::poll)
            .nature(Nature::Poll)
            .query(&["sessionId", "lastMessageId"]),
        queue(Method::DELETE, &format!("{ONE}/messages/{{message_id}}"), queue::acknowledge).query(&["sessionId"]),
        admin(Method::GET, AGENTS.to_owned(), agents::list).query(&["agentName"]),
        admin(Method::GET, format!("{AGENTS}/{{agent_id}}"), agents::get),
        admin(Method::DELETE, format!("{AGENTS}/{{agent_id}}"), agents::delete).nature(Nature::Remove),
    ]
}

/// The scope that the caller's admin token is for.
fn scope(call: &Call) -> Result<&Scope, Answer> {
    match &call.caller {
        Caller::Holder { grant: Grant::Admin(scope), .. } => Ok(scope),
        _ => Err(Answer::exception(StatusCode::UNAUTHORIZED, "VssUnauthorizedException", "not an admin token")),
    }
}

/// The set in the address, when it is the caller's to administer.
fn set<'a>(state: &'a State, call: &Call) -> Result<&'a ScaleSetRecord, Answer> {
    let scope = scope(call)?;
    let id = call.id("set_id").map_err(|_| no_set())?;
    state.sets.get(id).filter(|set| set.scope == *scope).ok_or_else(no_set)
}

fn no_set() -> Answer {
    Answer::exception(StatusCode::NOT_FOUND, "RunnerScaleSetNotFoundException", "No runner scale set found.")
}

/// A body that is not what the call takes.
fn body<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    let body = call.body.clone().unwrap_or_default();
    serde_json::from_value(body).map_err(|cause| invalid(&cause.to_string()))
}

fn invalid(message: &str) -> Answer {
    Answer::exception(StatusCode::BAD_REQUEST, "VssPropertyValidationException", message)
}

pub(crate) fn session_conflict(owner: &str) -> Answer {
    let message = format!("The runner scale set already has an active session for owner {owner}.");
    Answer::exception(StatusCode::CONFLICT, "RunnerScaleSetSessionConflictException", &message)
}
