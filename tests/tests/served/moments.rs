//! How a test brings a slot into a state and keeps it there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fake_github::{FaultKind, Injection, Options};
use hearth_tests::served::{Machine, Served};

use crate::books::Witness;

/// Registers a runner.
pub(crate) const REGISTER: &str = "/generatejitconfig";

/// Long answers are held for long enough to do something meanwhile.
pub(crate) fn machine(slots: u16) -> Machine {
    let options = Options {
        poll_hold: Duration::from_secs(1),
        slow_answer: Duration::from_secs(2),
        session_idle: Duration::from_secs(10),
        pickup_limit: Duration::from_secs(10),
        assigned_again: u32::MAX,
        ..Options::default()
    };
    Machine { slots, options, ..Machine::default() }
}

/// What a job waits for.
#[derive(Debug)]
pub(crate) struct Gate(PathBuf);

impl Gate {
    pub(crate) fn new(served: &Served, number: usize) -> Self {
        Self(served.world.path(&format!("gate-{number}")))
    }

    /// A script that ends when the gate is open.
    pub(crate) fn script(&self) -> String {
        format!("until test -e '{}'; do sleep 0.02; done", self.path().display())
    }

    pub(crate) fn open(&self) {
        fs::write(&self.0, "").expect("a file can be written");
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

/// How many slots are in this state.
pub(crate) fn count(served: &Served, state: &str) -> usize {
    served.records().iter().filter(|is| *is == state).count()
}

/// Waits until so many slots are in this state.
#[track_caller]
pub(crate) fn reach(served: &mut Served, state: &str, slots: usize) {
    if !hearth_tests::wait::is_reached(hearth_tests::wait::PATIENCE, || count(served, state) >= slots) {
        unreachable!("{slots} slots that are {state}: {:?}\n{}", served.records(), served.said());
    }
}

/// A runner that has no job and waits for one: the job that it was meant for is canceled while it is registered.
pub(crate) fn idle_runner(served: &mut Served) {
    served.github.inject(Injection::of(FaultKind::SlowAnswer).on(REGISTER));
    let before = served.github.runners().len();
    let (job, _marks) = Witness::job(served, 0, "true");
    let job = served.github.offer(job);
    served.until("a registration", |state| state.runners().count() > before);
    served.github.cancel(job);
    served.until("an idle runner", |state| {
        state.runners().any(|runner| runner.is_online() && !runner.busy && runner.job.is_none())
    });
    reach(served, "started", 1);
}
