//! Faults: each kind does what it says, to the calls that it is meant for, and a random plan repeats itself.

use std::time::Duration;

use fake_github::{FaultKind, Faults, Injection, Job, Options};
use serde_json::json;

use super::client::{Lab, Reply, Request};
use super::runner::{Listener, kinds};

const RUNNERS: &str = "/orgs/acme/actions/runners";
const GENERATE: &str = "/orgs/acme/actions/runners/generate-jitconfig";

fn generate(lab: &Lab, name: &str) -> Request {
    let body = json!({ "name": name, "runner_group_id": 1, "labels": ["x"] });
    lab.rest("POST", GENERATE).bearer(&lab.token).json(&body)
}

fn list(lab: &Lab) -> Request {
    lab.rest("GET", RUNNERS).bearer(&lab.token)
}

/// Injects a kind, makes one call, and sees that it struck once and is over.
#[track_caller]
fn strike(lab: &Lab, kind: FaultKind, request: &Request) -> Option<Reply> {
    let before = lab.github.faults().get(&kind).copied().unwrap_or(0);
    lab.github.inject(Injection::of(kind));
    let reply = request.try_send();
    assert_eq!(lab.github.faults().get(&kind).copied(), Some(before + 1), "{kind:?}");
    reply
}

#[test]
fn a_fault_instead_of_an_answer_has_no_effect() {
    let lab = Lab::with(Options { retry_after: Duration::from_secs(7), ..Options::default() });
    for (kind, statuses, header) in [
        (FaultKind::Unauthorized, &[401][..], None),
        (FaultKind::Forbidden, &[403], Some(("x-accepted-github-permissions", "administration=write"))),
        (FaultKind::SecondaryLimit, &[403], Some(("retry-after", "7"))),
        (FaultKind::TooManyRequests, &[429], Some(("retry-after", "7"))),
        (FaultKind::NotFound, &[404], None),
        (FaultKind::Unprocessable, &[422], None),
        (FaultKind::ServerError, &[500, 502, 503, 504], None),
    ] {
        let reply = strike(&lab, kind, &generate(&lab, "oven-1")).expect("an answer");
        assert!(statuses.contains(&reply.status), "{kind:?}: {reply:?}");
        if let Some((name, value)) = header {
            assert_eq!(reply.header(name), Some(value), "{kind:?}");
        }
        assert!(lab.github.runners().is_empty(), "{kind:?}");
    }
    generate(&lab, "oven-1").send().expect(201);
}

#[test]
fn a_fault_after_the_effect_leaves_a_runner_that_nobody_was_told_of() {
    let lab = Lab::new();
    assert!(strike(&lab, FaultKind::LostAnswer, &generate(&lab, "oven-1")).is_none());
    let cut = strike(&lab, FaultKind::Undecodable, &generate(&lab, "oven-2")).expect("an answer").expect(201);
    assert!(cut.json().is_null() && cut.bytes.starts_with(b"{"));
    strike(&lab, FaultKind::Conflict, &generate(&lab, "oven-3")).expect("an answer").expect(409);
    let names: Vec<_> = lab.github.runners().into_iter().map(|runner| runner.name).collect();
    assert_eq!(names, ["oven-1", "oven-2", "oven-3"]);
}

#[test]
fn a_runner_can_be_said_to_be_busy_though_it_is_not() {
    let lab = Lab::new();
    let (id, _) = lab.register("oven-1", &["x"]);
    let delete = lab.rest("DELETE", &format!("{RUNNERS}/{id}")).bearer(&lab.token);
    let refused = strike(&lab, FaultKind::Unprocessable, &delete).expect("an answer").expect(422);
    assert!(refused.message().contains("still running a job"), "{}", refused.message());
    delete.send().expect(204);
}

#[test]
fn an_expired_token_is_gone_for_good_and_a_persons_is_not() {
    let lab = Lab::new();
    let token = lab.installation_token(&json!({})).expect(201).json()["token"].as_str().expect("a token").to_owned();
    let by_app = lab.rest("GET", RUNNERS).bearer(&token);
    strike(&lab, FaultKind::ExpiredToken, &by_app).expect("an answer").expect(401);
    by_app.send().expect(401);
    strike(&lab, FaultKind::ExpiredToken, &list(&lab)).expect("an answer").expect(401);
    list(&lab).send().expect(200);
}

#[test]
fn a_clock_can_be_off_for_one_call() {
    let lab = Lab::new();
    lab.github.inject(Injection::of(FaultKind::ClockSkew));
    lab.installation_token(&json!({})).expect(401);
    lab.installation_token(&json!({})).expect(201);
    assert_eq!(lab.github.faults()[&FaultKind::ClockSkew], 1);
}

#[test]
fn a_slow_answer_is_right_and_late() {
    let slow = Duration::from_millis(80);
    let lab = Lab::with(Options { slow_answer: slow, ..Options::default() });
    let began = std::time::Instant::now();
    strike(&lab, FaultKind::SlowAnswer, &list(&lab)).expect("an answer").expect(200);
    assert!(began.elapsed() >= slow);
}

#[test]
fn messages_can_be_dropped_repeated_reordered_and_lied_about() {
    let lab = Lab::with(Options { poll_hold: Duration::from_millis(20), ..Options::default() });
    let listener = Listener::open(&lab, "oven", &["oven"]);
    let conflict = listener.call("POST", &format!("/runtime/runnerscalesets/{}/sessions", listener.set));
    listener.of_session("DELETE").expect(204);
    let conflict = conflict.json(&json!({ "ownerName": "oven" }));
    strike(&lab, FaultKind::SessionConflict, &conflict).expect("an answer").expect(409);
    let listener = Listener { session: listener.open_session().expect(200).json(), ..listener };

    let jobs =
        lab.github.offer_run((0..2).map(|number| Job::new("acme/widgets").key(&number.to_string()).labels(["oven"])));
    assert!(strike(&lab, FaultKind::DroppedPoll, &listener.poll_request(0, 2)).is_none());
    let names = |news: &[serde_json::Value]| news.iter().map(|news| news["jobDisplayName"].clone()).collect::<Vec<_>>();
    lab.github.inject(Injection::of(FaultKind::Reordering));
    let (id, news, _) = listener.poll(0, 2).expect("a message");
    assert_eq!(names(&news), ["1", "0"]);
    listener.acknowledge(id).expect(204);
    assert!(listener.poll(id, 2).is_none());
    lab.github.inject(Injection::of(FaultKind::Redelivery));
    assert_eq!(listener.poll(id, 2).expect("the same message").0, id);
    listener.acknowledge(id).expect(204);

    for job in jobs {
        lab.github.cancel(job);
    }
    lab.github.offer(Job::new("acme/widgets").labels(["oven"]));
    lab.github.inject(Injection::of(FaultKind::ZeroStatistics));
    let (_, news, statistics) = listener.poll(id, 2).expect("a message");
    assert_eq!(kinds(&news), ["JobCompleted", "JobCompleted", "JobAssigned"]);
    assert_eq!(statistics["totalAssignedJobs"], 0);
}

#[test]
fn a_fault_on_command_waits_for_the_operation_that_it_is_meant_for() {
    let lab = Lab::new();
    lab.github.inject(Injection::of(FaultKind::ServerError).on("generate-jitconfig").times(2));
    list(&lab).send().expect(200);
    assert!(generate(&lab, "oven-1").send().status >= 500);
    assert!(generate(&lab, "oven-1").send().status >= 500);
    generate(&lab, "oven-1").send().expect(201);
}

/// What a fixed sequence of calls gets under a plan.
fn outcomes(faults: Faults) -> Vec<Option<u16>> {
    let lab = Lab::with(Options { faults, slow_answer: Duration::ZERO, ..Options::default() });
    let calls = (0..60).map(|number| if number % 3 == 0 { generate(&lab, &format!("o-{number}")) } else { list(&lab) });
    calls.map(|call| call.try_send().map(|reply| reply.status)).collect()
}

#[test]
fn a_seed_repeats_its_plan_and_another_seed_has_another() {
    let plan = |seed| outcomes(Faults::of_every_kind(seed, 0.05));
    let first = plan(1);
    assert!(first.iter().any(|outcome| *outcome != Some(200) && *outcome != Some(201)), "{first:?}");
    assert_eq!(first, plan(1));
    assert_ne!(first, plan(2));
}

#[test]
fn a_plan_does_not_depend_on_who_is_faster() {
    let faults = || Faults::random(3).rate(FaultKind::NotFound, 0.3);
    let statuses = |calls: &dyn Fn(&Lab) -> Vec<Request>| {
        let lab = Lab::with(Options { faults: faults(), ..Options::default() });
        let calls = calls(&lab);
        calls.iter().map(|call| call.send().status).collect::<Vec<_>>()
    };
    let other = |lab: &Lab| lab.rest("GET", &format!("{RUNNERS}/downloads")).bearer(&lab.token);
    let alone = statuses(&|lab| (0..20).map(|_| list(lab)).collect());
    let mixed = statuses(&|lab| (0..20).flat_map(|_| [other(lab), list(lab)]).collect());
    assert_eq!(alone, mixed.into_iter().skip(1).step_by(2).collect::<Vec<_>>());
}

#[test]
fn a_plan_ends_when_it_is_told_to() {
    let lab = Lab::with(Options {
        faults: Faults::random(1).rate(FaultKind::ServerError, 1.0).at_most(2),
        ..Options::default()
    });
    let statuses: Vec<_> = (0..4).map(|_| list(&lab).send().status >= 500).collect();
    assert_eq!(statuses, [true, true, false, false]);
}
