//! Who gets which job: any idle runner that may, once, and somebody else when nobody takes it in time.

use std::time::Duration;

use fake_github::runner_protocol::JobResult;
use fake_github::{Group, Job, Members, Options, Phase, Removal, RequestIds};
use serde_json::json;

use super::client::Lab;
use super::runner::{Listener, Runner, kinds, reaches};

const SHORT: Duration = Duration::from_millis(50);

fn job() -> Job {
    Job::new("acme/widgets").labels(["oven"])
}

fn runner(lab: &Lab, name: &str, labels: &[&str]) -> Runner {
    Runner::connect(&lab.register(name, labels).1)
}

#[test]
fn a_runner_runs_one_job_and_is_gone() {
    let lab = Lab::new();
    let first = lab.github.offer(job().env("A", "1").run("true"));
    let second = lab.github.offer(job());
    let runner = runner(&lab, "oven-1", &["oven"]);
    let message = runner.poll().expect("a job");
    assert_eq!((message.env["A"].as_str(), message.steps.len()), ("1", 1));
    let github = |name: &str| message.github[name].clone();
    assert_eq!((github("repository"), github("run_attempt")), ("acme/widgets".to_owned(), "1".to_owned()));
    runner.of_job(&message.job_id, "renew", json!({})).expect(200);
    runner.acquire(&message.job_id).expect(200);
    runner.acquire(&message.job_id).expect(409);
    assert!(lab.github.runners()[0].busy);
    runner.complete(&message.job_id, "failed").expect(200);
    runner.complete(&message.job_id, "failed").expect(404);
    let done = lab.github.job(first).expect("the job");
    assert_eq!((done.result(), done.acquired, done.completed), (Some(JobResult::Failed), 1, 1));
    assert_eq!((done.log.as_str(), done.summaries.as_slice()), ("a log", &["# Done".to_owned()][..]));
    assert!(lab.github.runners().is_empty());
    assert_eq!(lab.github.read(|state| state.gone_runners().to_vec()), [("oven-1".to_owned(), Removal::Finished)]);
    assert_eq!(lab.github.job(second).expect("the job").phase, Phase::Queued);
}

#[test]
fn a_job_goes_only_to_who_has_its_labels_and_sees_its_repository() {
    let mut options = Options::default();
    let selected = Members::Selected(vec!["acme/gadgets".to_owned()]);
    options.accounts.organizations[0].groups.push(Group { id: 7, members: selected, ..Group::default_group() });
    let lab = Lab::with(options);
    let other_labels = runner(&lab, "oven-1", &["grill"]);
    let body = json!({ "name": "oven-2", "runner_group_id": 7, "labels": ["oven"] });
    let blob = lab.call("POST", "/orgs/acme/actions/runners/generate-jitconfig", &body).expect(201).json();
    let other_group = Runner::connect(blob["encoded_jit_config"].as_str().expect("a blob"));
    let body = json!({ "name": "oven-3", "runner_group_id": 1, "labels": ["oven"] });
    let blob = lab.call("POST", "/repos/acme/gadgets/actions/runners/generate-jitconfig", &body).expect(201).json();
    let other_repository = Runner::connect(blob["encoded_jit_config"].as_str().expect("a blob"));
    let id = lab.github.offer(job());
    for runner in [&other_labels, &other_group, &other_repository] {
        assert_eq!(runner.poll_for(1), None);
    }
    let right = runner(&lab, "oven-4", &["linux", "OVEN"]);
    assert_eq!(right.run_one(), lab.github.job(id).expect("the job").uuid);
    let public = lab.github.offer(Job::new("acme/site").labels(["oven"]));
    let refused = runner(&lab, "oven-5", &["oven"]);
    assert_eq!(refused.poll_for(1), None, "the default group takes no public repository");
    assert_eq!(lab.github.job(public).expect("the job").phase, Phase::Queued);
}

#[test]
fn which_idle_runner_gets_a_job_is_anybodys_guess() {
    let lab = Lab::new();
    let mut chosen = std::collections::BTreeSet::new();
    for round in 0..40 {
        let names: Vec<_> = (0..3).map(|number| format!("oven-{round}-{number}")).collect();
        let runners: Vec<_> = names.iter().map(|name| runner(&lab, name, &["oven"])).collect();
        let id = lab.github.offer(job());
        let given = |runner: &fake_github::RunnerRecord| runner.job == Some(id);
        let runner = lab.github.runners().into_iter().find(given).expect("one of them");
        chosen.insert(names.iter().position(|name| *name == runner.name));
        for runner in &runners {
            runner.close().expect(204);
        }
        lab.github.cancel(id);
    }
    assert_eq!(chosen.len(), 3, "each of the three at some time: {chosen:?}");
}

#[test]
fn a_job_that_nobody_takes_in_time_is_assigned_again_and_given_up_in_the_end() {
    for request_ids in [RequestIds::NewEachTime, RequestIds::Kept] {
        let lab = Lab::with(Options { pickup_limit: SHORT, request_ids, ..Options::default() });
        let listener = Listener::open(&lab, "oven", &["oven"]);
        let id = lab.github.offer(job());
        let (mut last, mut news) = (0, Vec::new());
        while news.len() < 8 {
            let (message, more, _) = listener.poll(last, 1).expect("a message");
            listener.acknowledge(message).expect(204);
            last = message;
            news.extend(more);
        }
        assert_eq!(kinds(&news), ["JobAssigned", "JobCompleted"].repeat(4));
        assert!(news.iter().skip(1).step_by(2).all(|news| news["result"] == "canceled"));
        let mut requests: Vec<_> = news.iter().map(|news| news["runnerRequestId"].as_i64()).collect();
        requests.dedup();
        assert_eq!(requests.len(), if request_ids == RequestIds::Kept { 1 } else { 4 });
        reaches(&lab.github, id, |phase| phase == Phase::Done(JobResult::Canceled));
        assert_eq!(lab.github.job(id).expect("the job").acquired, 0);
    }
}

#[test]
fn a_runner_that_is_deleted_while_a_job_is_on_its_way_makes_the_job_wait() {
    let lab = Lab::with(Options { pickup_limit: SHORT, ..Options::default() });
    let (number, blob) = lab.register("oven-1", &["oven"]);
    let deleted = Runner::connect(&blob);
    let id = lab.github.offer(job());
    let message = deleted.poll().expect("a job");
    lab.delete(&format!("/orgs/acme/actions/runners/{number}")).expect(204);
    deleted.acquire(&message.job_id).expect(404);
    assert!(!lab.github.job(id).expect("the job").is_done());
    assert_eq!(runner(&lab, "oven-2", &["oven"]).run_one(), message.job_id);
}

#[test]
fn a_runner_that_falls_silent_loses_its_job_and_stays_registered() {
    let lab = Lab::with(Options { lost_after: SHORT, ..Options::default() });
    let id = lab.github.offer(job());
    let runner = runner(&lab, "oven-1", &["oven"]);
    runner.acquire(&runner.poll().expect("a job").job_id).expect(200);
    reaches(&lab.github, id, |phase| phase == Phase::Done(JobResult::Failed));
    let job = lab.github.job(id).expect("the job");
    assert_eq!((job.lost, job.completed), (true, 0));
    let registered = lab.github.runners();
    assert_eq!((registered.len(), registered[0].is_online(), registered[0].busy), (1, false, false));
}

#[test]
fn an_idle_runner_that_polls_is_not_lost() {
    let lab = Lab::with(Options { lost_after: SHORT, ..Options::default() });
    let runner = runner(&lab, "oven-1", &["oven"]);
    assert_eq!(runner.poll_for(SHORT.as_millis() * 4), None);
    assert!(lab.github.runners()[0].is_online());
}

#[test]
fn a_job_is_canceled_at_once_or_by_its_runner() {
    let lab = Lab::new();
    let waiting = lab.github.offer(job());
    lab.github.cancel(waiting);
    assert_eq!(lab.github.job(waiting).expect("the job").result(), Some(JobResult::Canceled));
    let running = lab.github.offer(job());
    let runner = runner(&lab, "oven-1", &["oven"]);
    let uuid = runner.poll().expect("a job").job_id;
    runner.acquire(&uuid).expect(200);
    let renew = || runner.of_job(&uuid, "renew", json!({})).expect(200).json();
    assert_eq!(renew(), json!({ "cancel": false }));
    lab.github.cancel(running);
    assert_eq!(renew(), json!({ "cancel": true }));
    runner.complete(&uuid, "canceled").expect(200);
    assert_eq!(lab.github.job(running).expect("the job").result(), Some(JobResult::Canceled));
}

#[test]
fn a_job_that_is_run_again_is_a_new_attempt_of_its_run() {
    let lab = Lab::new();
    let first = lab.github.offer_run([job(), job().key("lint")])[0];
    runner(&lab, "oven-1", &["oven"]).run_one();
    let again = lab.github.rerun(first).expect("the job is known");
    let (first, again) = (lab.github.job(first).expect("the job"), lab.github.job(again).expect("the job"));
    assert_eq!((first.run_id, first.attempt + 1), (again.run_id, again.attempt));
    assert_ne!((first.id, &first.uuid), (again.id, &again.uuid));
    let jobs = format!("/repos/acme/widgets/actions/runs/{}/jobs", first.run_id);
    let count = |path: &str| lab.get(path).expect(200).json()["total_count"].clone();
    assert_eq!((count(&jobs), count(&format!("{jobs}?filter=all"))), (json!(1), json!(3)));
    assert!(!lab.github.read(fake_github::State::is_all_done));
}

#[test]
fn runs_are_listed_by_what_their_jobs_do() {
    let lab = Lab::new();
    let ids = lab.github.offer_run([job(), job()]);
    let count = |status: &str| {
        lab.get(&format!("/repos/acme/widgets/actions/runs?status={status}")).expect(200).json()["total_count"].clone()
    };
    let runner = runner(&lab, "oven-1", &["oven"]);
    let uuid = runner.poll().expect("a job").job_id;
    runner.acquire(&uuid).expect(200);
    assert_eq!((count("queued"), count("in_progress")), (json!(1), json!(0)), "one of its jobs waits");
    let running = lab.github.jobs().into_iter().find(|job| job.uuid == uuid).expect("the job").id;
    let waiting = ids.into_iter().find(|id| *id != running).expect("the other");
    let shown = lab.get(&format!("/repos/acme/widgets/actions/jobs/{running}")).expect(200).json();
    assert_eq!((&shown["status"], &shown["runner_name"]), (&json!("in_progress"), &json!("oven-1")));
    lab.github.cancel(waiting);
    assert_eq!((count("queued"), count("in_progress")), (json!(0), json!(1)));
    runner.complete(&uuid, "succeeded").expect(200);
    assert_eq!(count("completed"), 1);
    lab.get(&format!("/repos/acme/gadgets/actions/jobs/{running}")).expect(404);
}
