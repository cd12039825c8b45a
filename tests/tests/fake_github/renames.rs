//! Repositories with a new name: where their old one leads, and to whom.

use fake_github::{Job, JobId, QueueNames, Repository, Visibility};
use serde_json::json;

use super::client::Lab;

const OLD: &str = "/repos/acme/widgets";

fn renamed() -> (Lab, JobId) {
    let lab = Lab::new();
    let job = lab.github.offer(Job::new("acme/widgets"));
    lab.github.rename_repository("acme/widgets", "acme/sprockets", QueueNames::Present);
    (lab, job)
}

#[test]
fn a_former_name_answers_with_the_number_of_the_repository() {
    let (lab, job) = renamed();
    let moved = lab.get(&format!("{OLD}/actions/runs?status=queued")).expect(301);
    let to = format!("{}/api/v3/repositories/3001/actions/runs?status=queued", lab.github.url());
    assert_eq!((moved.header("location"), moved.json()["url"].as_str()), (Some(to.as_str()), Some(to.as_str())));
    assert_eq!(moved.message(), "Moved Permanently");
    let body = json!({ "name": "oven-1", "runner_group_id": 1, "labels": ["x"] });
    let register = |scope: &str| lab.call("POST", &format!("{scope}/actions/runners/generate-jitconfig"), &body);
    register(OLD).expect(307);
    assert!(lab.github.runners().is_empty(), "a redirect has no effect");
    register("/repositories/3001").expect(201);
    let runs = lab.get("/repositories/3001/actions/runs?status=queued").expect(200).json();
    assert_eq!(runs["workflow_runs"][0]["repository"]["full_name"], "acme/sprockets");
    let known = lab.github.job(job).expect("a job that was offered");
    assert_eq!(known.job.repository, "acme/sprockets");
    assert!(lab.github.violations().is_empty(), "{:?}", lab.github.violations());
}

#[test]
fn whoever_may_not_see_the_repository_is_not_led_to_it() {
    let (lab, _) = renamed();
    let narrow = lab.installation_token(&json!({ "repository_ids": [3002] })).expect(201).json();
    let stranger = narrow["token"].as_str().expect("a token");
    lab.rest("GET", OLD).bearer(stranger).send().expect(404);
    lab.rest("GET", OLD).bearer("ghp_nobody").send().expect(401);
    lab.rest("GET", OLD).bearer(&lab.token).send().expect(301);
}

#[test]
fn a_token_is_not_narrowed_by_a_former_name() {
    let (lab, _) = renamed();
    lab.installation_token(&json!({ "repositories": ["widgets"] })).expect(422);
    lab.installation_token(&json!({ "repositories": ["sprockets"] })).expect(201);
    lab.installation_token(&json!({ "repository_ids": [3001] })).expect(201);
}

#[test]
fn a_name_that_another_repository_takes_leads_to_that_one() {
    let (lab, _) = renamed();
    lab.github.change_accounts(|accounts| {
        let full_name = "acme/widgets".to_owned();
        accounts.repositories.push(Repository { id: 3101, full_name, visibility: Visibility::Private });
    });
    assert_eq!(lab.get(OLD).expect(200).json()["id"], 3101);
    assert_eq!(lab.get("/repos/acme/sprockets").expect(200).json()["id"], 3001);
}
