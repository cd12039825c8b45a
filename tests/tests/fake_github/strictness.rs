//! Calls that GitHub does not know, or would not take, are answered by an error and noted.

use serde_json::json;

use super::client::{Lab, Request};
use super::runner::Listener;

#[track_caller]
fn check(lab: &Lab, request: &Request, status: u16, violation: &str) {
    let before = lab.github.violations().len();
    request.send().expect(status);
    let violations = lab.github.violations();
    let new: Vec<_> = violations[before..].iter().map(ToString::to_string).collect();
    assert!(new.iter().any(|new| new.contains(violation)), "{new:?}");
}

#[test]
fn what_rest_does_not_know_is_refused_and_noted() {
    let lab = Lab::new();
    let runners = "/orgs/acme/actions/runners";
    let unknown = "GitHub has no such operation";
    let rest = |method: &'static str, path: &str| lab.rest(method, path).bearer(&lab.token);
    check(&lab, &rest("GET", "/orgs/acme/runners"), 404, unknown);
    check(&lab, &rest("PATCH", runners), 404, unknown);
    check(&lab, &Request::new("GET", format!("{}/orgs/acme", lab.github.url())), 404, unknown);
    check(&lab, &rest("GET", &format!("{runners}?label=x")), 400, "unknown query parameter `label`");
    check(&lab, &rest("GET", runners).without("user-agent"), 400, "no `User-Agent`");
    check(&lab, &rest("GET", runners).header("x-github-api-version", "2021-01-01"), 400, "is none that is supported");
    check(&lab, &rest("GET", runners).json(&json!({})), 400, "a GET with a body");
    let jit = rest("POST", &format!("{runners}/generate-jitconfig"));
    check(&lab, &jit.json(&json!({})).header("content-type", "text/plain"), 400, "Content-Type: text/plain");
}

#[test]
fn what_the_service_does_not_know_is_refused_and_noted() {
    let lab = Lab::new();
    let listener = Listener::open(&lab, "oven", &["oven"]);
    let agents = listener.call("GET", "/distributedtask/pools/0/agents");
    check(&lab, &agents.clone().header("user-agent", "hearth"), 400, "no JSON object");
    let url = format!("{}/_apis/distributedtask/pools/0/agents", listener.service);
    check(&lab, &Request::new("GET", url).bearer(&listener.admin), 400, "no `api-version=6.0-preview`");
    check(&lab, &listener.call("GET", "/distributedtask/pools/1/agents"), 404, "GitHub has no such operation");
    check(&lab, &listener.poll_request(0, 1).without("x-scalesetmaxcapacity"), 400, "X-ScaleSetMaxCapacity");
    let queue = listener.session["messageQueueUrl"].as_str().expect("an address").to_owned();
    let zero = listener.queue("GET", &format!("{queue}&lastMessageId=0")).header("x-scalesetmaxcapacity", "1");
    check(&lab, &zero, 400, "lastMessageId is 0");
    assert_eq!(listener.acknowledge(7).status, 400, "nobody acknowledges what was never sent");
}

#[test]
fn a_call_that_is_right_is_no_violation() {
    let lab = Lab::new();
    lab.get("/orgs/acme/actions/runners?per_page=100").expect(200);
    hearth_tests::github::nothing_is_violated(&lab.github);
}
