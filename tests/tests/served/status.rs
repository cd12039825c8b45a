//! What a person is told of a served machine: how it stands, its jobs, their logs; and how it is drained.

#![expect(clippy::unwrap_used, reason = "everything in here is a test, the functions that prepare them too")]

use std::fs;
use std::path::{Path, PathBuf};

use fake_github::{Checksum, Job, JobId, RunnerApplication};
use hearth_tests::github::nothing_is_violated;
use hearth_tests::http;
use hearth_tests::job::Ran;
use hearth_tests::served::{Machine, Served};
use hearth_tests::wait::{PATIENCE, is_reached, until};
use rustix::process::Signal;
use serde_json::Value;

fn told(served: &Served, words: &[&str]) -> Ran {
    served.hearth().args(words).run()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| unreachable!("{error}\n{ran}"))
}

/// Asks until the status is as wanted.
#[track_caller]
fn status_until(served: &Served, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let reached = is_reached(PATIENCE, || {
        last = json(&told(served, &["status", "--json"]));
        fits(&last)
    });
    assert!(reached, "waited in vain for {what}\n{last:#}");
    last
}

/// A job that waits in its slot until it is let go.
struct Held {
    id: JobId,
    gate: PathBuf,
    slot: Value,
}

impl Held {
    fn offer(served: &Served) -> Self {
        let script = "echo begun; while [ ! -e ~/go ]; do sleep 0.05; done";
        let id = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run(script));
        let is_busy = |slot: &Value| slot["state"] == "busy" && slot["job"]["state"] == "running";
        let busy = |status: &Value| status["slots"].as_array().unwrap().iter().find(|slot| is_busy(slot)).cloned();
        let status = status_until(served, "a busy slot", |status| busy(status).is_some());
        let slot = busy(&status).unwrap();
        let gate = served.world.state().join(format!("slots/{}/job/home/go", slot["slot"]));
        Self { id, gate, slot }
    }

    fn execution(&self) -> &str {
        self.slot["job"]["execution_id"].as_str().unwrap()
    }

    fn let_go(&self) {
        fs::write(&self.gate, "").unwrap();
    }
}

#[test]
fn a_machine_says_how_it_stands_before_during_and_after_a_job() {
    let mut machine = Machine::default();
    // What it has is the newest that GitHub lists; nobody downloads this one.
    machine.options.applications.extend(["x64", "arm64"].map(|architecture| RunnerApplication {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        version: "2.335.1".to_owned(),
        archive: Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"),
        checksum: Checksum::Right,
        needs_token: false,
    }));
    let mut served = Served::prepare(&machine);
    let down = told(&served, &["status"]).expect_code(3);
    assert!(down.stdout.contains("hearth is not up; start it: hearth up"), "{down}");
    assert!(!served.world.state().exists(), "looking makes nothing");

    served.up();
    let idle = status_until(&served, "a machine that is well", |status| {
        status["verdict"] == "well" && !status["places"][0]["heard_at"].is_null()
    });
    assert_eq!((&idle["daemon"]["is"], &idle["is_draining"]), (&"up".into(), &false.into()), "{idle:#}");
    assert_eq!(idle["runner_program"]["version"], "2.335.1");
    let url = idle["places"][0]["url"].as_str().unwrap().to_owned();
    assert!(url.ends_with("/acme"), "{url}");
    assert_eq!(idle["slots"].as_array().unwrap().iter().map(|slot| &slot["state"]).collect::<Vec<_>>(), ["free"; 2]);

    let held = Held::offer(&served);
    assert_eq!((&held.slot["job"]["job"], &held.slot["place"]), (&"build".into(), &url.clone().into()));
    let text = told(&served, &["status"]).expect_success().stdout;
    for words in ["Places at GitHub", url.as_str(), "busy", "build of ", held.slot["runner"].as_str().unwrap()] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let metrics = http::get(served.admin(), "/metrics").body;
    for (name, labels, figure) in [
        ("agent_place_runners", ",state=\"busy\"", "1"),
        ("agent_place_wanted_runners", "", "1"),
        ("agent_runner_registrations_total", "", "1"),
        ("agent_demand_events_total", ",event=\"session_opened\"", "1"),
    ] {
        let line = format!("{name}{{place=\"{url}\"{labels}}} {figure}");
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    for name in ["agent_github_remaining_requests", "agent_github_clock_skew_seconds"] {
        assert!(metrics.contains(&format!("\n{name}{{place=\"{url}\"")), "{name}\n{metrics}");
    }
    let page = http::get(served.admin(), "/").body;
    assert!(page.contains("Places that this machine serves") && page.contains(&url), "{page}");

    held.let_go();
    served.done(&[held.id]);
    served.idle();
    let jobs = json(&told(&served, &["jobs", "--json"]).expect_success());
    assert_eq!(jobs["recent_jobs"][0]["execution_id"], held.execution());
    assert_eq!(jobs["open_jobs"], serde_json::json!([]));
    nothing_is_violated(&served.github);
    served.stop();
    let down = told(&served, &["status", "--json"]).expect_code(3);
    assert_eq!(json(&down)["slots"][0]["state"], "free", "{down}");
}

#[test]
fn a_daemon_that_was_killed_is_down_and_its_job_is_still_shown() {
    let mut served = Served::start(&Machine::default());
    let held = Held::offer(&served);
    served.kill();
    let down = told(&served, &["status", "--json"]).expect_code(3);
    let status = json(&down);
    assert_eq!(status["slots"][0]["job"]["execution_id"], held.execution(), "{status:#}");
    assert!(status["troubles"][0].as_str().unwrap().contains("did not end in order"), "{status:#}");
    served.up();
    held.let_go();
    served.done(&[held.id]);
    served.idle();
    served.stop();
}

#[test]
fn the_logs_of_a_job_are_found_by_a_part_of_its_id_and_followed_to_its_end() {
    let mut served = Served::start(&Machine { slots: 1, ..Machine::default() });
    let held = Held::offer(&served);
    let id = held.execution().to_owned();
    let follow = served.world.hearth().args(["logs", "--follow", &id]).start();
    until("the runner's words", || follow.stdout().contains("Running job: build"));
    held.let_go();
    let followed = follow.wait().expect_success().stdout;
    assert!(followed.contains("Job build completed with result: Succeeded"), "{followed}");
    assert!(followed.contains("\nsucceeded after "), "{followed}");
    served.done(&[held.id]);
    served.idle();

    // The slot carries another job; what each of them left is told apart.
    let second = served.github.offer(Job::new("acme/gadgets").key("lint").labels(["hearth"]).run("echo second"));
    served.done(&[second]);
    served.idle();
    let short = &id[id.len() - 8..];
    let first = told(&served, &["logs", short, "--diagnostics"]).expect_success().stdout;
    assert!(first.contains("/acme/widgets/actions/runs/"), "{first}");
    assert!(first.contains("Running job: build") && !first.contains("lint"), "{first}");
    assert!(first.contains(&format!("job.execution={id}")), "the keeper's words\n{first}");
    assert!(first.contains("/diagnostics/") && first.contains("Worker_"), "{first}");
    let table = told(&served, &["jobs"]).expect_success().stdout;
    let place = |word: &str| table.find(word).unwrap_or_else(|| panic!("no {word}\n{table}"));
    assert!(place("lint") < place(short), "the newest first\n{table}");
    let gadgets = json(&told(&served, &["jobs", "--json", "--limit", "1"]))["recent_jobs"][0]["repository"].clone();
    assert!(gadgets.as_str().unwrap().ends_with("/acme/gadgets"), "{gadgets}");
    let none = told(&served, &["jobs", "--repository", "github.com/acme/nothing"]).expect_success().stdout;
    assert!(none.contains("no job of github.com/acme/nothing yet"), "{none}");
    let one = told(&served, &["jobs", "--json", "--repository", gadgets.as_str().unwrap()]).expect_success();
    assert_eq!(json(&one)["recent_jobs"].as_array().unwrap().len(), 1, "{one}");
    for (part, words) in [("ffffffff", "no job with the id ffffffff"), ("abc", "at least 4"), ("../etc", "is no job")] {
        told(&served, &["logs", part]).expect_code(125).expect_said(&[words, "hearth jobs"]);
    }
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_drain_waits_for_the_job_and_takes_no_other() {
    let mut served = Served::prepare(&Machine::default());
    told(&served, &["drain"]).expect_code(125).expect_said(&["no daemon answers", "hearth up"]);
    served.up();
    let held = Held::offer(&served);
    told(&served, &["drain", "--deadline", "1ms"]).expect_code(124).expect_said(&["not drained", "restart the daemon"]);
    assert_eq!(
        json(&told(&served, &["status", "--json"]))["is_draining"],
        true,
        "a drain has begun whoever waits for it"
    );

    let (interrupted, _lines) = served.world.hearth().arg("drain").start_told();
    until("the runner that is left", || interrupted.stderr().contains("waiting for runner"));
    interrupted.signal(Signal::INT);
    interrupted.wait().expect_code(130).expect_said(&["ask again"]);

    let (drain, _lines) = served.world.hearth().arg("drain").start_told();
    until("the runner that is left", || drain.stderr().contains("waiting for runner"));
    let waiting = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run("true"));
    held.let_go();
    drain.wait().expect_success().expect_said(&["drained: no runner is left"]);
    let status = status_until(&served, "no runner", |status| status["places"][0]["runners"] == 0);
    assert_eq!((&status["is_draining"], &status["places"][0]["promised_runners"]), (&true.into(), &0.into()));
    assert!(served.github.job(waiting).unwrap().acquired == 0, "nobody takes it");

    // A restart undoes it.
    served.stop();
    served.up();
    served.done(&[held.id, waiting]);
    served.idle();
    nothing_is_violated(&served.github);
    served.stop();
}
