//! Everything that the dashboard shows, read at one moment. Each part is read by itself: one that fails is a sentence
//! in its own place.

use hearth_cache_server::{Node, NodeStatus};
use hearth_host::clones::Means;
use hearth_ledger::{Execution, LedgerError};
use hearth_model::{Bytes, SlotNumber, Timestamp};

use super::month::Month;
use crate::app::App;
use crate::dispatch::{Control, PlaceFigures};
use crate::jobs::{OpenJob, job_in, open_jobs};
use crate::journey::chain;
use crate::slots::{self, Occupancy, Record};
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
    pub(super) forge: Forge,
}

/// What this machine has to do with GitHub.
#[derive(Debug)]
pub(super) struct Forge {
    pub(super) is_draining: bool,
    pub(super) places: Vec<PlaceFigures>,
    /// Or why it is not known who is in the slot.
    pub(super) runners: Vec<(SlotNumber, Part<Record>)>,
}

#[derive(Debug)]
pub(super) struct Jobs {
    /// Oldest first.
    pub(super) open: Vec<OpenJob>,
    /// Closed ones, the newest first.
    pub(super) recent: Vec<Execution>,
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
    pub(super) fn read(app: &App, node: &Node, control: &Control) -> Self {
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
            forge: forge(app, control),
        }
    }

    /// The job that is in a slot, when the ledger knows it.
    pub(super) fn job_in(&self, slot: SlotNumber) -> Option<&OpenJob> {
        job_in(&self.jobs.as_ref().ok()?.open, slot)
    }
}

impl WarmTargets {
    /// What the snapshots take together with the clones that are ready.
    pub(super) fn bytes(&self) -> Bytes {
        self.snapshots.iter().map(ListedSnapshot::with_clone).sum()
    }
}

fn jobs(app: &App) -> Result<Jobs, LedgerError> {
    let open = open_jobs(&app.book)?;
    // The newest are asked for together with the open ones among them.
    let mut recent = app.book.recent(RECENT + open.len())?;
    recent.retain(|execution| !execution.state.is_open());
    recent.truncate(RECENT);
    Ok(Jobs { open, recent })
}

fn forge(app: &App, control: &Control) -> Forge {
    let records = slots::records(&app.places, app.settings.file.slots.count).into_iter();
    let runners = records.map(|(slot, record)| (slot, record.map_err(|error| chain(&error)))).collect();
    Forge { is_draining: control.is_draining(), places: control.places(), runners }
}

fn targets(app: &App) -> Part<WarmTargets> {
    let mut snapshots = app.targets.snapshots().map_err(|error| chain(&error))?;
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.used_at));
    Ok(WarmTargets { snapshots, budget: app.settings.file.targets.budget.0, means: app.targets.means() })
}
