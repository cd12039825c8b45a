//! Demand from a scale set's queue.

use std::time::Duration;

use fake_github::{FaultKind, Flow, Injection, Job, Options, ScaleSetRecord};
use hearth_forge::{AnyDemand, CallError, Demand, DemandError, JobNews, Registrar, RequestId};

use crate::place::{OWNER, Place, options, told, word, words};
use crate::runner::Runner;

/// A demand whose session is open.
async fn open(place: &Place) -> AnyDemand {
    let mut demand = crate::place::demand(&place.settings(""), None);
    let first = demand.wait(1).await.unwrap();
    assert_eq!((first.message, first.jobs.len()), (None, 0));
    demand
}

#[tokio::test]
async fn the_set_is_made_once_with_our_labels_and_without_updates() {
    let place = Place::new(options());
    open(&place).await.close().await.unwrap();
    open(&place).await.close().await.unwrap();
    let sets: Vec<_> = place.github.read(|state| state.scale_sets().cloned().collect::<Vec<_>>());
    assert_eq!(sets.len(), 1);
    assert_eq!((sets[0].name.as_str(), sets[0].disable_update), (OWNER, true));
    assert_eq!(sets[0].labels, ["hearth", "linux", "self-hosted"]);
    assert!(!sets[0].has_session());
    place.is_content();
}

#[tokio::test]
async fn a_message_comes_again_until_it_is_acknowledged() {
    let place = Place::new(Options { redeliver_after: Duration::ZERO, ..options() });
    let mut demand = open(&place).await;
    place.github.offer(Job::new("acme/widgets").named("one"));
    let first = demand.wait(1).await.unwrap();
    assert_eq!((words(&first), first.wanted), (vec!["assigned one".to_owned()], 1));
    let again = demand.wait(1).await.unwrap();
    assert_eq!(again, first, "it was not in our journal");
    demand.acknowledge(first.message.unwrap()).await.unwrap();
    let silence = demand.wait(1).await.unwrap();
    assert_eq!((silence.message, silence.jobs.len(), silence.wanted), (None, 0, 1));
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_lost_acknowledgement_is_made_up_for_without_telling_twice() {
    let place = Place::new(Options { redeliver_after: Duration::ZERO, ..options() });
    let mut demand = open(&place).await;
    place.github.offer(Job::new("acme/widgets"));
    let first = demand.wait(1).await.unwrap();
    place.github.inject(Injection::of(FaultKind::ServerError).on("messages/{message_id}").times(4));
    assert!(demand.acknowledge(first.message.unwrap()).await.is_err());
    let next = demand.wait(1).await.unwrap();
    assert_eq!(next.jobs, []);
    assert!(demand.health().counts().repeated >= 1);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_message_that_was_acknowledged_and_comes_again_is_not_told() {
    let place = Place::new(options());
    let mut demand = open(&place).await;
    place.github.offer(Job::new("acme/widgets"));
    assert_eq!(told(&mut demand, 1).await.jobs.len(), 1);
    place.github.inject(Injection::of(FaultKind::Redelivery));
    assert_eq!(demand.wait(1).await.unwrap().jobs, []);
    assert_eq!(place.github.faults()[&FaultKind::Redelivery], 1);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn the_service_gives_no_more_than_the_capacity_that_we_tell() {
    let place = Place::new(options());
    let mut demand = open(&place).await;
    for number in 0..3 {
        place.github.offer(Job::new("acme/widgets").named(&format!("job {number}")));
    }
    let mut assigned = 0;
    for _ in 0..4 {
        let demanded = demand.wait(2).await.unwrap();
        if let Some(message) = demanded.message {
            demand.acknowledge(message).await.unwrap();
        }
        assigned += demanded.jobs.len();
        assert!(demanded.wanted <= 2);
    }
    assert_eq!(assigned, 2);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn jobs_that_are_only_available_are_acquired() {
    let place = Place::new(Options { flow: Flow::Acquire, ..options() });
    let mut demand = open(&place).await;
    place.github.offer(Job::new("acme/widgets").named("one"));
    let available = told(&mut demand, 1).await;
    assert_eq!(words(&available), ["available one"]);
    let requests: Vec<RequestId> = available.jobs.iter().map(|news| news.job().request).collect();
    assert_eq!(demand.acquire(&requests).await.unwrap(), requests);
    let assigned = told(&mut demand, 1).await;
    assert_eq!((words(&assigned), assigned.wanted), (vec!["assigned one".to_owned()], 1));
    assert_eq!(demand.acquire(&[]).await.unwrap(), []);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_canceled_job_ends_with_github_s_times() {
    let place = Place::new(options());
    let mut demand = open(&place).await;
    let id = place.github.offer(Job::new("acme/widgets").named("one"));
    told(&mut demand, 1).await;
    place.github.cancel(id);
    let end = told(&mut demand, 1).await;
    let [JobNews::Completed { job, runner: None, conclusion: Some(conclusion), .. }] = &end.jobs[..] else {
        unreachable!("{end:?}")
    };
    assert_eq!(conclusion.as_str(), "cancelled");
    assert!(job.times.queued.is_some() && job.times.finished >= job.times.queued && job.times.started.is_none());
    assert_eq!((job.repository.as_str(), end.wanted), ("acme/widgets", 0));
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_queue_whose_token_was_revoked_is_heard_again() {
    let place = Place::new(options());
    let mut demand = open(&place).await;
    assert_eq!(place.github.revoke_queue_tokens(), 1);
    place.github.offer(Job::new("acme/widgets").named("one"));
    assert_eq!(words(&told(&mut demand, 1).await), ["assigned one"]);
    let counts = demand.health().counts();
    assert_eq!((counts.tokens_refreshed, counts.sessions_opened), (1, 1));
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn short_lived_tokens_are_renewed_before_they_end() {
    let (queue_token_life, admin_token_life) = (Duration::from_secs(2), Duration::from_secs(2));
    let place = Place::new(Options { queue_token_life, admin_token_life, ..options() });
    let mut demand = open(&place).await;
    let began = std::time::Instant::now();
    while began.elapsed() < queue_token_life * 2 {
        demand.wait(1).await.unwrap();
    }
    let counts = demand.health().counts();
    assert!(counts.tokens_refreshed >= 2 && counts.sessions_opened == 1, "{counts:?}");
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn the_session_of_a_crashed_process_is_closed_by_the_next_one() {
    let place = Place::new(options());
    let crashed = open(&place).await;
    let on_disk = crashed.session().cloned().unwrap();
    assert_eq!(on_disk.owner, OWNER);
    drop(crashed);

    let mut stranger = crate::place::demand(&place.settings(""), None);
    let error = stranger.wait(1).await.unwrap_err();
    assert!(matches!(error, DemandError::SessionTaken { .. }), "{error:?}");
    assert_eq!(stranger.health().counts().session_conflicts, 1);

    let text = serde_json::to_string(&on_disk).unwrap();
    let mut next = crate::place::demand(&place.settings(""), Some(serde_json::from_str(&text).unwrap()));
    next.wait(1).await.unwrap();
    assert_ne!(next.session().unwrap().session, on_disk.session);
    next.close().await.unwrap();
    assert_eq!(next.session(), None);
    place.is_content();
}

#[tokio::test]
async fn an_opening_that_is_interrupted_is_not_forgotten() {
    let place = Place::new(Options { slow_answer: Duration::from_millis(500), ..options() });
    place.github.inject(Injection::of(FaultKind::SlowAnswer).on("/sessions"));
    let mut demand = crate::place::demand(&place.settings(""), None);
    let open = |state: &fake_github::State| state.scale_sets().any(ScaleSetRecord::has_session);
    // Dropped as soon as the service has the session, before its answer is here.
    tokio::select! {
        _ = demand.wait(1) => unreachable!("the answer takes longer"),
        () = async { while !place.github.read(open) { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(demand.session(), None);
    demand.close().await.unwrap();
    assert!(!place.github.read(open), "nobody else can use the set");
    place.is_content();
}

#[tokio::test]
async fn a_session_that_the_service_lost_is_opened_anew() {
    let place = Place::new(Options { session_idle: Duration::from_millis(50), ..options() });
    let mut demand = open(&place).await;
    let first = demand.session().cloned().unwrap();
    // Silence ends the session; what is told then is told by the next one.
    place.github.until(|state| !state.scale_sets().any(ScaleSetRecord::has_session), Duration::from_secs(10));
    place.github.change_options(|options| options.session_idle = Duration::from_mins(5));
    place.github.offer(Job::new("acme/widgets").named("one"));
    assert!(demand.wait(1).await.is_err());
    assert_eq!(words(&told(&mut demand, 1).await), ["assigned one"]);
    assert_ne!(demand.session().unwrap().session, first.session);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_count_of_zero_beside_an_assigned_job_is_not_believed() {
    let place = Place::new(options());
    let mut demand = open(&place).await;
    place.github.inject(Injection::of(FaultKind::ZeroStatistics).on("messages"));
    place.github.offer(Job::new("acme/widgets").named("one"));
    let demanded = told(&mut demand, 1).await;
    assert_eq!((words(&demanded), demanded.wanted), (vec!["assigned one".to_owned()], 1));
    // A new session, whose counts are right, and the job is told once.
    let next = demand.wait(1).await.unwrap();
    assert_eq!((next.jobs.len(), next.wanted), (0, 1));
    let counts = demand.health().counts();
    assert_eq!((counts.contradicted, counts.sessions_opened), (1, 2));
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_set_that_somebody_deleted_is_made_again() {
    let place = Place::new(options());
    let mut demand = open(&place).await;
    let mut thief = crate::place::demand(&place.settings(""), demand.session().cloned());
    thief.retire().await.unwrap();
    let mut failures = 0;
    while demand.wait(1).await.is_err() {
        failures += 1;
        assert!(failures < 5);
    }
    place.github.offer(Job::new("acme/widgets").named("one"));
    assert_eq!(words(&told(&mut demand, 1).await), ["assigned one"]);
    demand.retire().await.unwrap();
    assert_eq!(place.github.read(|state| state.scale_sets().count()), 0);
    place.is_content();
}

#[tokio::test]
async fn the_labels_of_a_set_follow_the_machine() {
    let place = Place::new(options());
    open(&place).await.close().await.unwrap();
    let settings = place.settings("");
    let mut machine = crate::place::machine();
    machine.labels = machine.labels.and(["gpu"]).unwrap();
    let mut demand = AnyDemand::new(crate::place::open(&settings), &settings, machine, None);
    demand.wait(1).await.unwrap();
    let labels = place.github.read(|state| state.scale_sets().next().unwrap().labels.clone());
    assert_eq!(labels, ["gpu", "hearth", "linux", "self-hosted"]);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_name_that_the_set_cannot_have_is_a_person_s_business() {
    let place = Place::new(options());
    let mut demand = crate::place::demand(&place.settings("group = 'nobody'"), None);
    let error = demand.wait(1).await.unwrap_err();
    let DemandError::Call { cause: CallError::NotFound { .. }, .. } = &error else { unreachable!("{error:?}") };
    assert_eq!(error.remedy(), hearth_forge::Remedy::Person);
    place.is_content();
}

#[tokio::test]
async fn news_arrive_in_whatever_order_and_are_told_once() {
    let place = Place::new(options());
    let mut demand = open(&place).await;
    place.github.inject(Injection::of(FaultKind::Reordering).times(3));
    let ids: Vec<_> =
        (0..3).map(|number| place.github.offer(Job::new("acme/widgets").named(&number.to_string()))).collect();
    for id in ids {
        place.github.cancel(id);
    }
    let mut told_of = Vec::new();
    for _ in 0..6 {
        let demanded = demand.wait(3).await.unwrap();
        told_of.extend(demanded.jobs.iter().map(word));
        if let Some(message) = demanded.message {
            demand.acknowledge(message).await.unwrap();
        }
    }
    let before = told_of.len();
    told_of.sort_unstable();
    told_of.dedup();
    assert_eq!(told_of.len(), before);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn an_available_job_that_was_not_acquired_is_told_again() {
    let place = Place::new(Options { flow: Flow::Acquire, ..options() });
    let mut demand = open(&place).await;
    place.github.offer(Job::new("acme/widgets"));
    let first = told(&mut demand, 1).await;
    let requests = [first.jobs[0].job().request];
    place.github.inject(Injection::of(FaultKind::ServerError).on("acquirejobs"));
    assert!(demand.acquire(&requests).await.is_err());
    let again = told(&mut demand, 1).await;
    assert!(matches!(&again.jobs[..], [JobNews::Available { job }] if job.request == requests[0]), "{again:?}");
    assert_eq!(demand.acquire(&requests).await.unwrap(), requests);
    demand.close().await.unwrap();
    place.is_content();
}

#[tokio::test]
async fn a_job_that_there_was_no_room_for_is_told_again_as_soon_as_there_is() {
    let patience = Duration::from_secs(30);
    let place = Place::new(Options { flow: Flow::Acquire, poll_hold: patience * 2, ..options() });
    let mut demand = open(&place).await;
    for number in 0..2 {
        place.github.offer(Job::new("acme/widgets").named(&format!("job {number}")));
    }
    let mut offered: Vec<RequestId> = Vec::new();
    while offered.len() < 2 {
        offered.extend(told(&mut demand, 1).await.jobs.iter().map(|news| news.job().request));
    }
    assert_eq!(demand.acquire(&offered).await.unwrap(), offered[..1]);
    let ticket = demand.registrar().register(&crate::place::name(1)).await.unwrap();
    let runner = Runner::start(&ticket).await.unwrap();
    let job = runner.take().await.unwrap();
    runner.complete(&job).await;

    // Nobody announces the other one, so a poll for it would be held to its end.
    let again = async {
        loop {
            let told = told(&mut demand, 1).await;
            if matches!(&told.jobs[..], [JobNews::Available { job }] if job.request == offered[1]) {
                return;
            }
        }
    };
    tokio::time::timeout(patience, again).await.unwrap();
    assert_eq!(demand.acquire(&offered[1..]).await.unwrap(), offered[1..]);
    demand.close().await.unwrap();
    place.is_content();
}
