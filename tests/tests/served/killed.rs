//! kill -9 at every state of a slot: of the daemon, of the keeper, of both.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_github::{FaultKind, Injection, ScaleSetRecord};
use hearth_ledger::State;
use hearth_model::{EndBasis, Outcome};
use hearth_tests::family::{self, marked_with};
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::Served;
use hearth_tests::wait::{is_reached, until};
use rustix::process::Signal;

use crate::books::{Witness, each_ran_once, ledger};
use crate::left::nothing_is_left;
use crate::moments::{Gate, REGISTER, count, idle_runner, machine, reach};

const STATES: [&str; 5] = ["intent", "registered", "started", "busy", "finished"];
/// Each state is to be struck so many times, and may pass too quickly so many times.
const BLOWS: usize = 4;
const MISSES: usize = 20;
/// A guard without an owner gives its processes a second, then ends them.
const GUARD_ENDS_WITHIN: Duration = Duration::from_secs(15);

/// One slot has a job that runs through all of it; the other is brought into the state, and the daemon killed.
fn strike(served: &mut Served, state: &str, number: usize) -> (Vec<Witness>, Gate) {
    let gate = Gate::new(served, number);
    let long = Witness::offer(served, number, &gate.script());
    until("a job that runs", || long.has_begun());
    reach(served, "busy", 1);
    let own_gate = Gate::new(served, number + 1);
    if state == "intent" {
        served.github.inject(Injection::of(FaultKind::SlowAnswer).on(REGISTER));
    }
    let probe = Witness::offer(served, number + 1, &own_gate.script());
    match state {
        "busy" => reach(served, "busy", 2),
        "finished" => {
            reach(served, "busy", 2);
            // A daemon that hears nothing cleans nothing up.
            served.daemon().signal(Signal::STOP);
            own_gate.open();
            reach(served, "finished", 1);
        }
        // Too short to be met for sure: the caller looks whether it was.
        _ => until("the state, or a later one", || count(served, state) > 0 || count(served, "busy") == 2),
    }
    served.kill();
    own_gate.open();
    (vec![long, probe], gate)
}

#[test]
fn a_daemon_that_is_killed_in_any_state_loses_and_doubles_nothing() {
    let mut served = Served::start(&machine(2));
    let (mut witnesses, mut ready) = (Vec::new(), Vec::new());
    for state in STATES {
        let (mut blows, mut misses) = (0, 0);
        while blows < BLOWS {
            let (jobs, gate) = strike(&mut served, state, witnesses.len());
            let was_met = state == "busy" || count(&served, state) > 0;
            blows += usize::from(was_met);
            misses += usize::from(!was_met);
            assert!(misses <= MISSES, "{state} was met {blows} times only");
            ready.push(served.up());
            gate.open();
            let ids: Vec<_> = jobs.iter().map(|witness| witness.job).collect();
            witnesses.extend(jobs);
            served.done(&ids);
            served.idle();
        }
        println!("{state}: {blows} blows, {misses} misses");
    }
    served.until("a sweep", |state| state.runners().next().is_none());
    nothing_is_left(&mut served);
    each_ran_once(&served, &witnesses, &BTreeSet::new());
    served.stop();
    assert!(!served.github.read(|state| state.scale_sets().any(ScaleSetRecord::has_session)));
    nothing_is_violated(&served.github);
    ready.sort();
    let percent = |share: usize| ready[(ready.len() * share).div_ceil(100) - 1].as_millis();
    println!("ready again in {} ms (p50), {} ms (p95), {} restarts", percent(50), percent(95), ready.len());
}

/// Whom a blow hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victims {
    Keeper,
    KeeperAndDaemon,
}

fn kill(served: &mut Served, victims: Victims) {
    let runners = served.runners();
    let keeper = runners.iter().find_map(|record| record["state"]["keeper"]["pid"].as_u64());
    let keeper = keeper.and_then(|pid| u32::try_from(pid).ok()).expect("a keeper stands in the record");
    assert!(family::kill(keeper), "the keeper lives");
    if victims == Victims::KeeperAndDaemon {
        served.kill();
        served.up();
    }
}

fn check_keeper(victims: Victims) {
    let mut served = Served::start(&machine(1));
    idle_runner(&mut served);
    kill(&mut served, victims);
    served.idle();
    served.until("no registration", |state| state.runners().next().is_none());
    assert!(ledger(&served.world).is_empty(), "a runner without a job has no execution");

    let stubborn = "trap '' TERM\nRUNNER_TRACKING_ID= setsid sleep 600 > /dev/null 2>&1 &\n";
    let gate = Gate::new(&served, 1);
    let lost = Witness::offer(&served, 1, &format!("{stubborn}{}", gate.script()));
    until("a job that runs", || lost.has_begun());
    reach(&mut served, "busy", 1);
    kill(&mut served, victims);
    served.idle();
    let marks = lost.executions();
    let left = || marked_with(|id| marks.iter().any(|mark| mark == id));
    assert!(is_reached(GUARD_ENDS_WITHIN, || left().is_empty()), "{:?}: {:?}", victims, left());
    let rows = ledger(&served.world);
    let [row] = rows.as_slice() else { unreachable!("one job was there, and not {rows:#?}") };
    let end = (row.state, row.outcome, row.end_basis);
    assert_eq!(end, (State::Ended, Some(Outcome::Lost), EndBasis::Heartbeat), "{row:#?}");
    assert_eq!([row.id.to_string()].as_slice(), marks);

    let later = Witness::offer(&served, 2, "true");
    served.done(&[later.job]);
    served.idle();
    // GitHub misses the lost runner after a while and calls its job failed; only then it can be swept.
    served.done(&[lost.job]);
    served.stop();
    served.up();
    served.until("a sweep", |state| state.runners().next().is_none());
    nothing_is_left(&mut served);
    each_ran_once(&served, &[later], &marks.into_iter().collect());
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_keeper_that_is_killed_leaves_nothing_but_a_lost_execution() {
    check_keeper(Victims::Keeper);
}

#[test]
fn a_keeper_that_is_killed_with_its_daemon_leaves_nothing_but_a_lost_execution() {
    check_keeper(Victims::KeeperAndDaemon);
}
