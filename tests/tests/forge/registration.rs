//! Registering runners in both ways, and finding out what became of a registration whose answer was lost.

use fake_github::{FaultKind, Group, Injection, Job, Scope};
use hearth_forge::{AnyRegistrar, CallError, Demand, RegisterError, Registrar, Remedy, Removal, RunnerId, RunnerName};

use crate::place::{PREFIX, Place, name, open, options};
use crate::runner::Runner;

const POLLING: &str = "demand = 'polling'\nrepositories = ['acme/widgets']";

/// Both ways, each with the operation that registers.
fn ways(place: &Place) -> [(AnyRegistrar, &'static str); 2] {
    let registrar = |lines| crate::place::demand(&place.settings(lines), None).registrar();
    [(registrar(POLLING), "generate-jitconfig"), (registrar(""), "generatejitconfig")]
}

fn is_registered(place: &Place, name: &RunnerName) -> bool {
    place.github.runners().iter().any(|runner| runner.name == name.as_str())
}

#[tokio::test]
async fn a_runner_is_registered_found_listed_and_removed() {
    let place = Place::new(options());
    for (number, (registrar, _)) in (0..).zip(ways(&place)) {
        let name = name(number);
        let ticket = registrar.register(&name).await.unwrap();
        assert_eq!(format!("{ticket:?}").matches("****").count(), 1, "{ticket:?}");
        let found = registrar.find(&name).await.unwrap().unwrap();
        assert_eq!((found.runner, found.name.as_str()), (ticket.runner, name.as_str()));
        let listed = registrar.list(PREFIX).await.unwrap();
        assert_eq!(listed.iter().map(|runner| runner.runner).collect::<Vec<_>>(), [ticket.runner]);
        assert!(registrar.list("somebody-").await.unwrap().is_empty());
        assert_eq!(registrar.remove(ticket.runner).await.unwrap(), Removal::Gone);
        assert_eq!(registrar.find(&name).await.unwrap(), None);
        assert_eq!(registrar.remove(ticket.runner).await.unwrap(), Removal::Gone, "gone is gone");
    }
    place.is_content();
}

#[tokio::test]
async fn a_rest_runner_has_the_labels_of_the_machine_and_the_set_has_them_for_its_own() {
    let place = Place::new(options());
    for (number, (registrar, _)) in (0..).zip(ways(&place)) {
        registrar.register(&name(number)).await.unwrap();
    }
    let labels: Vec<_> = place.github.runners().into_iter().map(|runner| runner.labels).collect();
    assert_eq!(labels, [["hearth", "linux", "self-hosted"], ["hearth", "linux", "self-hosted"]]);
    place.is_content();
}

#[tokio::test]
async fn a_lost_answer_leaves_nothing_behind() {
    for kind in [FaultKind::LostAnswer, FaultKind::Undecodable, FaultKind::Conflict] {
        let place = Place::new(options());
        for (number, (registrar, operation)) in (0..).zip(ways(&place)) {
            place.github.inject(Injection::of(kind).on(operation));
            let error = registrar.register(&name(number)).await.unwrap_err();
            assert!(matches!(error, RegisterError::Lost { .. }), "{kind:?}: {error:?}");
            assert_eq!(error.remedy(), Remedy::Wait);
            assert!(!is_registered(&place, &name(number)), "{kind:?}");
            assert_eq!(place.calls(operation), 1, "{kind:?} is never repeated blindly");
            registrar.register(&name(number + 10)).await.unwrap();
        }
        place.is_content();
    }
}

#[tokio::test]
async fn an_outage_is_not_taken_for_a_refusal() {
    let place = Place::new(options());
    for (number, (registrar, operation)) in (0..).zip(ways(&place)) {
        place.github.inject(Injection::of(FaultKind::ServerError).on(operation));
        let error = registrar.register(&name(number)).await.unwrap_err();
        assert!(matches!(error, RegisterError::Lost { .. }), "{error:?}");
    }
    place.is_content();
}

#[tokio::test]
async fn a_name_that_is_taken_is_freed_and_not_used_again() {
    let place = Place::new(options());
    for (number, (registrar, _)) in (0..).zip(ways(&place)) {
        registrar.register(&name(number)).await.unwrap();
        let error = registrar.register(&name(number)).await.unwrap_err();
        assert!(matches!(error, RegisterError::Lost { .. }), "{error:?}");
        assert!(!is_registered(&place, &name(number)));
    }
    place.is_content();
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason_and_registers_nothing() {
    let place = Place::new(options());
    let registrar =
        crate::place::demand(&place.settings(&format!("{POLLING}\ngroup = 'GitHub Actions'")), None).registrar();
    let error = registrar.register(&name(1)).await.unwrap_err();
    assert!(matches!(&error, RegisterError::Refused { cause: CallError::Forbidden { .. }, .. }), "{error:?}");
    let registrar = crate::place::demand(&place.settings(&format!("{POLLING}\ngroup = 'nobody'")), None).registrar();
    let error = registrar.register(&name(1)).await.unwrap_err();
    assert!(matches!(&error, RegisterError::Refused { cause: CallError::NotFound { .. }, .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::Person);
    assert!(place.github.runners().is_empty());
    place.is_content();
}

#[tokio::test]
async fn the_group_is_found_by_its_name_in_both_ways() {
    let place = Place::new(options());
    place.github.change_accounts(|accounts| {
        let group = Group { id: 42, name: "Hearth".to_owned(), ..Group::default_group() };
        accounts.organizations[0].groups.push(group);
    });
    for (number, lines) in (0..).zip([POLLING, ""]) {
        let settings = place.settings(&format!("{lines}\ngroup = 'hearth'"));
        let registrar = crate::place::demand(&settings, None).registrar();
        registrar.register(&name(number)).await.unwrap();
    }
    assert_eq!(place.github.runners().iter().map(|runner| runner.group).collect::<Vec<_>>(), [42, 42]);
    place.is_content();
}

#[tokio::test]
async fn a_runner_with_a_job_is_not_removed() {
    let place = Place::new(options());
    for (number, (registrar, operation)) in (0..).zip(ways(&place)) {
        let mut demand =
            crate::place::demand(&place.settings(if operation.contains('-') { POLLING } else { "" }), None);
        let ticket = registrar.register(&name(number)).await.unwrap();
        let runner = Runner::start(&ticket).await.unwrap();
        place.github.offer(Job::new("acme/widgets"));
        // The set is given the job while somebody polls with room for it.
        let (job, ()) = tokio::join!(runner.take(), async {
            for _ in 0..3 {
                let demanded = demand.wait(1).await.unwrap();
                if let Some(message) = demanded.message {
                    demand.acknowledge(message).await.unwrap();
                }
                if demanded.message.is_none() && operation.contains('-') {
                    break;
                }
            }
        });
        let job = job.unwrap();
        assert_eq!(registrar.remove(ticket.runner).await.unwrap(), Removal::Busy, "{operation}");
        runner.complete(&job).await;
        assert_eq!(registrar.remove(ticket.runner).await.unwrap(), Removal::Gone, "{operation}");
        demand.close().await.unwrap();
    }
    place.is_content();
}

#[tokio::test]
async fn labels_of_a_runner_are_read_and_changed() {
    let place = Place::new(options());
    let settings = place.settings(POLLING);
    let github = open(&settings);
    let ticket = crate::place::demand(&settings, None).registrar().register(&name(1)).await.unwrap();
    let labels = |names: &[&str]| hearth_forge::Labels::new(names).unwrap();
    let id = ticket.runner;
    assert_eq!(github.labels(id).await.unwrap(), ["hearth", "linux", "self-hosted"]);
    assert!(github.add_labels(id, &labels(&["gpu"])).await.unwrap().contains(&"gpu".to_owned()));
    assert!(!github.remove_label(id, "gpu").await.unwrap().contains(&"gpu".to_owned()));
    assert!(matches!(github.remove_label(id, "gpu").await, Err(CallError::NotFound { .. })));
    assert_eq!(github.set_labels(id, &labels(&["fast"])).await.unwrap().last().unwrap(), "fast");
    assert_eq!(github.runner(id).await.unwrap().unwrap().name, name(1).as_str());
    assert_eq!(github.runner(RunnerId(999_999)).await.unwrap(), None);
    place.is_content();
}

#[tokio::test]
async fn every_page_of_a_listing_is_read() {
    let place = Place::new(options());
    let settings = place.settings_of(&Scope::Organization("acme".to_owned()), POLLING);
    let registrar = crate::place::demand(&settings, None).registrar();
    for number in 0..120 {
        registrar.register(&name(number)).await.unwrap();
    }
    assert_eq!(registrar.list(PREFIX).await.unwrap().len(), 120);
    place.is_content();
}
