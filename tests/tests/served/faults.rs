//! Many jobs while everything goes wrong that can go wrong at GitHub: each runs once, each is in the books, and nothing
//! is left over. A seed repeats its plan of faults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fake_github::runner_protocol::JobResult;
use fake_github::{FaultKind, Faults, Flow, JobRecord, Options, RequestIds, ScaleSetRecord};
use hearth_tests::environment::Environment;
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{Machine, Served};

use crate::books::{Witness, each_ran_once};
use crate::left::nothing_is_left;

const SLOTS: u16 = 4;
/// Of a run at full length, and of the one that every change goes through.
const JOBS: usize = 200;
const FEW_JOBS: usize = 60;
const SEED: u64 = 1;
/// While no more wait than these, new ones are offered.
const LOW_WATER: usize = 4;
const LARGEST_RUN: usize = 12;
/// Of the calls that a kind can befall; the rare ones befall calls that are rare.
const RATE: f64 = 0.03;
const RATE_OF_RARE_CALLS: f64 = 0.08;
/// What fails again and again is waited out for minutes, as it should be: that is for other tests.
const MOST_OF_A_KIND: u64 = 12;
const ON_RARE_CALLS: [FaultKind; 4] =
    [FaultKind::SessionConflict, FaultKind::ClockSkew, FaultKind::SecondaryLimit, FaultKind::Forbidden];

/// How the machine hears of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Assigned,
    Acquired,
    Polled,
}

impl Way {
    const ALL: [Self; 3] = [Self::Assigned, Self::Acquired, Self::Polled];

    fn of(seed: u64) -> Self {
        let index = usize::try_from(seed % 3).expect("a small number");
        Self::ALL[index]
    }

    fn settings(self) -> &'static str {
        match self {
            Self::Assigned | Self::Acquired => "",
            Self::Polled => "demand = \"polling\"\nrepositories = [\"acme/widgets\"]",
        }
    }
}

fn faults(seed: u64, way: Way) -> Faults {
    // REST is no rare call where everything is heard by it.
    let is_rare = |kind| way != Way::Polled && ON_RARE_CALLS.contains(&kind);
    let rate = |kind| if is_rare(kind) { RATE_OF_RARE_CALLS } else { RATE };
    let faults = Faults::random(seed).at_most(MOST_OF_A_KIND);
    FaultKind::ALL.into_iter().fold(faults, |faults, kind| faults.rate(kind, rate(kind)))
}

fn machine(seed: u64, way: Way) -> Machine {
    let life = Duration::from_secs(30);
    let options = Options {
        faults: faults(seed, way),
        flow: if way == Way::Acquired { Flow::Acquire } else { Flow::Assign },
        request_ids: if seed.is_multiple_of(2) { RequestIds::Kept } else { RequestIds::NewEachTime },
        // Everything as GitHub does it, but sooner.
        poll_hold: Duration::from_millis(500),
        slow_answer: Duration::from_millis(500),
        retry_after: Duration::from_secs(1),
        redeliver_after: Duration::from_millis(200),
        session_idle: Duration::from_secs(3),
        pickup_limit: Duration::from_secs(10),
        assigned_again: u32::MAX,
        installation_token_life: life,
        admin_token_life: life,
        queue_token_life: life,
        ..Options::default()
    };
    Machine { slots: SLOTS, idle_limit: "4s", github: way.settings().to_owned(), options, ..Machine::default() }
}

/// What the jobs are like: most are plain, some fail, some leave a process behind that does not want to be found.
fn script(random: &mut fastrand::Rng) -> (&'static str, JobResult) {
    match random.u8(0..6) {
        0 => ("exit 3", JobResult::Failed),
        1 => ("RUNNER_TRACKING_ID= setsid sleep 600 > /dev/null 2>&1 &", JobResult::Succeeded),
        2 => ("sleep 0.5", JobResult::Succeeded),
        _ => ("true", JobResult::Succeeded),
    }
}

fn unfinished(jobs: &[JobRecord]) -> usize {
    jobs.iter().filter(|job| !job.is_done()).count()
}

/// Offers all jobs, run by run, and waits for the last one.
fn offer_all(served: &mut Served, count: usize, random: &mut fastrand::Rng) -> Vec<Witness> {
    let mut witnesses = Vec::new();
    loop {
        let waiting = unfinished(&served.github.jobs());
        if witnesses.len() < count && waiting <= LOW_WATER {
            let size = random.usize(1..=LARGEST_RUN).min(count - witnesses.len());
            let (mut run, mut expected) = (Vec::new(), Vec::new());
            for number in witnesses.len()..witnesses.len() + size {
                let (script, ends) = script(random);
                let (job, marks) = Witness::job(served, number, script);
                run.push(job);
                expected.push((marks, ends));
            }
            let jobs = served.github.offer_run(run).into_iter().zip(expected);
            witnesses.extend(jobs.map(|(job, (marks, ends))| Witness::of(job, marks, ends)));
        } else if waiting == 0 {
            return witnesses;
        } else {
            served.until("one more job that is done", |state| {
                state.jobs().filter(|job| !job.is_done()).count() < waiting
            });
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures of a run are what it is for")]
fn check(seed: u64, way: Way, count: usize) -> BTreeMap<FaultKind, u64> {
    let began = Instant::now();
    let mut served = Served::start(&machine(seed, way));
    let mut random = fastrand::Rng::with_seed(seed);
    let witnesses = offer_all(&mut served, count, &mut random);
    let took = began.elapsed();
    served.github.set_faults(Faults::none());
    let struck = served.github.faults();
    served.idle();
    let left = served.github.runners().len();
    // The next daemon sweeps at its start, and not only every ten minutes.
    served.stop();
    served.up();
    served.until("a sweep", |state| state.runners().next().is_none());
    served.stop();
    nothing_is_left(&mut served);
    assert!(!served.github.read(|state| state.scale_sets().any(ScaleSetRecord::has_session)), "seed {seed}");
    each_ran_once(&served, &witnesses, &BTreeSet::new());
    nothing_is_violated(&served.github);
    let faults: u64 = struck.values().sum();
    println!(
        "seed {seed}, {way:?}: {count} jobs in {} s, {faults} faults of {} kinds, {left} registrations swept",
        took.as_secs(),
        struck.len(),
    );
    struck
}

#[test]
fn whatever_goes_wrong_at_github_each_job_runs_once_and_nothing_is_left() {
    let Some(seeds) = Environment::of_this_process().fault_seeds() else {
        let struck = check(SEED, Way::Assigned, FEW_JOBS);
        assert!(struck.len() >= 10, "it was too kind: {struck:?}");
        return;
    };
    let is_full = seeds.end() - seeds.start() >= Way::ALL.len() as u64;
    let struck: BTreeSet<FaultKind> = seeds.flat_map(|seed| check(seed, Way::of(seed), JOBS).into_keys()).collect();
    let missing: Vec<_> = FaultKind::ALL.into_iter().filter(|kind| !struck.contains(kind)).collect();
    assert!(!is_full || missing.is_empty(), "never struck: {missing:?}");
}
