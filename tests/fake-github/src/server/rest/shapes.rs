//! Owners and repositories in the shapes that REST repeats everywhere, with all the addresses that they must have.

use serde_json::{Map, Value, json};

use crate::server::state::{Organization, Repository, State, Visibility};

/// When everything was made that nobody asks the age of.
pub(super) const LONG_AGO: &str = "2024-01-01T00:00:00Z";

pub(super) fn id_of(state: &State, name: &str) -> u64 {
    let organization = state.accounts.organization(name).map(|found| found.id);
    organization.or_else(|| state.accounts.enterprise(name).map(|found| found.id)).unwrap_or(583_231)
}

/// An owner, as `simple-user`.
pub(super) fn user(state: &State, login: &str) -> Value {
    let base = format!("{}/api/v3/users/{login}", state.base);
    let mut user = addresses(&base, &["followers", "gists", "starred", "subscriptions", "repos", "events"]);
    user.extend(addresses(&base, &["following", "organizations", "received_events"]));
    let more = json!({
        "login": login,
        "id": id_of(state, login),
        "node_id": format!("O_{login}"),
        "avatar_url": format!("{}/avatars/{login}", state.base),
        "gravatar_id": "",
        "url": base,
        "html_url": format!("{}/{login}", state.base),
        "type": if state.accounts.organization(login).is_some() { "Organization" } else { "User" },
        "site_admin": false,
    });
    with(user, more)
}

/// As `organization-simple`.
pub(super) fn organization(state: &State, organization: &Organization) -> Value {
    let base = format!("{}/api/v3/orgs/{}", state.base, organization.login);
    let more = json!({
        "login": organization.login,
        "id": organization.id,
        "node_id": format!("O_{}", organization.login),
        "url": base,
        "avatar_url": format!("{}/avatars/{}", state.base, organization.login),
        "description": null,
    });
    with(addresses(&base, &["repos", "events", "hooks", "issues", "members", "public_members"]), more)
}

pub(super) fn enterprise(state: &State, slug: &str) -> Value {
    json!({
        "id": id_of(state, slug),
        "slug": slug,
        "name": slug,
        "node_id": format!("E_{slug}"),
        "html_url": format!("{}/enterprises/{slug}", state.base),
        "avatar_url": format!("{}/avatars/{slug}", state.base),
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
    })
}

/// Addresses that every repository has.
const OF_A_REPOSITORY: [&str; 38] = [
    "archive",
    "assignees",
    "blobs",
    "branches",
    "clone",
    "collaborators",
    "comments",
    "commits",
    "compare",
    "contents",
    "contributors",
    "deployments",
    "downloads",
    "events",
    "forks",
    "git_commits",
    "git_refs",
    "git_tags",
    "hooks",
    "issue_comment",
    "issue_events",
    "issues",
    "keys",
    "labels",
    "languages",
    "merges",
    "milestones",
    "notifications",
    "pulls",
    "releases",
    "stargazers",
    "statuses",
    "subscribers",
    "subscription",
    "svn",
    "tags",
    "teams",
    "trees",
];

/// A repository: everything that `full-repository` asks for, which is more than the smaller shapes do.
pub(super) fn repository(state: &State, repository: &Repository) -> Value {
    let base = format!("{}/api/v3/repos/{}", state.base, repository.full_name);
    let is_private = repository.visibility == Visibility::Private;
    let mut more = json!({
        "id": repository.id,
        "node_id": format!("R_{}", repository.id),
        "name": repository.name(),
        "full_name": repository.full_name,
        "owner": user(state, repository.owner()),
        "private": is_private,
        "visibility": if is_private { "private" } else { "public" },
        "html_url": format!("{}/{}", state.base, repository.full_name),
        "url": base,
        "git_url": format!("git:{}", repository.full_name),
        "ssh_url": format!("git@localhost:{}.git", repository.full_name),
        "default_branch": "main",
        "pushed_at": LONG_AGO,
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
    });
    for name in ["description", "homepage", "language", "license", "mirror_url"] {
        more[name] = Value::Null;
    }
    let counts = ["forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "open_issues"];
    for name in counts.into_iter().chain(["open_issues_count", "size", "subscribers_count", "network_count"]) {
        more[name] = 0.into();
    }
    let flags = ["fork", "archived", "disabled", "has_issues", "has_projects", "has_wiki", "has_pages"];
    for name in flags.into_iter().chain(["has_discussions", "has_downloads"]) {
        more[name] = false.into();
    }
    with(addresses(&base, &OF_A_REPOSITORY), more)
}

fn addresses(base: &str, names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| (format!("{name}_url"), format!("{base}/{name}").into())).collect()
}

fn with(mut fields: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    fields.into()
}
