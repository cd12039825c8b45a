//! Limits of REST, and what costs nothing.

use std::time::Duration;

use fake_github::Options;
use serde_json::json;

use super::client::Lab;

const RUNNERS: &str = "/orgs/acme/actions/runners";

#[test]
fn a_full_bucket_says_when_it_is_empty_again() {
    let lab = Lab::with(Options { primary_limit: Some(2), ..Options::default() });
    let remaining = |reply: &super::client::Reply| reply.header("x-ratelimit-remaining").map(str::to_owned);
    assert_eq!(remaining(&lab.get(RUNNERS).expect(200)).as_deref(), Some("1"));
    assert_eq!(remaining(&lab.get(RUNNERS).expect(200)).as_deref(), Some("0"));
    let refused = lab.get(RUNNERS).expect(403);
    assert_eq!((remaining(&refused).as_deref(), refused.header("retry-after")), (Some("0"), None));
    let reset: i64 = refused.header("x-ratelimit-reset").expect("a time").parse().expect("a number");
    assert!(reset > super::client::seconds(), "{reset}");
    let levels = lab.get("/rate_limit").expect(200).json();
    assert_eq!((&levels["rate"]["remaining"], &levels["rate"]["used"]), (&json!(0), &json!(2)));
    let registration = lab.call(
        "POST",
        &format!("{RUNNERS}/generate-jitconfig"),
        &json!({
            "name": "oven-1", "runner_group_id": 1, "labels": ["x"],
        }),
    );
    let registration = registration.expect(201);
    assert_eq!(registration.header("x-ratelimit-resource"), Some("actions_runner_registration"));
    lab.github.change_options(|options| options.limit_window = Duration::ZERO);
    lab.get(RUNNERS).expect(200);
}

#[test]
fn too_much_at_once_is_a_403_that_is_no_matter_of_permission() {
    let lab = Lab::with(Options { secondary_points: 5, retry_after: Duration::from_mins(2), ..Options::default() });
    let token = || lab.rest("POST", &format!("{RUNNERS}/registration-token")).bearer(&lab.token).send();
    token().expect(201);
    let refused = token().expect(403);
    assert_eq!(refused.header("retry-after"), Some("120"));
    assert!(refused.message().contains("secondary rate limit"), "{}", refused.message());
    assert_eq!(refused.header("x-accepted-github-permissions"), None);
    assert_eq!(lab.github.impatient_calls(), 0);
    lab.get(RUNNERS).expect(200);
    assert_eq!(lab.github.impatient_calls(), 1, "the two minutes are not over");
}

#[test]
fn what_has_not_changed_costs_nothing() {
    let lab = Lab::new();
    let first = lab.get(RUNNERS).expect(200);
    let tag = first.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let ask = |token: &str| lab.rest("GET", RUNNERS).bearer(token).header("if-none-match", &tag).send();
    let same = ask(&lab.token).expect(304);
    assert!(same.bytes.is_empty());
    assert_eq!(same.header("x-ratelimit-remaining"), first.header("x-ratelimit-remaining"));
    let other = lab.github.personal_token(&["admin:org"]);
    ask(&other).expect(200);
    lab.register("oven-1", &["x"]);
    ask(&lab.token).expect(200);
}
