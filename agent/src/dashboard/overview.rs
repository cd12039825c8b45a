//! Everything that the dashboard shows, read at one moment. Each part is read by itself: one that fails is a sentence
//! in its own place.

use hearth_cache_server::{Node, NodeStatus};
use hearth_host::clones::Means;
use hearth_host::processes;
use hearth_ledger::{Execution, LedgerError, Place};
use hearth_model::{Bytes, SlotNumber, Timestamp};

use super::month::Month;
use crate::app::App;
use crate::journey::chain;
use crate::slots::{self, Occupancy};
use crate::targets::ListedSnapshot;

/// How many of the last jobs are shown.
const RECENT: usize = 20;

/// A part, or why it could not be read.
pub(super) type Part<T> = Result<T, String>;

#[derive(Debug)]
pub(super) struct Overview {
    pub(super) machine: String,
    pub(super) read_at: Timestamp,
    /// The zone of months and of the times on the page.
    pub(super) zone: String,
    pub(super) slots: Vec<(SlotNumber, Occupancy)>,
    pub(super) jobs: Part<Jobs>,
    pub(super) month: Part<Month>,
    pub(super) cache: NodeStatus,
    pub(super) targets: Part<WarmTargets>,
}

#[derive(Debug)]
pub(super) struct Jobs {
    /// Oldest first.
    pub(super) open: Vec<OpenJob>,
    /// Closed ones, the newest first.
    pub(super) recent: Vec<Execution>,
}

#[derive(Debug)]
pub(super) struct OpenJob {
    pub(super) execution: Execution,
    pub(super) owner: Owner,
}

/// Whether the process that looks after a job still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Alive,
    Gone,
}

#[derive(Debug)]
pub(super) struct WarmTargets {
    /// The most recently used first.
    pub(super) snapshots: Vec<ListedSnapshot>,
    pub(super) budget: Bytes,
    pub(super) means: Means,
}

impl Overview {
    /// Reads files and the ledger; for a thread that may wait.
    pub(super) fn read(app: &App, node: &Node) -> Self {
        let now = app.clock.now();
        let zone = &app.settings.file.report.zone;
        Self {
            machine: hearth_host::users::host_name(),
            read_at: now,
            zone: zone.clone(),
            slots: slots::occupancy(&app.places, app.settings.file.slots.count),
            jobs: jobs(app).map_err(|error| chain(&error)),
            month: Month::read(&app.book, now, zone).map_err(|error| chain(&error)),
            cache: node.status(),
            targets: targets(app),
        }
    }

    /// The job that is in a slot, when the ledger knows it.
    pub(super) fn job_in(&self, slot: SlotNumber) -> Option<&OpenJob> {
        let open = &self.jobs.as_ref().ok()?.open;
        open.iter().rev().find(|job| job.owner == Owner::Alive && job.slot() == Some(slot))
    }
}

impl OpenJob {
    pub(super) fn slot(&self) -> Option<SlotNumber> {
        self.execution.place.as_ref().map(|place| place.slot)
    }

    /// Since when it runs, or waits to.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.execution.started_at.or(self.execution.accepted_at)
    }
}

impl WarmTargets {
    /// What the snapshots take together with the clones that are ready.
    pub(super) fn bytes(&self) -> Bytes {
        self.snapshots.iter().map(ListedSnapshot::with_clone).sum()
    }
}

fn jobs(app: &App) -> Result<Jobs, LedgerError> {
    let open = app.book.open_executions()?;
    let open: Vec<OpenJob> = open
        .into_iter()
        .map(|execution| OpenJob { owner: execution.place.as_ref().map_or(Owner::Alive, owner), execution })
        .collect();
    // The newest are asked for together with the open ones among them.
    let mut recent = app.book.recent(RECENT + open.len())?;
    recent.retain(|execution| !execution.state.is_open());
    recent.truncate(RECENT);
    Ok(Jobs { open, recent })
}

fn owner(place: &Place) -> Owner {
    let owner = place.owner.clone();
    let identity =
        processes::Identity { pid: owner.pid, start_ticks: owner.process_start_ticks, boot_id: owner.boot_id };
    if processes::is_alive(&identity) { Owner::Alive } else { Owner::Gone }
}

fn targets(app: &App) -> Part<WarmTargets> {
    let mut snapshots = app.targets.snapshots().map_err(|error| chain(&error))?;
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.used_at));
    Ok(WarmTargets { snapshots, budget: app.settings.file.targets.budget.0, means: app.targets.means() })
}
