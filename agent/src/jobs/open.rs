//! Jobs that nobody has closed, and whether somebody still looks after them.

use hearth_host::processes;
use hearth_ledger::{Book, Execution, LedgerError, Place};
use hearth_model::{SlotNumber, Timestamp};

#[derive(Debug)]
pub struct OpenJob {
    pub execution: Execution,
    pub owner: Owner,
}

/// Whether the process that looks after a job still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Alive,
    Gone,
}

impl Owner {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Gone => "gone",
        }
    }
}

impl OpenJob {
    pub fn of(execution: Execution) -> Self {
        Self { owner: execution.place.as_ref().map_or(Owner::Alive, owner), execution }
    }

    pub fn slot(&self) -> Option<SlotNumber> {
        self.execution.place.as_ref().map(|place| place.slot)
    }

    /// Since when it runs, or waits to.
    pub fn since(&self) -> Option<Timestamp> {
        self.execution.started_at.or(self.execution.accepted_at)
    }
}

/// All of them, the oldest first.
pub fn open_jobs(book: &Book) -> Result<Vec<OpenJob>, LedgerError> {
    Ok(book.open_executions()?.into_iter().map(OpenJob::of).collect())
}

/// The one that is in a slot.
pub fn job_in(open: &[OpenJob], slot: SlotNumber) -> Option<&OpenJob> {
    open.iter().rev().find(|job| job.owner == Owner::Alive && job.slot() == Some(slot))
}

fn owner(place: &Place) -> Owner {
    let owner = place.owner.clone();
    let identity =
        processes::Identity { pid: owner.pid, start_ticks: owner.process_start_ticks, boot_id: owner.boot_id };
    if processes::is_alive(&identity) { Owner::Alive } else { Owner::Gone }
}
