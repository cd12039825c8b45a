//! What is wrong with a call before anybody looks at what it wants: unknown parameters, headers that GitHub insists on,
//! bodies that are no JSON. Each is a violation and a 400.

use hyper::HeaderMap;
use serde_json::Value;

use crate::server::call::Call;
use crate::server::clock::Now;
use crate::server::pipeline::Incoming;
use crate::server::route::{Access, Room, Route, decode};
use crate::server::state::Caller;

const API_VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];
/// What the Actions service is asked with.
const SERVICE_VERSION: &str = "6.0-preview";

const PAGING: [&str; 2] = ["per_page", "page"];
const LARGEST_PAGE: usize = 100;

/// The call, or what is wrong with it.
pub(crate) fn read(
    route: &Route,
    incoming: Incoming,
    parameters: Vec<(String, String)>,
    now: Now,
) -> Result<Call, String> {
    let query = parse_query(incoming.query.as_deref())?;
    check_query(route, &query)?;
    check_headers(route, &incoming.headers, &query)?;
    let body = parse_body(route, &incoming)?;
    let Incoming { method, path, headers, .. } = incoming;
    Ok(Call { method, path, parameters, query, headers, body, caller: Caller::Nobody, now, fault: None })
}

fn parse_query(query: Option<&str>) -> Result<Vec<(String, String)>, String> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |text: &str| decode(&text.replace('+', " ")).ok_or_else(|| format!("`{pair}` is no parameter"));
            Ok((text(name)?, text(value)?))
        })
        .collect()
}

fn check_query(route: &Route, query: &[(String, String)]) -> Result<(), String> {
    for (index, (name, value)) in query.iter().enumerate() {
        let of_the_service = route.room == Room::Service && name == "api-version";
        if !of_the_service && !route.query.contains(&name.as_str()) {
            return Err(format!("unknown query parameter `{name}`"));
        }
        if PAGING.contains(&name.as_str()) && !is_page(name, value) {
            return Err(format!("`{name}={value}` is no page"));
        }
        if query[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("query parameter `{name}` twice"));
        }
    }
    Ok(())
}

/// GitHub would take the nearest page that there is, and nobody would know.
fn is_page(name: &str, value: &str) -> bool {
    let most = if name == "per_page" { LARGEST_PAGE } else { usize::MAX };
    value.parse().is_ok_and(|number| (1..=most).contains(&number))
}

fn check_headers(route: &Route, headers: &HeaderMap, query: &[(String, String)]) -> Result<(), String> {
    let all = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
    if all("authorization").len() > 1 {
        return Err("more than one `Authorization`".to_owned());
    }
    let agent = all("user-agent");
    match route.room {
        Room::Rest => {
            if agent.first().is_none_or(|agent| agent.is_empty()) {
                return Err("no `User-Agent`; GitHub refuses those".to_owned());
            }
            if let Some(version) = all("x-github-api-version").iter().find(|version| !API_VERSIONS.contains(version)) {
                return Err(format!("`X-GitHub-Api-Version: {version}` is none that is supported"));
            }
            let json = |accept: &&str| accept.contains("json") || accept.contains("*/*");
            if all("accept").iter().any(|accept| !json(accept)) {
                return Err("`Accept` wants something else than JSON".to_owned());
            }
        }
        Room::Service => {
            let object = agent.first().and_then(|agent| serde_json::from_str::<Value>(agent).ok());
            if !object.is_some_and(|object| object["system"].is_string() && object["subsystem"].is_string()) {
                return Err("`User-Agent` is no JSON object with `system` and `subsystem`".to_owned());
            }
            let in_query = query.iter().any(|(name, value)| name == "api-version" && value == SERVICE_VERSION);
            let in_accept =
                all("accept").iter().any(|accept| accept.contains(&format!("api-version={SERVICE_VERSION}")));
            // Queues are called by the addresses that sessions give, which have no place for it.
            let said = in_query || (route.access == Access::Queue && in_accept);
            if !said {
                return Err(format!("no `api-version={SERVICE_VERSION}`"));
            }
        }
        Room::Runner | Room::Download => {}
    }
    Ok(())
}

fn parse_body(route: &Route, incoming: &Incoming) -> Result<Option<Value>, String> {
    if incoming.body.is_empty() {
        return Ok(None);
    }
    if incoming.method == hyper::Method::GET {
        return Err("a GET with a body".to_owned());
    }
    let kind = incoming.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(format!("a body of `Content-Type: {kind}`"));
    }
    let parsed = serde_json::from_slice(&incoming.body);
    parsed.map(Some).map_err(|cause| format!("the body of {} is no JSON: {cause}", route.operation()))
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::*;
    use crate::server::clock::Clock;

    fn refusal(
        room: Room,
        access: Access,
        query: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Option<String> {
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        let route =
            Route::new(room, method.clone(), "/x", |_, _| unreachable!()).access(access).query(&["page", "per_page"]);
        let headers =
            headers.iter().map(|(name, value)| ((*name).try_into().unwrap(), value.parse().unwrap())).collect();
        let incoming =
            Incoming { method, path: "/x".to_owned(), query: Some(query.to_owned()), headers, body: body.into() };
        read(&route, incoming, Vec::new(), Clock::default().now()).err()
    }

    #[test]
    fn rest_insists_on_what_github_insists_on() {
        let check = |query: &str, headers: &[(&'static str, &str)], body: &str, expected: Option<&str>| {
            assert_eq!(refusal(Room::Rest, Access::Anyone, query, headers, body).as_deref(), expected);
        };
        let agent = ("user-agent", "hearth");
        let json = ("content-type", "application/json");
        check("page=2", &[agent], "", None);
        check("page=2", &[], "", Some("no `User-Agent`; GitHub refuses those"));
        check("pages=2", &[agent], "", Some("unknown query parameter `pages`"));
        check("page=2&page=3", &[agent], "", Some("query parameter `page` twice"));
        check("page=0", &[agent], "", Some("`page=0` is no page"));
        check("per_page=100", &[agent], "", None);
        check("per_page=101", &[agent], "", Some("`per_page=101` is no page"));
        check("page=%zz", &[agent], "", Some("`page=%zz` is no parameter"));
        check("api-version=6.0-preview", &[agent], "", Some("unknown query parameter `api-version`"));
        check(
            "",
            &[agent, ("x-github-api-version", "1999-01-01")],
            "",
            Some("`X-GitHub-Api-Version: 1999-01-01` is none that is supported"),
        );
        check("", &[agent, ("accept", "text/html")], "", Some("`Accept` wants something else than JSON"));
        check("", &[agent], "{}", Some("a body of `Content-Type: `"));
        check("", &[agent, json], "{}", None);
    }

    #[test]
    fn the_service_insists_on_its_version_and_on_who_calls() {
        let agent = ("user-agent", r#"{"system":"hearth","subsystem":"agent"}"#);
        let accept = ("accept", "application/json; api-version=6.0-preview");
        let check = |access: Access, query: &str, headers: &[(&'static str, &str)], expected: Option<&str>| {
            assert_eq!(refusal(Room::Service, access, query, headers, "").as_deref(), expected);
        };
        check(Access::Admin, "api-version=6.0-preview", &[agent], None);
        check(Access::Admin, "", &[agent, accept], Some("no `api-version=6.0-preview`"));
        check(Access::Queue, "", &[agent, accept], None);
        let nobody = Some("`User-Agent` is no JSON object with `system` and `subsystem`");
        check(Access::Admin, "api-version=6.0-preview", &[("user-agent", "hearth")], nobody);
    }
}
