//! The Actions service: sets, sessions, queues and their tokens.

use std::time::Duration;

use fake_github::{Flow, Job, Options};
use serde_json::{Value, json};

use super::client::{Lab, PATIENCE, Reply};
use super::runner::{Listener, kinds};

const SHORT: Duration = Duration::from_millis(50);

fn options() -> Options {
    Options { poll_hold: SHORT, ..Options::default() }
}

fn kind(reply: &Reply) -> String {
    reply.json()["typeKey"].as_str().unwrap_or_default().to_owned()
}

fn job() -> Job {
    Job::new("acme/widgets").labels(["oven"])
}

#[test]
fn a_set_is_made_once_found_changed_and_deleted() {
    let lab = Lab::new();
    let mut listener = Listener::admin(&lab);
    let made = listener.create("oven", &["Oven", "linux"]).expect(200).json();
    listener.set = made["id"].as_u64().expect("an id");
    assert_eq!(made["labels"][0]["name"], "oven");
    assert_eq!((&made["RunnerSetting"]["disableUpdate"], &made["runnerGroupName"]), (&json!(true), &json!("Default")));
    assert_eq!(kind(&listener.create("OVEN", &["x"]).expect(400)), "RunnerScaleSetExistsException");
    let sets = "/runtime/runnerscalesets";
    let find =
        |name: &str| listener.call("GET", &format!("{sets}?runnerGroupId=1&name={name}")).send().expect(200).json();
    assert_eq!((&find("oven")["count"], &find("grill")["count"]), (&json!(1), &json!(0)));
    let one = format!("{sets}/{}", listener.set);
    let changed = listener.call("PATCH", &one).json(&json!({ "labels": [{ "name": "grill" }] })).send().expect(200);
    assert_eq!(changed.json()["labels"][0]["name"], "grill");
    listener.call("PATCH", &one).json(&json!({ "color": "red" })).send().expect(400);
    let hosted = json!({ "name": "b", "runnerGroupId": 2, "labels": [] });
    listener.call("POST", sets).json(&hosted).send().expect(400);
    let group = listener.call("GET", "/runtime/runnergroups/?groupName=default").send().expect(200).json();
    assert_eq!((&group["count"], &group["value"][0]["id"]), (&json!(1), &json!(1)));
    listener.call("DELETE", &one).send().expect(204);
    assert_eq!(kind(&listener.call("GET", &one).send().expect(404)), "RunnerScaleSetNotFoundException");
}

#[test]
fn a_set_belongs_to_the_scope_that_made_it() {
    let lab = Lab::new();
    let listener = Listener::open(&lab, "oven", &["oven"]);
    let url = format!("{}/acme/widgets", lab.github.url());
    let other = super::runner::connect(&lab, "/repos/acme/widgets", &url).expect(200).json();
    let token = other["token"].as_str().expect("a token");
    let path = format!("/runtime/runnerscalesets/{}", listener.set);
    listener.call("GET", &path).bearer(token).send().expect(404);
    listener.call("GET", &path).bearer(&lab.token).send().expect(401);
}

#[test]
fn a_set_has_one_session_which_its_owner_closes_or_leaves() {
    let lab = Lab::with(options());
    let mut listener = Listener::open(&lab, "oven", &["oven"]);
    let second = listener.open_session().expect(409);
    assert_eq!(kind(&second), "RunnerScaleSetSessionConflictException");
    assert!(second.message().contains("already has an active session for owner oven"), "{}", second.message());
    let refreshed = listener.of_session("PATCH").expect(200).json();
    assert_eq!(refreshed["sessionId"], listener.session["sessionId"]);
    assert_ne!(refreshed["messageQueueAccessToken"], listener.session["messageQueueAccessToken"]);
    listener.of_session("DELETE").expect(204);
    listener.of_session("DELETE").expect(404);
    listener.poll_request(0, 1).send().expect(401);
    listener.session = listener.open_session().expect(200).json();
    listener.poll_request(0, 1).send().expect(202);
    lab.github.change_options(|options| options.session_idle = SHORT);
    assert!(lab.github.until(|state| state.scale_sets().all(|set| !set.has_session()), PATIENCE));
    listener.open_session().expect(200);
}

#[test]
fn tokens_of_the_service_end_and_are_each_for_one_thing() {
    let lab = Lab::with(options());
    let mut listener = Listener::open(&lab, "oven", &["oven"]);
    let queue = listener.session["messageQueueAccessToken"].as_str().expect("a token").to_owned();
    let agents = "/distributedtask/pools/0/agents";
    listener.call("GET", agents).bearer(&queue).send().expect(401);
    listener.poll_request(0, 1).bearer(&listener.admin).send().expect(401);
    lab.github.revoke_queue_tokens();
    listener.poll_request(0, 1).send().expect(401);
    listener.session = listener.of_session("PATCH").expect(200).json();
    listener.poll_request(0, 1).send().expect(202);
    lab.github.change_options(|options| options.admin_token_life = Duration::ZERO);
    Listener::admin(&lab).call("GET", agents).send().expect(401);
}

#[test]
fn every_second_answer_begins_with_a_byte_order_mark() {
    let lab = Lab::new();
    let listener = Listener::admin(&lab);
    let begins = || {
        let reply = listener.call("GET", "/distributedtask/pools/0/agents").send().expect(200);
        assert!(reply.header("activityid").is_some() && reply.header("x-github-request-id").is_some());
        reply.bytes.starts_with(b"\xef\xbb\xbf")
    };
    assert_ne!(begins(), begins());
}

#[test]
fn a_set_is_never_given_more_than_it_said_it_could_take() {
    let lab = Lab::with(options());
    let listener = Listener::open(&lab, "oven", &["oven"]);
    let jobs = lab.github.offer_run((0..5).map(|_| job()));
    assert!(listener.poll(0, 0).is_none());
    let (first, news, statistics) = listener.poll(0, 2).expect("a message");
    assert_eq!(kinds(&news), ["JobAssigned", "JobAssigned"]);
    assert_eq!(statistics["totalAssignedJobs"], 2);
    assert_eq!(news[0]["jobDisplayName"], "build");
    assert_eq!(news[0]["runnerAssignTime"], "0001-01-01T00:00:00Z");
    listener.acknowledge(first).expect(204);
    assert!(listener.poll(first, 2).is_none());
    lab.github.cancel(jobs[0]);
    let (second, news, statistics) = listener.poll(first, 2).expect("a message");
    assert_eq!((kinds(&news), &statistics["totalAssignedJobs"]), (vec!["JobCompleted", "JobAssigned"], &json!(2)));
    assert_eq!((&news[0]["result"], &news[0]["runnerId"]), (&json!("canceled"), &json!(0)));
    listener.acknowledge(second).expect(204);
    assert!(listener.poll(second, 1).is_none(), "less does not take back what was assigned");
    assert_eq!(lab.github.jobs().iter().filter(|job| job.scale_set.is_some()).count(), 3);
}

#[test]
fn a_message_comes_until_it_is_acknowledged() {
    let lab = Lab::with(Options { redeliver_after: Duration::ZERO, ..options() });
    let listener = Listener::open(&lab, "oven", &["oven"]);
    lab.github.offer(job());
    let (id, news, _) = listener.poll(0, 4).expect("a message");
    let again = listener.poll(id, 4).expect("the same message");
    assert_eq!((again.0, again.1), (id, news));
    listener.acknowledge(id).expect(204);
    listener.acknowledge(id).expect(204);
    assert!(listener.poll(0, 4).is_none());
}

#[test]
fn a_poll_ends_when_there_is_something_to_say() {
    let lab = Lab::new();
    let listener = Listener::open(&lab, "oven", &["oven"]);
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| listener.poll(0, 1));
        assert!(lab.github.until(|state| state.scale_sets().any(|set| set.capacity == 1), PATIENCE));
        lab.github.offer(job());
        assert_eq!(kinds(&poll.join().expect("no failure").expect("a message").1), ["JobAssigned"]);
    });
}

#[test]
fn where_sets_have_to_ask_only_who_asks_gets_the_job() {
    let lab = Lab::with(Options { flow: Flow::Acquire, ..options() });
    let listener = Listener::open(&lab, "oven", &["oven"]);
    lab.github.offer_run([job(), job()]);
    let (id, news, statistics) = listener.poll(0, 1).expect("a message");
    assert_eq!(kinds(&news), ["JobAvailable", "JobAvailable"]);
    assert_eq!((&statistics["totalAvailableJobs"], &statistics["totalAssignedJobs"]), (&json!(2), &json!(0)));
    let address = news[0]["acquireJobUrl"].as_str().expect("an address");
    assert!(address.starts_with(&listener.service), "{address}");
    let requests: Vec<_> = news.iter().map(|news| news["runnerRequestId"].as_i64().expect("a number")).collect();
    assert_eq!(listener.acquire(&[requests[0] + 99]).expect(200).json(), json!({ "count": 0, "value": [] }));
    let acquired = listener.acquire(&requests).expect(200).json();
    assert_eq!(acquired, json!({ "count": 1, "value": [requests[0]] }), "no more than it said");
    assert_eq!(listener.acquire(&requests[..1]).expect(200).json()["count"], 0, "nobody gets a job twice");
    let path = format!("/runtime/runnerscalesets/{}/acquirablejobs", listener.set);
    let left = listener.call("GET", &path).send().expect(200).json();
    assert_eq!((&left["count"], &left["value"][0]["runnerRequestId"]), (&json!(1), &json!(requests[1])));
    let (_, news, _) = listener.poll(id, 1).expect("a message");
    assert_eq!(kinds(&news), ["JobAssigned"]);
    listener.acquire(&[]).expect(200);
    listener.call("POST", &format!("/runtime/runnerscalesets/{}/acquirejobs", listener.set)).send().expect(401);
}

#[test]
fn a_runner_is_an_agent_that_can_be_deleted_unless_it_runs_a_job() {
    let lab = Lab::with(options());
    let listener = Listener::open(&lab, "oven", &["oven"]);
    lab.github.offer(job());
    listener.poll(0, 1).expect("a message");
    let runner = listener.runner("oven-1");
    let by_name = listener.call("GET", "/distributedtask/pools/0/agents?agentName=oven-1").send().expect(200).json();
    let id = by_name["value"][0]["id"].as_u64().expect("an id");
    listener.agent("GET", id).expect(200);
    let job = runner.poll().expect("a job").job_id;
    runner.acquire(&job).expect(200);
    assert_eq!(kind(&listener.agent("DELETE", id).expect(400)), "JobStillRunningException");
    lab.delete(&format!("/orgs/acme/actions/runners/{id}")).expect(422);
    runner.complete(&job, "succeeded").expect(200);
    assert_eq!(kind(&listener.agent("DELETE", id).expect(404)), "AgentNotFoundException");
    assert_eq!(kind(&listener.agent("GET", id).expect(404)), "AgentNotFoundException");
    let idle = listener.generate("oven-2").expect(200).json()["runner"]["id"].as_u64().expect("an id");
    listener.agent("DELETE", idle).expect(204);
}

#[test]
fn the_books_of_a_job_are_in_its_messages() {
    let lab = Lab::with(options());
    let listener = Listener::open(&lab, "oven", &["oven"]);
    let id = lab.github.offer(job());
    let (mut last, mut news, _) = listener.poll(0, 1).expect("a message");
    listener.runner("oven-1").run_one();
    while news.len() < 3 {
        let (id, more, _) = listener.poll(last, 1).expect("a message");
        last = id;
        news.extend(more);
    }
    assert_eq!(kinds(&news), ["JobAssigned", "JobStarted", "JobCompleted"]);
    let job = lab.github.job(id).expect("the job");
    let done = &news[2];
    assert_eq!((&done["runnerName"], &done["result"]), (&json!("oven-1"), &json!("succeeded")));
    assert_eq!((&done["jobId"], &done["workflowRunId"]), (&json!(job.uuid), &json!(job.run_id)));
    assert_eq!(done["jobWorkflowRef"], "acme/widgets/.github/workflows/ci.yml@refs/heads/main");
    let time = |name: &str| done[name].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    let times = ["queueTime", "scaleSetAssignTime", "runnerAssignTime", "finishTime"].map(time);
    assert!(times.is_sorted() && times[0] > jiff::Timestamp::UNIX_EPOCH, "{times:?}");
    let statistics: Value =
        listener.call("GET", "/runtime/runnerscalesets").send().json()["value"][0]["statistics"].clone();
    assert!(statistics.as_object().expect("numbers").values().all(|number| number == 0), "{statistics}");
}
