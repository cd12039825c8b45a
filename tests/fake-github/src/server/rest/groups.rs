//! Runner groups: which there are, and who sees each.

use serde_json::{Value, json};

use super::{page, shapes};
use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::state::{Group, Members, Organization, Repository, Scope, State};

pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    let wanted = call.query("visible_to_repository").or(call.query("visible_to_organization"));
    let visible = |group: &Group| match wanted {
        None => true,
        Some(name) => match &scope {
            Scope::Organization(owner) => {
                let repository = state.accounts.repository(&format!("{owner}/{name}"));
                repository.is_some_and(|repository| state.accounts.serves(&scope, group.id, repository))
            }
            _ => group.members == Members::All || group.members == Members::Selected(vec![name.to_owned()]),
        },
    };
    let groups = state.accounts.groups(&scope).into_iter().filter(visible);
    let groups: Vec<_> = groups.map(|group| shape(state, call, &group)).collect();
    Ok(page(state, call, "runner_groups", groups))
}

pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    find(state, call).map(|group| Answer::ok(shape(state, call, &group)))
}

pub(super) fn repositories(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let members = find(state, call)?.members;
    let owner = call.parameter("org");
    let listed = |repository: &&Repository| match &members {
        Members::All => repository.owner() == owner,
        Members::Selected(names) => names.contains(&repository.full_name),
    };
    let found = state.accounts.repositories.iter().filter(listed);
    let found = found.map(|repository| shapes::repository(state, repository)).collect();
    Ok(page(state, call, "repositories", found))
}

pub(super) fn organizations(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let members = find(state, call)?.members;
    let enterprise = Some(call.parameter("enterprise").to_owned());
    let listed = |organization: &&Organization| match &members {
        Members::All => organization.enterprise == enterprise,
        Members::Selected(names) => names.contains(&organization.login),
    };
    let found = state.accounts.organizations.iter().filter(listed);
    let found = found.map(|organization| shapes::organization(state, organization)).collect();
    Ok(page(state, call, "organizations", found))
}

fn find(state: &State, call: &Call) -> Result<Group, Answer> {
    let scope = state.accounts.known(&call.scope()).ok_or_else(Answer::not_found)?;
    state.accounts.group(&scope, call.id("runner_group_id")?).ok_or_else(Answer::not_found)
}

fn shape(state: &State, call: &Call, group: &Group) -> Value {
    let visibility = match &group.members {
        Members::Selected(_) => "selected",
        Members::All => "all",
    };
    let family = match call.path.split_once("/runner-groups") {
        Some((before, _)) => format!("{}{before}/runner-groups/{}", state.base, group.id),
        None => String::new(),
    };
    let mut shape = json!({
        "id": group.id,
        "name": group.name,
        "visibility": visibility,
        "default": group.id == 1,
        "runners_url": format!("{family}/runners"),
        "inherited": false,
        "allows_public_repositories": group.allows_public_repositories,
        "restricted_to_workflows": false,
        "selected_workflows": [],
        "workflow_restrictions_read_only": false,
    });
    if call.parameter("org").is_empty() {
        shape["selected_organizations_url"] = format!("{family}/organizations").into();
    } else {
        shape["selected_repositories_url"] = format!("{family}/repositories").into();
    }
    shape
}
