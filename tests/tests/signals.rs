//! A person or the machine asks a job to stop: who is told, how often, how long the job may take, and what comes of it.
//! Whatever a job has started ends with it.

use std::time::{Duration, Instant};

use hearth_tests::family::marked_with;
use hearth_tests::job::Ran;
use hearth_tests::repository::Repository;
use hearth_tests::skip::{has_programs, skipped};
use hearth_tests::wait::until;
use hearth_tests::world::World;
use rustix::process::Signal;

/// How long a stubborn job may go on where a test sets it, and the default.
const SHORT_GRACE: Duration = Duration::from_secs(1);
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Waits for a signal without being able to end before, counts what comes within a moment, and says so.
const COUNTING: &str = "n=0; trap 'n=$((n+1))' INT TERM; echo ready; i=0; \
                        while [ $i -lt 3000 ] && [ $n = 0 ]; do sleep 0.01; i=$((i+1)); done; \
                        sleep 0.2; sleep 0.2; sleep 0.2; echo \"signals: $n\"; exit 7";
const STUBBORN: &str = "trap '' TERM INT; echo ready; sleep 300 & wait; sleep 300";

fn repository(world: &World) -> Repository {
    let repository = world.repository("nothing");
    repository.write("README", "no build\n").commit("first");
    repository
}

/// A world whose jobs get a second between the request to stop and their end.
fn impatient() -> World {
    let world = World::new();
    std::fs::write(world.path("hearth.toml"), "[exec]\nstop_grace = \"1s\"\n").expect("a file can be written");
    let config = world.path("hearth.toml");
    world.with_env("HEARTH_CONFIG", config.to_str().expect("test paths are text"))
}

#[track_caller]
fn expect_outcome(ran: &Ran, how: &str, signal: Option<i64>) {
    assert_eq!(ran.receipt()["outcome"]["how"], how, "{ran}");
    assert_eq!(ran.receipt()["outcome"]["signal"].as_i64(), signal, "{ran}");
    let id = ran.receipt()["execution"].as_str().expect("a receipt names its execution");
    assert!(marked_with(|marked| marked == id).is_empty(), "a process of the job runs on");
}

#[test]
fn a_signal_to_us_reaches_the_job_once_and_its_own_exit_code_stands() {
    let world = World::new();
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2)] {
        let running = world.exec(&repository(&world)).start_sh(COUNTING);
        until("the job", || running.stdout().contains("ready"));
        running.signal(signal);
        let ran = running.wait().expect_code(7);
        assert!(ran.stdout.contains("signals: 1"), "{ran}");
        expect_outcome(&ran, "cancelled", Some(number));
    }
}

#[test]
fn ctrl_c_in_a_terminal_reaches_the_job_once() {
    if !has_programs(&["script"]) {
        return skipped("there is no `script` that makes a pseudo-terminal");
    }
    let world = World::new();
    let repository = repository(&world);
    let job = COUNTING.replace("exit 7", "exit 5");
    std::fs::write(world.path("job.sh"), job).expect("a file can be written");
    // In the place of the shell, which would end by the same signal.
    let hearth = format!(
        "exec {} --state {} exec --repo {} --receipt {} -- sh {}",
        world.program().display(),
        world.state().display(),
        repository.path().display(),
        world.path("receipt.json").display(),
        world.path("job.sh").display()
    );
    // `script` copies what it reads to the terminal, whose line discipline makes a signal of the third character. It
    // must come when the job is there, and the input must not end before the job does.
    let typed = format!(
        "(while ! grep -q ready {log}; do sleep 0.01; done; printf '\\003'; while [ ! -e {receipt} ]; do sleep 0.01; done)",
        log = world.path("terminal.log").display(),
        receipt = world.path("receipt.json").display()
    );
    let script = format!(
        "{typed} | script --quiet --flush --return --command '{hearth}' {}",
        world.path("terminal.log").display()
    );
    std::fs::write(world.path("terminal.log"), "").expect("a file can be written");
    let ran = world.other("sh", repository.path()).args(["-c", &script]).run().expect_code(5);
    let log = std::fs::read_to_string(world.path("terminal.log")).expect("script writes what it saw");
    assert!(log.contains("signals: 1"), "{log}\n{ran}");
    let receipt = std::fs::read(world.path("receipt.json")).expect("a receipt");
    let receipt: serde_json::Value = serde_json::from_slice(&receipt).expect("a receipt is JSON");
    assert_eq!(receipt["outcome"]["how"], "cancelled", "{receipt}");
    assert_eq!(receipt["outcome"]["signal"], 2, "{receipt}");
}

#[test]
fn a_stubborn_job_is_ended_after_its_grace() {
    let world = impatient();
    let running = world.exec(&repository(&world)).start_sh(STUBBORN);
    until("the job", || running.stdout().contains("ready"));
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let ran = running.wait().expect_code(137);
    assert!(asked.elapsed() >= SHORT_GRACE, "{ran}");
    expect_outcome(&ran, "cancelled", Some(15));
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace() {
    let world = World::new();
    let running = world.exec(&repository(&world)).env("HEARTH_LOG", "debug").start_sh(STUBBORN);
    until("the job", || running.stdout().contains("ready"));
    let asked = Instant::now();
    running.signal(Signal::TERM);
    // Two of one kind at once are one to the kernel.
    running.signal(Signal::INT);
    let ran = running.wait().expect_code(137);
    assert!(asked.elapsed() < DEFAULT_GRACE, "{ran}");
    let signal = ran.receipt()["outcome"]["signal"].as_i64();
    assert!(matches!(signal, Some(15 | 2)), "{ran}");
    expect_outcome(&ran, "cancelled", signal);
}

#[test]
fn a_job_that_runs_too_long_is_stopped_and_told_so() {
    let world = impatient();
    let repository = repository(&world);
    for script in ["sleep 300", STUBBORN, "trap 'exit 0' TERM; sleep 300 & wait"] {
        let ran = world.exec(&repository).args(["--time-limit", "1s"]).sh(script).expect_code(124);
        expect_outcome(&ran, "timed_out", None);
        assert!(ran.receipt()["ran_ms"].as_u64() >= Some(1000), "{ran}");
    }
}

#[test]
fn what_a_job_leaves_behind_ends_with_it() {
    let world = World::new();
    let repository = repository(&world);
    for script in [
        "sleep 300 & exit 0",
        "setsid sleep 300 & exit 0",
        "(setsid sh -c 'trap \"\" TERM HUP; sleep 300; sleep 300' &) ; exit 0",
        "nohup sleep 300 >/dev/null 2>&1 & exit 0",
    ] {
        let ran = world.exec(&repository).sh(script).expect_success();
        expect_outcome(&ran, "exited", None);
    }
}

#[test]
fn a_command_that_cannot_be_started_costs_nothing() {
    let world = World::new();
    let repository = repository(&world);
    repository.write("not-executable", "#!/bin/sh\n");
    for (command, code) in [("no-such-command-anywhere", 127), ("./not-executable", 126)] {
        let ran = world.exec(&repository).args(["--", command]).run().expect_code(code);
        assert_eq!(ran.receipt()["billable_minutes"], 0, "{ran}");
        expect_outcome(&ran, "never_started", None);
    }
}
