//! Being let in, and what is said when one is not.

use std::time::Duration;

use fake_github::{ALL_SCOPES, AppKey, FaultKind, Injection, Level, Options, Scope};
use hearth_forge::{CallError, Github, Remedy};

use crate::place::{Place, open, options};

fn organization() -> Scope {
    Scope::Organization("acme".to_owned())
}

/// The error of a call that needs credentials, with its causes.
async fn refusal(github: &Github) -> String {
    let error = github.runners("").await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Person, "{error}");
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn an_app_is_let_in_by_either_form_of_its_key() {
    let place = Place::new(options());
    for pem in [place.github.app_key().pkcs1_pem(), place.github.app_key().pkcs8_pem()] {
        std::fs::write(place.key_file(), pem).unwrap();
        assert!(open(&place.settings("")).runners("").await.unwrap().is_empty());
    }
    place.is_content();
}

#[tokio::test]
async fn the_installation_is_found_by_the_url_of_a_repository_too() {
    let place = Place::new(options());
    let settings = place.settings_of(&Scope::Repository("acme/widgets".to_owned()), "");
    assert!(open(&settings).runners("").await.unwrap().is_empty());
    assert_eq!(place.calls("/repos/{owner}/{repo}/installation"), 1);
    place.is_content();
}

#[tokio::test]
async fn one_token_serves_many_calls_at_once() {
    let place = Place::new(options());
    let github = open(&place.settings(""));
    let calls = std::iter::repeat_with(|| github.runners("")).take(8);
    for result in futures_of(calls).await {
        result.unwrap();
    }
    assert_eq!(place.calls("access_tokens"), 1);
}

async fn futures_of<F: Future + Send>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut results = Vec::new();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(result) => {
                results.push(result);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    results
}

#[tokio::test]
async fn a_token_that_is_revoked_in_mid_life_is_replaced_once() {
    let place = Place::new(options());
    let github = open(&place.settings(""));
    github.runners("").await.unwrap();
    assert_eq!(place.github.revoke_installation_tokens(), 1);
    github.runners("").await.unwrap();
    assert_eq!(place.calls("access_tokens"), 2);
    place.is_content();
}

#[tokio::test]
async fn a_short_lived_token_is_renewed_before_it_ends() {
    let life = Duration::from_millis(1500);
    let unlimited = Options { primary_limit: None, secondary_points: u64::MAX, ..options() };
    let place = Place::new(Options { installation_token_life: life, ..unlimited });
    let github = open(&place.settings(""));
    let began = std::time::Instant::now();
    while began.elapsed() < life * 2 {
        github.runners("").await.unwrap();
    }
    assert!(place.calls("access_tokens") >= 3, "{}", place.calls("access_tokens"));
    // Renewed in time, so no call was refused: each of them reached its operation once.
    place.is_content();
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_off_keeps_nobody_out() {
    for minutes in [10, -10] {
        let place = Place::new(options());
        place.github.set_clock_skew(jiff::SignedDuration::from_mins(minutes));
        let github = open(&place.settings(""));
        github.runners("").await.unwrap();
        let skew = github.clock_skew_ms().unwrap();
        assert!((skew - minutes * 60_000).abs() < 5_000, "{skew}");
        place.is_content();
    }
}

#[tokio::test]
async fn the_key_of_another_app_is_told_apart() {
    let place = Place::new(options());
    std::fs::write(place.key_file(), AppKey::generate().pkcs1_pem()).unwrap();
    let message = refusal(&open(&place.settings(""))).await;
    assert!(message.contains("GitHub does not know the private key as one of app Iv23liHearthFake"), "{message}");
    place.is_content();
}

#[tokio::test]
async fn an_app_that_is_not_installed_there_is_told_where_to_go() {
    let place = Place::new(options());
    let settings = place.settings_of(&Scope::Organization("elsewhere".to_owned()), "");
    let message = refusal(&open(&settings)).await;
    assert!(message.contains("is not installed at organization elsewhere"), "{message}");
    place.is_content();
}

#[tokio::test]
async fn a_suspended_installation_is_told_apart() {
    let place = Place::new(options());
    place.github.change_accounts(|accounts| accounts.apps[0].installations[0].suspended = true);
    let message = refusal(&open(&place.settings(""))).await;
    assert!(message.contains("is suspended; resume it"), "{message}");
    place.is_content();
}

#[tokio::test]
async fn a_permission_that_was_not_granted_is_named() {
    let place = Place::new(options());
    place.github.change_accounts(|accounts| {
        let permissions = &mut accounts.apps[0].installations[0].permissions;
        permissions.insert("organization_self_hosted_runners".to_owned(), Level::Read);
    });
    let message = refusal(&open(&place.settings(""))).await;
    assert!(message.contains("lacks a permission: organization_self_hosted_runners: write"), "{message}");
}

#[tokio::test]
async fn a_person_s_token_serves_every_scope() {
    let place = Place::new(options());
    let token = place.github.personal_token(&ALL_SCOPES);
    for scope in
        [organization(), Scope::Repository("acme/widgets".to_owned()), Scope::Enterprise("megacorp".to_owned())]
    {
        let settings = place.settings_with_token(&scope, &token, "");
        assert!(open(&settings).runners("").await.unwrap().is_empty(), "{scope}");
    }
    place.is_content();
}

#[tokio::test]
async fn a_token_that_may_not_is_refused_with_what_it_needs() {
    let place = Place::new(options());
    let token = place.github.personal_token(&["repo"]);
    let github = open(&place.settings_with_token(&organization(), &token, ""));
    let message = refusal(&github).await;
    assert!(message.contains("list the runners of organization acme"), "{message}");
    place.is_content();
}

#[tokio::test]
async fn a_token_is_exchanged_without_a_restart() {
    let place = Place::new(options());
    let old = place.github.personal_token(&ALL_SCOPES);
    let github = open(&place.settings_with_token(&organization(), &old, ""));
    github.runners("").await.unwrap();
    place.github.revoke(&old);
    assert!(matches!(github.runners("").await, Err(CallError::Unauthorized { .. })));
    std::fs::write(place.token_file(), place.github.personal_token(&ALL_SCOPES)).unwrap();
    github.runners("").await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn unchanged_listings_cost_nothing() {
    let place = Place::new(Options { primary_limit: Some(3), ..options() });
    let token = place.github.personal_token(&ALL_SCOPES);
    let github = open(&place.settings_with_token(&organization(), &token, ""));
    for _ in 0..20 {
        github.runners("").await.unwrap();
    }
    assert_eq!(github.limits().buckets["core"].used, 1);
    place.is_content();
}

#[tokio::test]
async fn while_a_limit_is_used_up_nothing_is_sent() {
    let place = Place::new(options());
    let github = open(&place.settings(""));
    github.runners("").await.unwrap();
    let before = place.calls("GET /orgs/{org}/actions/runners");
    place.github.inject(Injection::of(FaultKind::SecondaryLimit).on("GET /orgs/{org}/actions/runners"));
    for _ in 0..5 {
        let error = github.runners("").await.unwrap_err();
        assert!(matches!(error, CallError::Limited { .. }), "{error}");
        assert!(matches!(error.remedy(), Remedy::WaitUntil(_)));
    }
    assert_eq!(place.calls("GET /orgs/{org}/actions/runners"), before + 1);
    let limits = github.limits();
    assert!(limits.held_until.is_some() && limits.secondary_hits == 1);
    assert_eq!(place.github.impatient_calls(), 0);
    place.is_content();
}

#[tokio::test]
async fn what_may_be_asked_again_is_asked_again() {
    let place = Place::new(options());
    let github = open(&place.settings(""));
    for kind in [FaultKind::ServerError, FaultKind::LostAnswer, FaultKind::Unauthorized] {
        place.github.inject(Injection::of(kind).on("GET /orgs/{org}/actions/runners"));
        github.runners("").await.unwrap();
        assert_eq!(place.github.faults().get(&kind), Some(&1), "{kind:?}");
    }
    place.is_content();
}
