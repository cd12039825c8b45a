//! The book. What anyone said about an execution is kept once and for ever ([`Observation`]), what happened is folded
//! from it ([`Execution`], [`fold`]), and what it cost and whether a documented budget was kept is computed from that
//! with dated data ([`PriceBook`], [`Budgets`]). All SQL of the ledger is in here.
//!
//! It never estimates silently: what nobody measured is `None`, and unknown is never "met".

mod beats;
mod book;
mod budgets;
mod error;
mod execution;
mod fold;
mod journal;
mod observation;
mod period;
mod prices;
mod statement;
mod store;
mod sums;
mod totals;

pub use book::{Book, Opened};
pub use budgets::{
    Amount, Basis, Budget, Budgets, Comparison, Completeness, Contradiction, Figures, Judgment, Limit, LimitVerdict,
    Measurement, Quantity, Reading, Verdict, judge,
};
pub use error::{LedgerError, Warning};
pub use execution::{Execution, State};
pub use fold::fold;
pub use observation::{Beat, Fact, Loss, Observation, Owner, Place, Source};
pub use period::{Period, civil_time, rfc3339};
pub use prices::{Day, MicroUsd, Price, PriceBook, PriceStatus, Weights};
pub use statement::{By, Charge, Group, Statement};
pub use store::{Cell, KindOfRuns, MonthData, Series};
pub use sums::{RunKind, Sums};
pub use totals::{BranchClass, Close, Origin, TotalSums, Totals};
