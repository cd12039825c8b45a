//! Demand from polled queues.

use fake_github::{Job, Scope};
use hearth_forge::{AnyDemand, Demand, Registrar};

use crate::place::{Place, name, options, words};
use crate::runner::Runner;

const POLLING: &str = "demand = 'polling'\nrepositories = ['acme/widgets', 'acme/gadgets']";

fn demand(place: &Place) -> AnyDemand {
    crate::place::demand(&place.settings(POLLING), None)
}

#[tokio::test]
async fn waiting_jobs_are_counted_not_runs() {
    let place = Place::new(options());
    place.github.offer_run((0..8).map(|number| Job::new("acme/widgets").named(&format!("matrix {number}"))));
    place.github.offer(Job::new("acme/gadgets"));
    place.github.offer(Job::new("acme/gadgets").labels(["self-hosted", "windows"]));
    let demanded = demand(&place).wait(1).await.unwrap();
    assert_eq!((demanded.wanted, demanded.jobs.len(), demanded.message), (9, 9, None));
    place.is_content();
}

#[tokio::test]
async fn a_repository_s_own_url_needs_no_list() {
    let place = Place::new(options());
    place.github.offer(Job::new("acme/widgets"));
    let scope = Scope::Repository("acme/widgets".to_owned());
    let mut demand = crate::place::demand(&place.settings_of(&scope, "demand = 'polling'"), None);
    assert_eq!(demand.wait(1).await.unwrap().wanted, 1);
    place.is_content();
}

/// Rounds are ten seconds apart and more; a demand that is new looks at once, and knows what the machine runs.
#[tokio::test]
async fn a_job_that_runs_here_is_wanted_until_it_ends() {
    let place = Place::new(options());
    let registrar = demand(&place).registrar();
    let ticket = registrar.register(&name(1)).await.unwrap();
    let runner = Runner::start(&ticket).await.unwrap();
    place.github.offer(Job::new("acme/widgets").named("one"));
    let job = runner.take().await.unwrap();
    let mut watching = demand(&place);
    let running = watching.wait(1).await.unwrap();
    assert_eq!((words(&running), running.wanted), (vec!["started one".to_owned()], 1));
    runner.complete(&job).await;
    let ended = watching.wait(1).await.unwrap();
    assert_eq!((words(&ended), ended.wanted), (vec!["completed one".to_owned()], 0));
    place.is_content();
}

#[tokio::test]
async fn a_repository_that_may_not_be_seen_is_named() {
    let place = Place::new(options());
    let settings = place.settings("demand = 'polling'\nrepositories = ['acme/nothing']");
    let error = crate::place::demand(&settings, None).wait(1).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot hear what repository acme/nothing demands");
    place.is_content();
}
