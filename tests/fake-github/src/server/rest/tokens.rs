//! Short-lived tokens for runners, the way from REST to the Actions service, and what is left of the limits.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::clock::rest_time;
use crate::server::jwt;
use crate::server::state::{Bucket, Caller, Grant, Scope, State, random_token};

pub(super) fn registration_token(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    Ok(mint(state, call, Grant::Registration(scope)))
}

pub(super) fn remove_token(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    Ok(mint(state, call, Grant::Removal))
}

fn mint(state: &mut State, call: &Call, grant: Grant) -> Answer {
    let token = random_token("A", 29).to_uppercase();
    let life = state.options.registration_token_life;
    state.credentials.add(token.clone(), grant, Some((call.now.instant, life)));
    let expires_at = rest_time(call.now.time + life);
    Answer::json(StatusCode::CREATED, json!({ "token": token, "expires_at": expires_at }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunnerRegistration {
    url: String,
    runner_event: String,
}

/// Gives the address of the tenant's Actions service and a token for it.
pub(super) fn runner_registration(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked: RunnerRegistration = call.body()?;
    if asked.runner_event != "register" {
        return Err(Answer::invalid("runner_event is not `register`"));
    }
    let Caller::Holder { grant: Grant::Registration(allowed), .. } = &call.caller else {
        return Err(Answer::unauthorized());
    };
    let path = asked.url.strip_prefix(&state.base).unwrap_or_default();
    let scope = path.parse().ok().and_then(|scope: Scope| {
        // The address of a page, and those are redirected from former names too.
        let moved = state.accounts.formerly(&scope).map(|found| Scope::Repository(found.full_name.clone()));
        moved.or_else(|| state.accounts.known(&scope))
    });
    if scope.as_ref() != Some(allowed) {
        return Err(Answer::not_found());
    }
    let life = state.options.admin_token_life;
    let expires = (call.now.time + life).as_second();
    let claims = json!({ "exp": expires, "nbf": call.now.time.as_second(), "aud": "actions", "scp": "Actions.Admin" });
    let token = jwt::opaque(&claims, &random_token("", 32));
    state.credentials.add(token.clone(), Grant::Admin(allowed.clone()), Some((call.now.instant, life)));
    let url = format!("{}/_services/pipelines/{}/", state.base, state.tenant);
    Ok(Answer::ok(json!({ "url": url, "token": token, "token_schema": "OAuthAccessToken", "use_v2_flow": true })))
}

#[expect(clippy::unnecessary_wraps, reason = "all handlers have one form")]
pub(super) fn rate_limit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let account = call.caller.account();
    let State { limits, options, .. } = state;
    let mut level = |bucket| {
        let level = limits.level(&account, bucket, call.now, options);
        json!({
            "limit": level.limit, "used": level.used, "remaining": level.remaining(), "reset": level.reset_seconds,
        })
    };
    let (core, registration): (Value, Value) = (level(Bucket::Core), level(Bucket::Registration));
    Ok(Answer::ok(json!({
        "resources": { "core": core, "search": core, Bucket::Registration.name(): registration },
        "rate": core,
    })))
}
