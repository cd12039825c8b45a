//! What the doctor finds at a place in order, and at places that are not.

use fake_github::{ALL_SCOPES, Deprecation, Group, Level, Members, Options, Scope};
use hearth_forge::GithubSettings;
use hearth_forge::doctor::{Check, Verdict, examine};

use crate::place::{Place, open, options};

/// The findings that are not good.
async fn troubles(settings: &GithubSettings) -> Vec<(Check, Verdict)> {
    let findings = examine(&open(settings), settings, Some("2.336.0")).await;
    for finding in &findings {
        assert!(!finding.what.is_empty() && !finding.what.contains('\n'));
        let explained = !finding.why.is_empty() && !finding.fix.is_empty();
        assert!(explained || matches!(finding.verdict, Verdict::Good | Verdict::Unknown), "{finding:?}");
    }
    let bad = findings.into_iter().filter(|finding| finding.verdict != Verdict::Good);
    bad.map(|finding| (finding.check, finding.verdict)).collect()
}

fn known_version() -> Options {
    let deprecation = Deprecation { version: "2.336.0".to_owned(), registration: None, runtime: None };
    Options { deprecations: vec![deprecation], ..options() }
}

#[tokio::test]
async fn a_place_in_order_has_no_troubles() {
    let place = Place::new(known_version());
    assert_eq!(troubles(&place.settings("")).await, []);
    place.is_content();
}

#[tokio::test]
async fn each_trouble_is_found() {
    let place = Place::new(known_version());
    place.github.set_clock_skew(jiff::SignedDuration::from_mins(10));
    assert_eq!(troubles(&place.settings("")).await, [(Check::Clock, Verdict::Warning)]);
    place.github.set_clock_skew(jiff::SignedDuration::ZERO);

    assert_eq!(troubles(&place.settings("group = 'nobody'")).await, [(Check::Group, Verdict::Bad)]);

    let public = Scope::Repository("acme/site".to_owned());
    let found = troubles(&place.settings_of(&public, "")).await;
    assert_eq!(found, [(Check::Permissions, Verdict::Warning), (Check::PublicRepository, Verdict::Warning)]);

    let token = place.github.personal_token(&ALL_SCOPES);
    let found = troubles(&place.settings_with_token(&Scope::Organization("acme".to_owned()), &token, "")).await;
    assert_eq!(found, [(Check::Credentials, Verdict::Warning)]);

    place.github.change_accounts(|accounts| {
        let members = Members::Selected(vec!["acme/gadgets".to_owned()]);
        let group = Group { id: 42, name: "hearth".to_owned(), members, ..Group::default_group() };
        accounts.organizations[0].groups.push(group);
    });
    let settings = place.settings("group = 'hearth'\ndemand = 'polling'\nrepositories = ['acme/widgets']");
    assert_eq!(troubles(&settings).await, [(Check::Group, Verdict::Bad)]);

    place.github.change_accounts(|accounts| {
        let permissions = &mut accounts.apps[0].installations[0].permissions;
        permissions.insert("organization_self_hosted_runners".to_owned(), Level::Read);
    });
    let found = troubles(&place.settings("")).await;
    assert_eq!(found, [(Check::Permissions, Verdict::Bad), (Check::Runners, Verdict::Bad)]);
    place.is_content();
}
