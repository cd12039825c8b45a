//! A repository that gets another name while we serve it by the old one.

use fake_github::{Job, QueueNames, Repository, Scope, Visibility};
use hearth_forge::doctor::{Check, examine};
use hearth_forge::{Demand, GithubSettings, Registrar};

use crate::place::{Place, demand, name, open, options};

const POLLING: &str = "demand = 'polling'";

fn of_widgets(place: &Place, lines: &str) -> GithubSettings {
    place.settings_of(&Scope::Repository("acme/widgets".to_owned()), lines)
}

fn rename(place: &Place) {
    place.github.rename_repository("acme/widgets", "acme/sprockets", QueueNames::Present);
}

#[tokio::test]
async fn runners_are_registered_by_the_old_name_in_both_ways() {
    for lines in [POLLING, ""] {
        let place = Place::new(options());
        let registrar = demand(&of_widgets(&place, lines), None).registrar();
        registrar.register(&name(1)).await.unwrap();
        rename(&place);
        // The token's hour ends, and no new one is given for the old name.
        place.github.revoke_installation_tokens();
        let ticket = registrar.register(&name(2)).await.unwrap();
        let scopes: Vec<_> = place.github.runners().into_iter().map(|runner| runner.scope).collect();
        assert_eq!(scopes, [Scope::Repository("acme/sprockets".to_owned()), scopes[0].clone()]);
        registrar.remove(ticket.runner).await.unwrap();
        // And an agent that was started after all that.
        demand(&of_widgets(&place, lines), None).registrar().register(&name(3)).await.unwrap();
        place.is_content();
    }
}

#[tokio::test]
async fn a_polled_queue_tells_the_name_that_its_repository_has_now() {
    let place = Place::new(options());
    rename(&place);
    place.github.offer(Job::new("acme/sprockets"));
    let told = demand(&of_widgets(&place, POLLING), None).wait(1).await.unwrap();
    let names: Vec<_> = told.jobs.iter().map(|news| news.job().repository.as_str()).collect();
    assert_eq!(names, ["acme/sprockets"]);
    place.is_content();
}

#[tokio::test]
async fn two_names_are_one_repository_when_they_lead_to_one_number() {
    let place = Place::new(options());
    let github = open(&place.settings(""));
    let number = async |a, b| github.one_repository([a, b]).await.unwrap();
    assert_eq!(number("acme/widgets", "acme/sprockets").await, None);
    rename(&place);
    assert_eq!(number("acme/widgets", "acme/sprockets").await, Some(3001));
    assert_eq!(number("acme/widgets", "acme/gadgets").await, None);
    assert_eq!(number("acme/widgets", "../secret").await, None);
    // Somebody takes the old name.
    place.github.change_accounts(|accounts| {
        let full_name = "acme/widgets".to_owned();
        accounts.repositories.push(Repository { id: 3101, full_name, visibility: Visibility::Private });
    });
    assert_eq!(number("acme/widgets", "acme/sprockets").await, None);
    place.is_content();
}

#[tokio::test]
async fn the_doctor_says_what_to_write() {
    let place = Place::new(options());
    let settings = of_widgets(&place, "");
    rename(&place);
    let findings = examine(&open(&settings), &settings, None).await;
    let found = findings.into_iter().find(|finding| finding.check == Check::Name).unwrap();
    assert_eq!(found.what, "repository acme/widgets is called acme/sprockets now");
    assert_eq!(found.fix, "write acme/sprockets into `url`");
    place.is_content();
}
