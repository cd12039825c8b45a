//! Every operation of REST that the fake has, called once rightly: GitHub's description knows it, what was sent and what
//! came back.

use std::collections::BTreeSet;

use fake_github::{Checksum, Deprecation, Job, Options, RunnerApplication};
use hearth_tests::environment::{Environment, GITHUB_OPENAPI};
use hearth_tests::skip::skipped;
use serde_json::{Value, json};

use super::client::{Lab, jwt, seconds};
use super::runner::{Runner, connect};

#[test]
fn every_operation_is_as_github_describes_it() {
    if Environment::of_this_process().github_openapi().is_none() {
        return skipped(&format!("{GITHUB_OPENAPI} does not name GitHub's OpenAPI description"));
    }
    let application = RunnerApplication {
        os: "linux".to_owned(),
        architecture: "x64".to_owned(),
        version: "2.330.0".to_owned(),
        archive: std::env::current_exe().expect("this program knows its file"),
        checksum: Checksum::Right,
        needs_token: true,
    };
    let deprecation = Deprecation { version: "2.328.0".to_owned(), ..Deprecation::default() };
    let options = Options { applications: vec![application], deprecations: vec![deprecation], ..Options::default() };
    let lab = Lab::with(options);
    for (scope, name) in
        [("/orgs/acme", "oven-1"), ("/repos/acme/widgets", "oven-2"), ("/enterprises/megacorp", "oven-3")]
    {
        every_operation_of_runners(&lab, scope, name);
    }
    every_operation_of_groups(&lab);
    every_operation_of_apps(&lab);
    every_operation_of_runs(&lab);
    lab.get("/rate_limit").expect(200);
    connect(&lab, "/orgs/acme", &format!("{}/acme", lab.github.url())).expect(200);

    hearth_tests::github::nothing_is_violated(&lab.github);
    let called: BTreeSet<_> = lab.github.operations().into_keys().collect();
    let missing: Vec<_> =
        lab.github.rest_operations().into_iter().filter(|operation| !called.contains(operation)).collect();
    assert!(missing.is_empty(), "not called: {missing:#?}");
}

fn every_operation_of_runners(lab: &Lab, scope: &str, name: &str) {
    let at = |tail: &str| format!("{scope}/actions/runners{tail}");
    let body = json!({ "name": name, "runner_group_id": 1, "labels": ["self-hosted", "a"], "work_folder": "_work" });
    let made = lab.call("POST", &at("/generate-jitconfig"), &body).expect(201).json();
    lab.call("POST", &at("/generate-jitconfig"), &body).expect(409);
    let id = made["runner"]["id"].as_u64().expect("an id");
    lab.get(&at("?per_page=1&page=1")).expect(200);
    lab.get(&at(&format!("?name={name}"))).expect(200);
    lab.get(&at(&format!("/{id}"))).expect(200);
    let labels = at(&format!("/{id}/labels"));
    lab.get(&labels).expect(200);
    lab.call("POST", &labels, &json!({ "labels": ["b"] })).expect(200);
    lab.call("PUT", &labels, &json!({ "labels": ["c"] })).expect(200);
    lab.delete(&format!("{labels}/c")).expect(200);
    lab.delete(&format!("{labels}/self-hosted")).expect(422);
    lab.delete(&labels).expect(200);
    for token in ["/registration-token", "/remove-token"] {
        lab.rest("POST", &at(token)).bearer(&lab.token).send().expect(201);
    }
    lab.get(&at("/downloads")).expect(200);
    lab.get(&at("/deprecations/2.328.0")).expect(200);
    lab.delete(&at(&format!("/{id}"))).expect(204);
}

fn every_operation_of_groups(lab: &Lab) {
    for (scope, members, visible) in [
        ("/orgs/acme", "repositories", "?visible_to_repository=widgets"),
        ("/enterprises/megacorp", "organizations", "?visible_to_organization=acme"),
    ] {
        let groups = lab.get(&format!("{scope}/actions/runner-groups{visible}")).expect(200).json();
        assert_eq!(groups["runner_groups"][0]["name"], "Default");
        lab.get(&format!("{scope}/actions/runner-groups/1")).expect(200);
        let listed = lab.get(&format!("{scope}/actions/runner-groups/1/{members}")).expect(200).json();
        assert!(listed["total_count"].as_u64() > Some(0), "{listed}");
    }
}

fn every_operation_of_apps(lab: &Lab) {
    let claims = json!({ "iss": "901", "iat": seconds() - 60, "exp": seconds() + 500 });
    let jwt = jwt(&lab.github.app_key(), &claims);
    for path in [
        "/app",
        "/app/installations",
        "/app/installations/5001",
        "/orgs/acme/installation",
        "/repos/acme/widgets/installation",
    ] {
        lab.rest("GET", path).bearer(&jwt).send().expect(200);
    }
    lab.rest("GET", "/enterprises/megacorp/installation").bearer(&jwt).send().expect(404);
    let narrow = json!({ "repositories": ["widgets"], "permissions": { "organization_self_hosted_runners": "write" } });
    let token = lab.installation_token(&narrow).expect(201).json();
    let token = token["token"].as_str().expect("a token");
    lab.rest("GET", "/installation/repositories").bearer(token).send().expect(200);
    lab.installation_token(&json!({ "permissions": { "contents": "write" } })).expect(422);
}

fn every_operation_of_runs(lab: &Lab) {
    let id = lab.github.offer_run([Job::new("acme/widgets").labels(["x"]), Job::new("acme/widgets")])[0];
    let job = lab.github.job(id).expect("the job");
    let look = || {
        lab.get("/repos/acme/widgets/actions/runs?status=queued&per_page=100").expect(200);
        lab.get(&format!("/repos/acme/widgets/actions/runs/{}", job.run_id)).expect(200);
        lab.get(&format!("/repos/acme/widgets/actions/runs/{}/jobs?filter=latest", job.run_id)).expect(200);
        lab.get(&format!("/repos/acme/widgets/actions/runs/{}/attempts/1/jobs", job.run_id)).expect(200);
        lab.get(&format!("/repos/acme/widgets/actions/jobs/{id}")).expect(200).json()
    };
    assert_eq!((&look()["status"], &look()["runner_id"]), (&json!("queued"), &Value::Null));
    let (_, blob) = lab.register("oven-9", &["x"]);
    Runner::connect(&blob).run_one();
    assert_eq!((&look()["status"], &look()["conclusion"]), (&json!("completed"), &json!("success")));
    lab.get("/repos/acme/widgets").expect(200);
}
