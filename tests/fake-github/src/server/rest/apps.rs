//! Apps and where they are installed; tokens for installations, narrowed as asked.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{page, shapes};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::clock::rest_time;
use crate::server::state::{
    App, Caller, Grant, Installation, Level, Permissions, Repository, Scope, State, random_token,
};

pub(super) fn app(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let app = caller(state, call)?;
    let owner = match app.installations.first().map(|installation| &installation.account) {
        Some(Scope::Organization(login)) => login.as_str(),
        _ => "hearth-ci",
    };
    let permissions = app.installations.first().map(|installation| permissions(&installation.permissions));
    Ok(Answer::ok(json!({
        "id": app.id,
        "slug": app.slug,
        "client_id": app.client_id,
        "node_id": format!("A_{}", app.id),
        "owner": shapes::user(state, owner),
        "name": app.slug,
        "description": null,
        "external_url": format!("{}/apps/{}", state.base, app.slug),
        "html_url": format!("{}/apps/{}", state.base, app.slug),
        "created_at": shapes::LONG_AGO,
        "updated_at": shapes::LONG_AGO,
        "permissions": permissions.unwrap_or_else(|| json!({})),
        "events": [],
    })))
}

fn caller<'a>(state: &'a State, call: &Call) -> Result<&'a App, Answer> {
    let Caller::App(id) = call.caller else { return Err(Answer::unauthorized()) };
    state.accounts.apps.iter().find(|app| app.id == id).ok_or_else(Answer::unauthorized)
}

pub(super) fn installations(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let app = caller(state, call)?;
    let list = app.installations.iter().map(|installation| shape(state, app, installation)).collect();
    Ok(page(state, call, "", list))
}

pub(super) fn installation(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let (app, id) = (caller(state, call)?, call.id("installation_id")?);
    let found = app.installations.iter().find(|installation| installation.id == id);
    found.map(|found| Answer::ok(shape(state, app, found))).ok_or_else(Answer::not_found)
}

/// By organization, repository or enterprise.
pub(super) fn installation_of(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let app = caller(state, call)?;
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    let found = app.installations.iter().find(|installation| installation.sees(&scope));
    found.map(|found| Answer::ok(shape(state, app, found))).ok_or_else(Answer::not_found)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessToken {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<u64>>,
    permissions: Option<BTreeMap<String, String>>,
}

pub(super) fn access_token(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked = if call.body.is_some() { call.body()? } else { AccessToken::default() };
    let (app, id) = (caller(state, call)?, call.id("installation_id")?);
    let installation = app.installations.iter().find(|installation| installation.id == id);
    let installation = installation.ok_or_else(Answer::not_found)?;
    if installation.suspended {
        return Err(Answer::error(StatusCode::FORBIDDEN, "This installation has been suspended"));
    }
    let granted = narrowed(installation, asked.permissions.as_ref())?;
    let listed = chosen(state, installation, &asked)?;
    let names = listed.as_ref().map(|list| list.iter().map(|found| found.full_name.clone()).collect::<Vec<_>>());

    let life = state.options.installation_token_life;
    let token = random_token("ghs_", TOKEN_LENGTH);
    let mut body = json!({
        "token": token,
        "expires_at": rest_time(call.now.time + life),
        "permissions": permissions(&granted),
        "repository_selection": if names.is_some() { "selected" } else { "all" },
    });
    if let Some(listed) = &listed {
        body["repositories"] = listed.iter().map(|found| shapes::repository(state, found)).collect();
    }
    let repositories = names.or_else(|| installation.repositories.clone());
    let grant = Grant::Installation { installation: id, permissions: granted, repositories };
    state.credentials.add(token, grant, Some((call.now.instant, life)));
    Ok(Answer::json(StatusCode::CREATED, body))
}

/// They have become long; nobody may count on a length.
const TOKEN_LENGTH: usize = 520;

/// What is asked, which must not be more than what was granted; all of that when nothing is asked.
fn narrowed(installation: &Installation, asked: Option<&BTreeMap<String, String>>) -> Result<Permissions, Answer> {
    let Some(asked) = asked else { return Ok(installation.permissions.clone()) };
    let mut granted = Permissions::new();
    for (name, level) in asked {
        let level = Level::named(level).ok_or_else(|| Answer::invalid(&format!("no level {level} of {name}")))?;
        if installation.permissions.get(name).is_none_or(|held| *held < level) {
            let message = "The permissions requested are not granted to this installation.";
            return Err(invalid(message));
        }
        granted.insert(name.clone(), level);
    }
    // Every token may read what repositories are called.
    granted.insert("metadata".to_owned(), Level::Read);
    Ok(granted)
}

fn chosen(state: &State, installation: &Installation, asked: &AccessToken) -> Result<Option<Vec<Repository>>, Answer> {
    let Scope::Organization(owner) = &installation.account else { return Ok(None) };
    let by_name = asked.repositories.iter().flatten().map(|name| state.accounts.repository(&format!("{owner}/{name}")));
    let by_id = asked.repository_ids.iter().flatten();
    let by_id = by_id.map(|id| state.accounts.repositories.iter().find(|repository| repository.id == *id));
    if asked.repositories.is_none() && asked.repository_ids.is_none() {
        return Ok(None);
    }
    let visible = |repository: &&Repository| installation.sees(&Scope::Repository(repository.full_name.clone()));
    let found: Option<Vec<_>> = by_name.chain(by_id).map(|found| found.filter(visible).cloned()).collect();
    let message = "There is at least one repository that does not exist or is not accessible to the parent \
                   installation.";
    found.map(Some).ok_or_else(|| invalid(message))
}

/// The longer of REST's forms, which these operations are described with.
fn invalid(message: &str) -> Answer {
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": "422" });
    Answer::json(StatusCode::UNPROCESSABLE_ENTITY, body)
}

pub(super) fn repositories(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let Caller::Holder { grant: Grant::Installation { installation, repositories, .. }, .. } = &call.caller else {
        return Err(Answer::unauthorized());
    };
    let (_, installation) = state.accounts.installation(*installation).ok_or_else(Answer::unauthorized)?;
    let listed = |repository: &&Repository| {
        installation.sees(&Scope::Repository(repository.full_name.clone()))
            && repositories.as_ref().is_none_or(|names| names.contains(&repository.full_name))
    };
    let found = state.accounts.repositories.iter().filter(listed);
    let found = found.map(|repository| shapes::repository(state, repository)).collect();
    Ok(page(state, call, "repositories", found))
}

fn permissions(permissions: &Permissions) -> Value {
    permissions
        .iter()
        .map(|(name, level)| (name.clone(), level.name().into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn shape(state: &State, app: &App, installation: &Installation) -> Value {
    let address = format!("{}/api/v3/app/installations/{}", state.base, installation.id);
    let (account, target, kind) = match &installation.account {
        Scope::Enterprise(slug) => (shapes::enterprise(state, slug), shapes::id_of(state, slug), "Enterprise"),
        Scope::Organization(login) | Scope::Repository(login) => {
            (shapes::user(state, login), shapes::id_of(state, login), "Organization")
        }
    };
    json!({
        "id": installation.id,
        "account": account,
        "repository_selection": if installation.repositories.is_some() { "selected" } else { "all" },
        "access_tokens_url": format!("{address}/access_tokens"),
        "repositories_url": format!("{}/api/v3/installation/repositories", state.base),
        "html_url": format!("{}/organizations/settings/installations/{}", state.base, installation.id),
        "app_id": app.id,
        "app_slug": app.slug,
        "client_id": app.client_id,
        "target_id": target,
        "target_type": kind,
        "permissions": permissions(&installation.permissions),
        "events": [],
        "created_at": shapes::LONG_AGO,
        "updated_at": shapes::LONG_AGO,
        "single_file_name": null,
        "suspended_by": null,
        "suspended_at": installation.suspended.then_some(shapes::LONG_AGO),
    })
}
