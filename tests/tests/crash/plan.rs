//! Which process is killed at which moment. Every pair that can be stands in the plan, and moments between the steps
//! beside them. The same seed gives the same plan.

use std::time::Duration;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Exec,
    Guard,
    ExecAndGuard,
    Command,
    Daemon,
}

/// When it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Upon the first line with these words.
    Said(&'static str),
    /// So long after the job's lease, or at its end when that comes first.
    After(Duration),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) victim: Victim,
    pub(crate) moment: Moment,
    /// The place in the project that is changed before.
    pub(crate) change: usize,
    /// Release builds ask the compile cache, development builds are incremental and do not.
    pub(crate) profile: Profile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    /// Builds the project and runs what was built.
    pub(crate) fn script(self) -> &'static str {
        match self {
            Self::Dev => "cargo build --offline && target/debug/app",
            Self::Release => "cargo build --offline --release && target/release/app",
        }
    }
}

pub(crate) const LEASED: &str = "job step: leased";
pub(crate) const STARTED: &str = "job step: started";
pub(crate) const ENDED: &str = "job step: ended";
const PREPARED: &str = "job step: prepared";
const SWEPT: &str = "job step: swept";
const RECORDED: &str = "job step: recorded";
/// Between started and ended: in the middle of the build, and in its last unit.
const BUILDING: &str = "Compiling leaf";
const LINKING: &str = "Compiling app";

const ALL_STEPS: [&str; 8] = [LEASED, PREPARED, STARTED, BUILDING, LINKING, ENDED, SWEPT, RECORDED];
const VICTIMS: [(Victim, &[&str]); 5] = [
    (Victim::Exec, &ALL_STEPS),
    (Victim::ExecAndGuard, &ALL_STEPS),
    // After the sweep there is no guard, and no daemon and no command of the job.
    (Victim::Guard, &[LEASED, PREPARED, STARTED, BUILDING, LINKING, ENDED]),
    (Victim::Command, &[STARTED, BUILDING, LINKING]),
    (Victim::Daemon, &[PREPARED, STARTED, BUILDING, LINKING, ENDED]),
];

/// `count` rounds: every pair once, then moments between the steps.
pub(crate) fn rounds(count: usize, random: &mut fastrand::Rng) -> Vec<Round> {
    let pairs = VICTIMS.iter().flat_map(|(victim, steps)| steps.iter().map(|step| (*victim, Moment::Said(step))));
    let mut chosen: Vec<_> = pairs.collect();
    assert!(chosen.len() <= count, "{} pairs do not go into {count} rounds", chosen.len());
    while chosen.len() < count {
        let victim = VICTIMS[random.usize(..VICTIMS.len())].0;
        chosen.push((victim, Moment::After(Duration::from_millis(random.u64(0..600)))));
    }
    random.shuffle(&mut chosen);
    let round = |(victim, moment)| {
        // Its units are those that the moment waits for.
        let change = if moment == Moment::Said(BUILDING) { 1 } else { random.usize(..super::project::PLACES) };
        let profile = if victim == Victim::Daemon || random.bool() { Profile::Release } else { Profile::Dev };
        Round { victim, moment, change, profile }
    };
    chosen.into_iter().map(round).collect()
}
