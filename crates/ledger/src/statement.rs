//! A month's statement: what was used, what it would be billed as, what it weighs and what a forge's own runners would
//! have charged, in total and by one of five dimensions. Pure.

use std::collections::BTreeMap;
use std::fmt;

use hearth_model::Millis;

use crate::prices::{MicroUsd, PriceBook};
use crate::store::{Cell, MonthData, Series};
use crate::sums::Sums;

/// What a report is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Repository,
    Workflow,
    Job,
    Branch,
    Platform,
}

impl By {
    pub const ALL: [Self; 5] = [Self::Repository, Self::Workflow, Self::Job, Self::Branch, Self::Platform];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Workflow => "workflow",
            Self::Job => "job",
            Self::Branch => "branch",
            Self::Platform => "platform",
        }
    }

    fn key(self, series: &Series) -> &str {
        match self {
            Self::Repository => &series.repository,
            Self::Workflow => &series.workflow,
            Self::Job => &series.job,
            Self::Branch => &series.branch,
            Self::Platform => &series.platform,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Sums and what they come to. Minutes without a weight or a price are counted apart and never taken for free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    pub sums: Sums,
    /// Thousandths of weighted minutes.
    pub weighted_milli: u64,
    pub unweighted_minutes: u64,
    /// What a forge's own standard runners would have charged, each day at its price.
    pub hosted_equivalent: MicroUsd,
    pub unpriced_minutes: u64,
    /// What charges for self-hosted minutes would come to that were announced and are not in force.
    pub simulated_self_hosted: MicroUsd,
}

impl Charge {
    pub(crate) fn add(&mut self, cell: &Cell, prices: &PriceBook) {
        let minutes = cell.sums.billable_minutes;
        let sku = prices.sku(&cell.series.platform);
        match sku.and_then(|sku| prices.default_weights().milli(sku)) {
            Some(milli) => self.weighted_milli += milli * minutes,
            None => self.unweighted_minutes += minutes,
        }
        match sku.and_then(|sku| prices.price(sku, cell.day)) {
            Some(price) => self.hosted_equivalent.0 += price.0 * minutes,
            None => self.unpriced_minutes += minutes,
        }
        if let Some(price) = prices.simulated_self_hosted(cell.day) {
            self.simulated_self_hosted.0 += price.per_minute.0 * minutes;
        }
        self.sums.add(&cell.sums);
    }

    /// Weighted minutes as time; exact, a thousandth of a minute is 60 ms.
    pub fn weighted(&self) -> Millis {
        Millis(self.weighted_milli * 60)
    }
}

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As it was said; empty when nobody said. It comes from a job: make it safe before printing it.
    pub name: String,
    pub charge: Charge,
}

/// A month in total and in groups, the most minutes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub by: By,
    pub total: Charge,
    pub groups: Vec<Group>,
}

impl Statement {
    pub fn of(month: &MonthData, by: By, prices: &PriceBook) -> Self {
        let mut total = Charge::default();
        let mut groups: BTreeMap<&str, Charge> = BTreeMap::new();
        for cell in &month.cells {
            total.add(cell, prices);
            groups.entry(by.key(&cell.series)).or_default().add(cell, prices);
        }
        let mut groups: Vec<Group> =
            groups.into_iter().map(|(name, charge)| Group { name: name.to_owned(), charge }).collect();
        groups.sort_by(|a, b| {
            let minutes = |group: &Group| (group.charge.sums.billable_minutes, group.charge.sums.actual);
            minutes(b).cmp(&minutes(a)).then_with(|| a.name.cmp(&b.name))
        });
        Self { by, total, groups }
    }
}
