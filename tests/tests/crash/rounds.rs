//! The rounds: one small change, one job that loses a process, one job that must go well.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use hearth_tests::family::{described, guard_of, kill, marked_with, started_by};
use hearth_tests::job::Ran;
use hearth_tests::wait::{PATIENCE, is_reached};
use hearth_tests::world::World;

use super::books::{self, Seen, Witness};
use super::plan::{ENDED, LEASED, Moment, Profile, Round, STARTED, Victim, rounds};
use super::project::Project;

const ROUNDS: usize = 50;
const SEED: u64 = 2026;
/// A guard without an owner gives its processes a second, then ends them.
const GUARD_ENDS_WITHIN: Duration = Duration::from_secs(15);

#[test]
fn whatever_is_killed_nothing_runs_on_and_no_minute_and_no_change_is_lost() {
    let world = World::new();
    let mut project = Project::new(&world);
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut witness = Witness::default();
    let mut struck: BTreeMap<Victim, usize> = BTreeMap::new();
    for (number, round) in rounds(ROUNDS, &mut random).into_iter().enumerate() {
        project.change(round.change, 1000 + number as u64);
        println!("round {number}: {round:?}");
        let has_struck = strike(&world, &project, round, &mut witness);
        *struck.entry(round.victim).or_default() += usize::from(has_struck);
        if round.victim != Victim::ExecAndGuard {
            expect_nothing_left(&world, GUARD_ENDS_WITHIN);
        }
        go_well(&world, &project, round.profile, &mut witness);
        expect_nothing_left(&world, Duration::ZERO);
        let book = books::open(world.state());
        books::check(&book, &witness);
        check_snapshots(&world, &book);
    }
    println!("{ROUNDS} rounds, struck: {struck:?}");
    for (victim, count) in struck {
        assert!(count >= 4, "{victim:?} was struck {count} times only");
    }
}

/// Runs a job and kills the round's victim at the round's moment; says whether it was still there.
fn strike(world: &World, project: &Project, round: Round, witness: &mut Witness) -> bool {
    let began = Instant::now();
    let call = world.exec(&project.repository).env("HEARTH_LOG", "debug");
    let (running, lines) = call.args(["--", "sh", "-c", round.profile.script()]).start_told();
    let (exec, mut guard, mut said) = (running.pid(), None, String::new());
    let is_moment = wait_for(round.moment, &lines, &mut said, || guard = guard.or_else(|| guard_of(exec)));
    let victims = match (round.victim, guard) {
        _ if !is_moment => Vec::new(),
        (Victim::Exec, _) => vec![exec],
        (Victim::ExecAndGuard, guard) => guard.into_iter().chain([exec]).collect(),
        (Victim::Guard, guard) => guard.into_iter().collect(),
        (Victim::Command, guard) => guard.and_then(|guard| started_by(guard, "sh")).into_iter().collect(),
        (Victim::Daemon, guard) => guard.and_then(|guard| started_by(guard, "sccache")).into_iter().collect(),
    };
    let has_struck = !victims.is_empty() && victims.into_iter().all(kill);
    let ran = running.wait();
    let rest: Vec<String> = match ran.status.code() {
        // It has ended all its processes, so the lines end too.
        Some(_) => lines.iter().collect(),
        None => lines.try_iter().collect(),
    };
    said.extend(rest.into_iter().map(|line| line + "\n"));
    let expected = match round.victim {
        _ if !has_struck => vec![Some(0)],
        // It may have been over already, but for its shadow.
        Victim::Exec | Victim::ExecAndGuard => vec![None, Some(0)],
        // Ended with its guard, before it was started, or after all was over.
        Victim::Guard => vec![Some(137), Some(125), Some(0)],
        // The shell, or the program that it had become.
        Victim::Command => vec![Some(137), Some(0)],
        Victim::Daemon => vec![Some(0)],
    };
    assert!(expected.contains(&ran.status.code()), "{round:?}: {:?} instead of {expected:?}\n{ran}", ran.status);
    if ran.status.success() {
        assert_eq!(ran.stdout, project.says(), "{round:?}\n{ran}");
    }
    let has_lost_guard = has_struck && matches!(round.victim, Victim::Guard | Victim::ExecAndGuard);
    note(witness, &ran, &said, has_lost_guard, began.elapsed());
    has_struck
}

/// Reads on until the moment has come; `false` when the job was over before. `on_line` is called after the first line.
fn wait_for(moment: Moment, lines: &Receiver<String>, said: &mut String, mut on_line: impl FnMut()) -> bool {
    let mut at = None;
    loop {
        let line = match at {
            None => lines.recv_timeout(PATIENCE),
            Some(at) => lines.recv_timeout(at - Instant::now().min(at)),
        };
        match line {
            Ok(line) => {
                on_line();
                said.push_str(&line);
                said.push('\n');
                match moment {
                    Moment::Said(words) if line.contains(words) => return true,
                    Moment::After(wait) if line.contains(LEASED) => at = Some(Instant::now() + wait),
                    _ => {}
                }
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// A job that nobody disturbs builds what its sources say.
fn go_well(world: &World, project: &Project, profile: Profile, witness: &mut Witness) {
    let began = Instant::now();
    let ran = world.exec(&project.repository).env("HEARTH_LOG", "debug").sh(profile.script()).expect_success();
    assert_eq!(ran.stdout, project.says(), "{ran}");
    note(witness, &ran, &ran.stderr, false, began.elapsed());
}

fn note(witness: &mut Witness, ran: &Ran, said: &str, has_lost_guard: bool, wall: Duration) {
    let leased = said.lines().find(|line| line.contains(LEASED));
    let Some((_, id)) = leased.and_then(|line| line.rsplit_once("job.execution=")) else {
        witness.unnamed += 1;
        return;
    };
    let seen = Seen {
        was_started: said.contains(STARTED),
        has_ended: said.contains(ENDED),
        has_lost_guard,
        wall,
        code: ran.status.code(),
    };
    assert!(witness.jobs.insert(id.to_owned(), seen).is_none(), "execution {id} was named twice");
}

/// No process of any job of this world is alive.
fn expect_nothing_left(world: &World, within: Duration) {
    let book = books::open(world.state());
    let ids: Vec<String> = books::all(&book).iter().map(|row| row.id.to_string()).collect();
    let left = || marked_with(|id| ids.iter().any(|known| known == id));
    let is_clean = is_reached(within, || left().is_empty());
    assert!(is_clean, "left over: {:#?}", left().into_iter().map(described).collect::<Vec<_>>());
}

/// Every snapshot comes from a job that ended well. One that upkeep removes meanwhile is no snapshot any more.
fn check_snapshots(world: &World, book: &hearth_ledger::Book) {
    let good = books::succeeded(book);
    for snapshot in world.snapshots() {
        let Ok(record) = fs::read(snapshot.path().join("snapshot.json")) else { continue };
        let record: serde_json::Value = serde_json::from_slice(&record).expect("a record is JSON");
        let execution = record["execution"].as_str().expect("a record names its execution");
        assert!(good.contains(execution), "snapshot {} comes from {execution}, which did not succeed", snapshot.id());
    }
}
