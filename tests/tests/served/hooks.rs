//! What a job can do to the hooks, and what becomes of one whose hooks cannot call.

use std::fs;

use fake_github::Job;
use fake_github::runner_protocol::JobResult;
use hearth_ledger::State;
use hearth_model::Event;
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{Machine, Served};
use hearth_tests::wait::until;

use crate::books::ledger;

#[test]
fn a_job_that_plays_with_the_hooks_changes_nothing() {
    let mut served = Served::start(&Machine::default());
    let program = served.world.program().display().to_string();
    let forge = "import socket, os, struct\n\
        for body in [b'\\xff' * 4096, struct.pack('<I', 1 << 30), struct.pack('<I', 5) + b'nope!', b'']:\n    \
        s = socket.socket(socket.AF_UNIX); s.connect(os.environ['HEARTH_HOOK_SOCKET'])\n    \
        try:\n        s.sendall(body); s.shutdown(socket.SHUT_WR); print('ANSWER', s.recv(100))\n    \
        except OSError: print('ANSWER', b'')\n";
    let script = format!(
        "export GITHUB_REPOSITORY=acme/secret GITHUB_REF=refs/heads/main\n\
         {program} hook started; echo CODE $?\n\
         {program} hook completed; echo CODE $?\n\
         HEARTH_HOOK_SOCKET=/nowhere {program} hook started; echo CODE $?\n\
         python3 - <<'END'\n{forge}END\n"
    );
    let job = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run(&script));
    served.done(&[job]);
    served.idle();
    let record = served.github.job(job).unwrap();
    assert_eq!(record.result(), Some(JobResult::Succeeded), "{}", record.log);
    assert!(record.log.contains("this runner's job has been started already"), "{}", record.log);
    assert_eq!(record.log.matches("Z CODE 0").count(), 3, "{}", record.log);
    assert_eq!(record.log.matches("Z ANSWER b''").count(), 4, "{}", record.log);
    let rows = ledger(&served.world);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert!(rows[0].facts.as_ref().unwrap().repository.ends_with("/acme/widgets"));
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_job_whose_hooks_cannot_call_runs_and_is_booked() {
    let mut served = Served::start(&Machine::default());
    // A runner that waits: its job is cancelled before it can take it.
    let first = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run("true"));
    until("a registered runner", || !served.github.runners().is_empty());
    served.github.cancel(first);
    until("a runner that waits", || served.records() == ["started"]);
    // What the hooks call is gone from now on.
    fs::remove_file(served.world.program()).unwrap();
    let job = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run("echo ran"));
    served.done(&[job]);
    served.idle();
    let record = served.github.job(job).unwrap();
    assert_eq!(record.result(), Some(JobResult::Succeeded), "{}", record.log);
    let rows = ledger(&served.world);
    let booked = rows.iter().find(|row| row.state == State::Ended && row.facts.is_some());
    let booked = booked.unwrap_or_else(|| panic!("{rows:#?}\n{}", served.said()));
    let facts = booked.facts.as_ref().unwrap();
    assert_eq!((booked.billable_minutes(), &facts.event), (Some(1), &Event::Other("unknown".to_owned())));
    nothing_is_violated(&served.github);
}
