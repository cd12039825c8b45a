//! The documented budgets: shipped data with their provenance, what can be read for them, and the verdict.
//! Nothing here asks the book; figures come in as values.

mod document;
mod figures;
mod judge;
mod reading;

pub use document::{Basis, Budget, Budgets, Comparison, Contradiction, Limit, Quantity};
pub use figures::Figures;
pub use judge::{Judgment, LimitVerdict, Verdict, judge};
pub use reading::{Amount, Completeness, Measurement, Reading};
