//! GitHub's REST: the operations that an agent of runners has use for, each a line in a list.

mod apps;
mod groups;
mod labels;
mod runners;
mod runs;
mod shapes;
mod tokens;

use hyper::Method;
use serde_json::{Value, json};

use crate::server::answer::Answer;
use crate::server::call::Call;
use crate::server::route::{Access, AtOnce, Nature, Room, Route};
use crate::server::state::State;

const PAGE: [&str; 2] = ["per_page", "page"];
const SCOPES: [&str; 3] = ["/repos/{owner}/{repo}", "/orgs/{org}", "/enterprises/{enterprise}"];

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = of_runners();
    routes.extend(of_groups());
    routes.extend(of_apps());
    routes.extend(of_runs());
    routes.push(get("/rate_limit", tokens::rate_limit).access(Access::Anyone));
    let registration =
        Route::new(Room::Rest, Method::POST, "/actions/runner-registration", tokens::runner_registration);
    routes.push(registration.access(Access::Registration).nature(Nature::Connection).undescribed());
    routes
}

fn get(template: impl Into<String>, handler: AtOnce) -> Route {
    Route::new(Room::Rest, Method::GET, template, handler)
}

/// The same family below each kind of owner.
fn of_runners() -> Vec<Route> {
    let below = |scope: &str| {
        let at = |tail: &str| format!("{scope}/actions/runners{tail}");
        let read = |tail: &str, handler| get(at(tail), handler).access(Access::ReadRunners);
        let write = |method, tail: &str, handler: AtOnce| {
            Route::new(Room::Rest, method, at(tail), handler).access(Access::WriteRunners)
        };
        [
            read("", runners::list).query(&["name", "per_page", "page"]),
            read("/downloads", runners::downloads),
            read("/deprecations/{version}", runners::deprecation),
            write(Method::POST, "/generate-jitconfig", runners::generate_jitconfig).nature(Nature::Register),
            write(Method::POST, "/registration-token", tokens::registration_token).nature(Nature::Connection),
            write(Method::POST, "/remove-token", tokens::remove_token).nature(Nature::Connection),
            read("/{runner_id}", runners::get),
            write(Method::DELETE, "/{runner_id}", runners::delete).nature(Nature::Remove),
            read("/{runner_id}/labels", labels::list),
            write(Method::POST, "/{runner_id}/labels", labels::add),
            write(Method::PUT, "/{runner_id}/labels", labels::set),
            write(Method::DELETE, "/{runner_id}/labels", labels::clear),
            write(Method::DELETE, "/{runner_id}/labels/{name}", labels::remove),
        ]
    };
    SCOPES.into_iter().flat_map(below).collect()
}

fn of_groups() -> Vec<Route> {
    let below = |scope: &str, members: &str, visible: &'static [&'static str], handler: AtOnce| {
        let at = |tail: &str| format!("{scope}/actions/runner-groups{tail}");
        [
            get(at(""), groups::list).access(Access::ReadRunners).query(visible),
            get(at("/{runner_group_id}"), groups::get).access(Access::ReadRunners),
            get(at(&format!("/{{runner_group_id}}/{members}")), handler).access(Access::ReadRunners).query(&PAGE),
        ]
    };
    let of_organizations =
        below("/orgs/{org}", "repositories", &["visible_to_repository", "per_page", "page"], groups::repositories);
    let of_enterprises = below(
        "/enterprises/{enterprise}",
        "organizations",
        &["visible_to_organization", "per_page", "page"],
        groups::organizations,
    );
    of_organizations.into_iter().chain(of_enterprises).collect()
}

fn of_apps() -> Vec<Route> {
    let as_app = |template: &str, handler| get(template, handler).access(Access::App);
    let token = "/app/installations/{installation_id}/access_tokens";
    let token = Route::new(Room::Rest, Method::POST, token, apps::access_token);
    vec![
        as_app("/app", apps::app),
        as_app("/app/installations", apps::installations).query(&["per_page", "page", "since", "outdated"]),
        as_app("/app/installations/{installation_id}", apps::installation),
        token.access(Access::App).nature(Nature::Token),
        as_app("/orgs/{org}/installation", apps::installation_of),
        as_app("/enterprises/{enterprise}/installation", apps::installation_of),
        as_app("/repos/{owner}/{repo}/installation", apps::installation_of),
        get("/installation/repositories", apps::repositories).access(Access::Installation).query(&PAGE),
    ]
}

fn of_runs() -> Vec<Route> {
    let at = |tail: &str| format!("/repos/{{owner}}/{{repo}}{tail}");
    let read = |tail: &str, handler| get(at(tail), handler).access(Access::ReadActions);
    vec![
        get(at(""), runs::repository).access(Access::ReadRepository),
        read("/actions/runs", runs::list).query(&["status", "per_page", "page", "event", "branch", "head_sha"]),
        read("/actions/runs/{run_id}", runs::get).query(&["exclude_pull_requests"]),
        read("/actions/runs/{run_id}/jobs", runs::jobs).query(&["filter", "per_page", "page"]),
        read("/actions/runs/{run_id}/attempts/{attempt_number}/jobs", runs::attempt_jobs).query(&PAGE),
        read("/actions/jobs/{job_id}", runs::job),
    ]
}

/// One page of a list under its name, with the `Link` to its neighbors.
fn page(state: &State, call: &Call, name: &str, items: Vec<Value>) -> Answer {
    let (number, size) = call.page();
    let total = items.len();
    let items: Vec<_> = items.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
    let last = total.div_ceil(size).max(1);
    let body = if name.is_empty() { items.into() } else { json!({ "total_count": total, name: items }) };
    let answer = Answer::ok(body);
    let links = links(&format!("{}{}", state.base, call.path), &call.query, number, last);
    if links.is_empty() { answer } else { answer.header("link", links) }
}

fn links(address: &str, query: &[(String, String)], number: usize, last: usize) -> String {
    let others: String = query.iter().filter(|(name, _)| name != "page").fold(String::new(), |text, (name, value)| {
        text + &format!("{name}={}&", value.replace('%', "%25").replace('&', "%26").replace(' ', "%20"))
    });
    let link = |relation: &str, page: usize| format!("<{address}?{others}page={page}>; rel=\"{relation}\"");
    let mut links = Vec::new();
    if number > 1 {
        links.push(link("prev", number - 1));
    }
    if number < last {
        links.push(link("next", number + 1));
        links.push(link("last", last));
    }
    if number > 1 {
        links.push(link("first", 1));
    }
    links.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_to_its_neighbors() {
        let query = [("name".to_owned(), "a b".to_owned()), ("page".to_owned(), "2".to_owned())];
        let link = |page, relation| format!("<x?name=a%20b&page={page}>; rel=\"{relation}\"");
        assert_eq!(links("x", &query, 1, 1), "");
        assert_eq!(links("x", &query, 1, 3), [link(2, "next"), link(3, "last")].join(", "));
        assert_eq!(
            links("x", &query, 2, 3),
            [link(1, "prev"), link(3, "next"), link(3, "last"), link(1, "first")].join(", ")
        );
    }
}
