//! Who may do what: tokens of Apps and of people, narrowed, expired, suspended, of somebody else.

use std::time::Duration;

use fake_github::{AppKey, Level, Options, Scope};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::client::{Lab, jwt, seconds};
use super::runner::connect;

const RUNNERS: &str = "/orgs/acme/actions/runners";

#[test]
fn without_a_good_token_nobody_sees_anything() {
    let lab = Lab::new();
    assert_eq!(lab.rest("GET", RUNNERS).send().expect(401).message(), "Requires authentication");
    assert_eq!(lab.rest("GET", RUNNERS).bearer("ghp_wrong").send().expect(401).message(), "Bad credentials");
    lab.get(RUNNERS).expect(200);
    lab.github.revoke(&lab.token);
    lab.get(RUNNERS).expect(401);
}

#[test]
fn a_personal_token_needs_the_scope_of_the_owner() {
    let lab = Lab::new();
    let check = |scopes: &[&str], path: &str, status: u16| {
        let token = lab.github.personal_token(scopes);
        let reply = lab.rest("GET", &format!("{path}/actions/runners")).bearer(&token).send().expect(status);
        assert_eq!(reply.header("x-accepted-oauth-scopes").is_some(), status == 403, "{path}");
    };
    check(&["admin:org"], "/orgs/acme", 200);
    check(&["repo"], "/orgs/acme", 403);
    check(&["repo"], "/repos/acme/widgets", 200);
    check(&["admin:org"], "/repos/acme/widgets", 403);
    check(&["manage_runners:enterprise"], "/enterprises/megacorp", 200);
    check(&["repo", "admin:org"], "/enterprises/megacorp", 403);
    check(&["admin:org"], "/orgs/nobody", 404);
}

#[test]
fn an_app_may_do_what_its_installation_may() {
    let lab = Lab::new();
    let token = lab.installation_token(&json!({})).expect(201).json();
    let token = token["token"].as_str().expect("a token").to_owned();
    let get = |path: &str| lab.rest("GET", path).bearer(&token).send();
    get(RUNNERS).expect(200);
    get("/repos/acme/widgets/actions/runners").expect(200);
    get("/orgs/elsewhere/actions/runners").expect(404);
    get("/repos/elsewhere/things").expect(404);
    get("/enterprises/megacorp/actions/runners").expect(404);
    get("/app").expect(401);
    lab.github.change_accounts(|accounts| {
        let permissions = &mut accounts.apps[0].installations[0].permissions;
        permissions.insert("organization_self_hosted_runners".to_owned(), Level::Read);
    });
    get(RUNNERS).expect(200);
    let refused = lab.rest("POST", &format!("{RUNNERS}/registration-token")).bearer(&token).send().expect(403);
    assert_eq!(
        refused.header("x-accepted-github-permissions"),
        Some("organization_self_hosted_runners=write"),
        "{refused:?}"
    );
    lab.github.change_accounts(|accounts| accounts.apps[0].installations[0].suspended = true);
    assert_eq!(get(RUNNERS).expect(403).message(), "This installation has been suspended");
    lab.installation_token(&json!({})).expect(403);
}

#[test]
fn no_app_reaches_the_runners_of_an_enterprise() {
    let mut options = Options::default();
    options.accounts.apps[0].installations[0].account = Scope::Enterprise("megacorp".to_owned());
    let lab = Lab::with(options);
    let token = lab.installation_token(&json!({})).expect(201).json();
    let token = token["token"].as_str().expect("a token").to_owned();
    lab.rest("GET", "/enterprises/megacorp/actions/runners").bearer(&token).send().expect(403);
}

#[test]
fn a_narrowed_token_is_narrow() {
    let lab = Lab::new();
    let narrow = json!({ "repositories": ["widgets"], "permissions": { "administration": "read" } });
    let answer = lab.installation_token(&narrow).expect(201).json();
    assert_eq!(answer["permissions"], json!({ "administration": "read", "metadata": "read" }));
    assert_eq!(answer["repositories"][0]["full_name"], "acme/widgets");
    let token = answer["token"].as_str().expect("a token").to_owned();
    assert!(token.len() > 500, "real ones have become long");
    let get = |path: &str| lab.rest("GET", path).bearer(&token).send();
    get("/repos/acme/widgets/actions/runners").expect(200);
    get("/repos/acme/gadgets/actions/runners").expect(404);
    get("/repos/acme/widgets/actions/runs").expect(403);
    get(RUNNERS).expect(403);
    let write = lab.rest("POST", "/repos/acme/widgets/actions/runners/registration-token").bearer(&token);
    write.send().expect(403);
    lab.installation_token(&json!({ "permissions": { "contents": "write" } })).expect(422);
    lab.installation_token(&json!({ "repositories": ["things"] })).expect(422);
    hearth_tests::github::nothing_is_violated(&lab.github);
    lab.installation_token(&json!({ "permissions": { "administration": "admin" } })).expect(422);
}

#[test]
fn a_token_ends_with_its_life_or_before() {
    let lab = Lab::with(Options { installation_token_life: Duration::ZERO, ..Options::default() });
    let mint = || lab.installation_token(&json!({})).expect(201).json()["token"].as_str().expect("one").to_owned();
    let use_it = |token: &str| lab.rest("GET", RUNNERS).bearer(token).send();
    use_it(&mint()).expect(401);
    lab.github.change_options(|options| options.installation_token_life = Duration::from_hours(1));
    let token = mint();
    use_it(&token).expect(200);
    assert_eq!(lab.github.revoke_installation_tokens(), 2);
    use_it(&token).expect(401);
}

#[test]
fn only_the_app_itself_is_the_app() {
    let lab = Lab::new();
    let now = seconds();
    let as_app = |token: &str| lab.rest("GET", "/app").bearer(token).send();
    let good = json!({ "iss": "Iv23liHearthFake", "iat": now - 60, "exp": now + 540 });
    let own = |claims: &Value| jwt(&lab.github.app_key(), claims);
    as_app(&own(&good)).expect(200);
    as_app(&jwt(&AppKey::generate(), &good)).expect(401);
    as_app(&own(&json!({ "iss": "1", "iat": now - 60, "exp": now + 540 }))).expect(404);
    let long = as_app(&own(&json!({ "iss": "901", "iat": now - 60, "exp": now + 660 }))).expect(401);
    assert!(long.message().contains("too far in the future"), "{}", long.message());
    as_app(&lab.token).expect(401);
}

#[test]
fn a_clock_that_is_off_refuses_signed_tokens_and_shows_it() {
    let lab = Lab::new();
    for minutes in [-10, 10] {
        lab.github.set_clock_skew(SignedDuration::from_mins(minutes));
        let refused = lab.installation_token(&json!({})).expect(401);
        let claim = if minutes < 0 { "('iat')" } else { "('exp')" };
        assert!(refused.message().contains(claim), "{}", refused.message());
        let date = jiff::fmt::rfc2822::parse(refused.header("date").expect("a date")).expect("a date");
        let off = date.timestamp().as_second() - seconds();
        assert!((off - minutes * 60).abs() < 60, "{off}");
    }
}

#[test]
fn a_registration_token_opens_the_service_for_its_own_scope_only() {
    let lab = Lab::new();
    let base = lab.github.url();
    connect(&lab, "/orgs/acme", &format!("{base}/acme")).expect(200);
    connect(&lab, "/repos/acme/widgets", &format!("{base}/acme/widgets")).expect(200);
    connect(&lab, "/enterprises/megacorp", &format!("{base}/enterprises/megacorp")).expect(200);
    connect(&lab, "/repos/acme/widgets", &format!("{base}/acme")).expect(404);
    connect(&lab, "/orgs/acme", "https://github.com/acme").expect(404);
    let body = json!({ "url": format!("{base}/acme"), "runner_event": "register" });
    lab.call("POST", "/actions/runner-registration", &body).expect(401);
}
