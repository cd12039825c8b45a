//! The real program against the fake GitHub: sessions, one job, its end, and every exit code.

mod stage;

use std::fs;
use std::time::Duration;

use fake_github::runner_protocol::{Conclusion, JobResult};
use fake_github::{Job, JobRecord, Options};
use rustix::process::Signal;

use stage::{Ended, Stage, until};

const RETURN_RESULT: &str = "ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED";
const RETURN_DEPRECATED: &str = "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE";

fn job() -> Job {
    Job::new("acme/widgets")
}

fn conclusions(record: &JobRecord) -> Vec<(&str, Conclusion)> {
    record.steps.iter().map(|step| (step.name.as_str(), step.conclusion)).collect()
}

/// The lines of standard output that the official program is known by, without their times.
fn known_lines(ended: &Ended) -> Vec<&str> {
    let known = ["Connected to GitHub", "Current runner version", "Listening for Jobs", "Running job", "Job "];
    let lines = ended.stdout.lines().map(|line| line.split_once("Z: ").map_or(line, |(_, text)| text));
    lines.filter(|line| known.iter().any(|known| line.contains(known))).collect()
}

#[test]
fn a_job_runs_once_and_the_runner_leaves_nothing_of_itself() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1").set(RETURN_RESULT, "1");
    let (record, ended) = stage.play(&runner, job().named("build (1)").run("echo \"$GITHUB_REPOSITORY $GITHUB_JOB\""));
    assert_eq!((record.result(), record.acquired, record.completed), (Some(JobResult::Succeeded), 1, 1));
    assert!(record.log.contains("acme/widgets build"), "{}", record.log);
    assert_eq!(record.runner.map(|runner| runner.name).as_deref(), Some("oven-1"));
    assert_eq!(ended.code, Some(100));
    assert_eq!(
        known_lines(&ended),
        [
            "√ Connected to GitHub",
            "Current runner version: '2.335.1'",
            "Listening for Jobs",
            "Running job: build (1)",
            "Job build (1) completed with result: Succeeded",
        ]
    );
    for name in [".runner", ".credentials", ".credentials_rsaparams"] {
        assert!(!runner.path(name).exists(), "{name}");
    }
    stage.assert_proper();
}

#[test]
fn the_result_is_the_exit_code_only_when_asked_for() {
    let stage = Stage::new(Options::default());
    for (switch, code) in [("1", 102), ("0", 0)] {
        let runner = stage.runner(&format!("oven-{switch}")).set(RETURN_RESULT, switch);
        let (record, ended) = stage.play(&runner, job().run("exit 3"));
        assert_eq!((record.result(), ended.code), (Some(JobResult::Failed), Some(code)));
        assert_eq!(known_lines(&ended).last(), Some(&"Job build completed with result: Failed"));
    }
    stage.assert_proper();
}

#[test]
fn hooks_see_the_job_and_steps_see_neither_secrets_nor_another_root() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1");
    let hook = runner.path("started.sh");
    let script =
        "echo \"hook of run $GITHUB_RUN_ID attempt $GITHUB_RUN_ATTEMPT on $GITHUB_REF\"\necho FROM=hook >> $GITHUB_ENV";
    fs::write(&hook, script).unwrap();
    fs::write(runner.path(".env"), "KIND=dot-env\nLEAK=\n").unwrap();
    let hook = hook.to_str().unwrap().to_owned();
    let runner = runner.set("ACTIONS_RUNNER_HOOK_JOB_STARTED", &hook).set("LEAK", "yes").set("KIND", "process");
    let see = "echo \"$FROM $KIND ${LEAK:-none} $(env | grep -c INPUT_JITCONFIG || true)\"; cat $GITHUB_EVENT_PATH";
    let (record, _) = stage.play(&runner, job().run(see));
    assert_eq!(record.result(), Some(JobResult::Succeeded), "{}", record.log);
    let of_run = format!("hook of run {} attempt 1 on refs/heads/main", record.run_id);
    for text in [of_run.as_str(), "hook dot-env none 0", "\"ref\": \"refs/heads/main\""] {
        assert!(record.log.contains(text), "`{text}` is not in\n{}", record.log);
    }
}

#[test]
fn a_canceled_job_ends_its_step() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1").set(RETURN_RESULT, "true");
    let ready = runner.path("ready");
    let id = stage.github.offer(job().run(&format!("touch {}; sleep 60", ready.display())));
    let started = runner.start();
    until("the step runs", || ready.exists());
    stage.github.cancel(id);
    let ended = started.end();
    let record = stage.until_done(id);
    assert_eq!((record.result(), ended.code), (Some(JobResult::Canceled), Some(103)));
    assert!(conclusions(&record).iter().any(|(_, conclusion)| *conclusion == Conclusion::Cancelled));
}

#[test]
fn a_job_that_was_taken_away_is_abandoned() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1").set(RETURN_RESULT, "1");
    let ready = runner.path("ready");
    let id = stage.github.offer(job().run(&format!("touch {}; sleep 60", ready.display())));
    let started = runner.start();
    until("the step runs", || ready.exists());
    stage.github.change_options(|options| options.lost_after = Duration::ZERO);
    let ended = started.end();
    assert_eq!(ended.code, Some(105));
    assert_eq!(known_lines(&ended).last(), Some(&"Job build completed with result: Abandoned"));
    assert!(stage.until_done(id).lost);
}

#[test]
fn a_second_session_of_one_runner_is_a_conflict() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1");
    let first = runner.start();
    first.until_listening();
    let second = runner.start().end();
    assert_eq!(second.code, Some(5));
    assert!(second.stderr.contains("A session for this runner already exists."), "{}", second.stderr);
    first.send(Signal::INT);
    assert_eq!(first.end().code, Some(0));
}

#[test]
fn a_version_that_is_too_old_has_its_own_code_when_asked_for() {
    let options = Options { minimum_runner_version: Some("2.336.0".to_owned()), ..Options::default() };
    let stage = Stage::new(options);
    for (switch, code) in [("1", 7), ("0", 1)] {
        let ended = stage.runner(&format!("oven-{switch}")).set(RETURN_DEPRECATED, switch).start().end();
        assert_eq!(ended.code, Some(code));
        assert!(ended.stderr.contains("is deprecated and cannot receive messages"), "{}", ended.stderr);
    }
}

#[test]
fn a_registration_that_is_gone_ends_the_runner() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1");
    stage.remove(&runner);
    let ended = runner.start().end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let runner = stage.runner("oven-2");
    let started = runner.start();
    started.until_listening();
    stage.remove(&runner);
    assert_eq!(started.end().code, Some(0));
    assert!(!runner.path(".runner").exists());
}

#[test]
fn an_idle_runner_ends_by_signal_and_closes_its_session() {
    let stage = Stage::new(Options::default());
    for (name, signal, code) in [("oven-1", Signal::TERM, 143), ("oven-2", Signal::INT, 0)] {
        let runner = stage.runner(name);
        let started = runner.start();
        started.until_listening();
        started.send(signal);
        assert_eq!(started.end().code, Some(code));
        assert!(stage.github.runners().iter().all(|runner| !runner.is_online()));
        assert!(runner.path(".runner").exists(), "it has not had its job");
    }
    stage.assert_proper();
}

#[test]
fn a_signal_under_a_job_fails_the_job_and_skips_its_hook() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1").set(RETURN_RESULT, "1");
    let (ready, hook) = (runner.path("ready"), runner.path("completed.sh"));
    fs::write(&hook, "echo completed").unwrap();
    let runner = runner.set("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", hook.to_str().unwrap());
    let id = stage.github.offer(job().run(&format!("touch {}; sleep 60", ready.display())));
    let started = runner.start();
    until("the step runs", || ready.exists());
    started.send(Signal::TERM);
    let ended = started.end();
    let record = stage.until_done(id);
    assert_eq!((record.result(), ended.code), (Some(JobResult::Failed), Some(143)));
    assert!(conclusions(&record).contains(&("Complete runner", Conclusion::Skipped)));
    assert_eq!(known_lines(&ended).last(), Some(&"Job build completed with result: Canceled"));
}

#[test]
fn a_service_that_is_gone_is_an_error_that_can_be_tried_again() {
    let stage = Stage::new(Options::default());
    let runner = stage.runner("oven-1");
    let started = runner.start();
    started.until_listening();
    drop(stage.github);
    let ended = started.end();
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stderr.matches("Runner connect error").count(), 1, "{}", ended.stderr);
}
