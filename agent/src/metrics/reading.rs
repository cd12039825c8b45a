//! Everything that the collector needs, read at one moment in a thread that may wait.

use std::sync::{Arc, Mutex, PoisonError};

use hearth_ledger::{Budgets, Figures, LedgerError, Period, PriceBook, Totals, judge};
use hearth_model::{Bytes, Timestamp};

use super::counters::Counters;
use super::gauges::{BudgetGauge, budgets, verdicts};
use crate::app::App;
use crate::dispatch::{Control, PlaceFigures};
use crate::journey::chain;
use crate::runner::{ListedVersion, VersionsError};
use crate::slots::{self, Occupancy};
use crate::targets::ListedSnapshot;

/// One reading. A part that could not be read is `None`; counters then stay as they were.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) counters: Option<Counters>,
    pub(super) ledger: Option<LedgerGauges>,
    pub(super) slots_free: u64,
    pub(super) slots_busy: u64,
    pub(super) targets: Option<TargetGauges>,
    /// Only machines that take jobs from a forge have any.
    pub(super) runner: Option<Vec<ListedVersion>>,
    pub(super) forge: ForgeGauges,
}

/// What the daemon has to do with forges.
#[derive(Debug)]
pub(super) struct ForgeGauges {
    pub(super) is_draining: bool,
    pub(super) places: Vec<PlaceFigures>,
    /// The place of each runner in a slot, and its state.
    pub(super) runners: Vec<(String, &'static str)>,
}

#[derive(Debug)]
pub(super) struct LedgerGauges {
    pub(super) open: u64,
    /// The newest entry or heartbeat.
    pub(super) last_write: Option<Timestamp>,
    pub(super) budgets: Vec<BudgetGauge>,
    pub(super) verdicts: [(&'static str, u64); 4],
    pub(super) period_end: Timestamp,
}

#[derive(Debug)]
pub(super) struct TargetGauges {
    pub(super) bytes: Bytes,
    pub(super) snapshots: u64,
    pub(super) ready: u64,
}

/// Reads, and remembers how far it has read.
#[derive(Debug)]
pub(super) struct Reader {
    app: Arc<App>,
    control: Control,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    totals: Option<Totals>,
    counters: Option<Counters>,
}

impl Reader {
    pub(super) fn new(app: Arc<App>, control: Control) -> Self {
        Self { app, control, known: Mutex::default() }
    }

    pub(super) fn read(&self) -> Reading {
        // What a panic left is the last whole reading.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = self.read_ledger(&mut known);
        let ledger = ledger.inspect_err(|error| tracing::warn!("metrics lack the ledger: {}", chain(error)));
        let app = &self.app;
        let slots = slots::occupancy(&app.places, app.settings.file.slots.count);
        let busy = slots.iter().filter(|(_, occupancy)| *occupancy == Occupancy::Busy).count();
        let snapshots = app.targets.snapshots();
        let snapshots =
            snapshots.inspect_err(|error| tracing::warn!("metrics lack the warm targets: {}", chain(error)));
        let runner = self.read_runner_versions();
        let runner = runner.inspect_err(|error| tracing::warn!("metrics lack the runner's versions: {}", chain(error)));
        Reading {
            counters: known.counters.clone(),
            ledger: ledger.ok(),
            slots_free: (slots.len() - busy) as u64,
            slots_busy: busy as u64,
            targets: snapshots.ok().map(|snapshots| TargetGauges {
                bytes: snapshots.iter().map(ListedSnapshot::with_clone).sum(),
                snapshots: snapshots.len() as u64,
                ready: snapshots.iter().filter(|snapshot| snapshot.ready).count() as u64,
            }),
            runner: runner.ok().flatten(),
            forge: self.read_forge(),
        }
    }

    fn read_forge(&self) -> ForgeGauges {
        let (app, control) = (&self.app, &self.control);
        let records = slots::records(&app.places, app.settings.file.slots.count).into_iter();
        // One that cannot be read is told of by the board.
        let records = records.filter_map(|(_, record)| record.ok());
        let runners = records.map(|record| (record.target, record.state.name())).collect();
        ForgeGauges { is_draining: control.is_draining(), places: control.places(), runners }
    }

    fn read_runner_versions(&self) -> Result<Option<Vec<ListedVersion>>, VersionsError> {
        if !self.app.places.runner().exists() {
            return Ok(None);
        }
        self.app.runner_versions()?.list().map(Some)
    }

    fn read_ledger(&self, known: &mut Known) -> Result<LedgerGauges, LedgerError> {
        let book = &self.app.book;
        let totals = book.totals(known.totals.as_ref())?;
        let mut counters = Counters::of(&totals, PriceBook::shipped());
        if let Some(earlier) = known.counters.take() {
            counters.raise_to(earlier);
        }
        let mut last_write = totals.last_heard;
        known.counters = Some(counters);
        known.totals = Some(totals);

        let open = book.open_executions()?;
        for execution in &open {
            // A heartbeat that cannot be read is an old one for whoever watches.
            let beat = book.last_beat(execution.id).ok().flatten().map(|beat| beat.at);
            last_write = last_write.max(beat);
        }
        let period = Period::month_of(self.app.clock.now(), &self.app.settings.file.report.zone)?;
        let figures = Figures::of(&book.month(&period, None)?, PriceBook::shipped(), Budgets::documented());
        let judgments: Vec<_> = Budgets::documented().all.iter().map(|budget| judge(budget, &figures)).collect();
        Ok(LedgerGauges {
            open: open.len() as u64,
            last_write,
            budgets: budgets(&judgments),
            verdicts: verdicts(&judgments),
            period_end: period.end,
        })
    }
}
