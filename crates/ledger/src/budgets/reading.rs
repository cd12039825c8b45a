//! What could be read for one quantity: a figure with its basis, or why there is none. Exact until it is printed.

use std::fmt;

use hearth_model::Millis;

use crate::budgets::document::{Basis, Comparison};

/// A figure, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    Time(Millis),
    /// Never with a `whole` of zero: a ratio of nothing is not measured.
    Ratio {
        part: u64,
        whole: u64,
    },
    Count(u64),
}

impl Amount {
    /// Whether the figure keeps to `is value`. `None` when the two are of different kinds.
    pub(super) fn keeps(self, is: Comparison, value: u64, basis: Basis) -> Option<bool> {
        let (figure, limit): (u128, u128) = match (self, basis) {
            (
                Self::Time(ms),
                Basis::Wall | Basis::JobMinutesActual | Basis::JobMinutesBillable | Basis::JobMinutesWeighted,
            ) => (ms.0.into(), u128::from(value) * 60_000),
            (Self::Ratio { part, whole }, Basis::Ratio) => {
                (u128::from(part) * 100, u128::from(value) * u128::from(whole))
            }
            (Self::Count(count), Basis::Count) => (count.into(), value.into()),
            _ => return None,
        };
        Some(match is {
            Comparison::AtMost => figure <= limit,
            Comparison::LessThan => figure < limit,
            Comparison::AtLeast => figure >= limit,
            Comparison::MoreThan => figure > limit,
        })
    }
}

impl fmt::Display for Amount {
    /// For people: `35.1 min`, `82.4 %`, `3`. Rounded here and nowhere else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Time(ms) => {
                let tenths = (ms.0 + 3_000) / 6_000;
                write!(f, "{} min", tenth(tenths))
            }
            Self::Ratio { part, whole } => {
                let (part, whole) = (u128::from(part), u128::from(whole).max(1));
                let tenths = (part * 1_000 + whole / 2) / whole;
                write!(f, "{} %", tenth(u64::try_from(tenths).unwrap_or(u64::MAX)))
            }
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

fn tenth(tenths: u64) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

/// Whether a figure holds everything that belongs into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    /// The true figure is this or more: something that belongs into it could not be counted.
    AtLeast,
}

/// A figure that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    pub amount: Amount,
    pub basis: Basis,
    pub completeness: Completeness,
    /// What it was read from, such as `worst of 12 runs`.
    pub of: String,
}

/// What could be read for a quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    Measured(Measurement),
    NotMeasured { why: String },
    NotComparable { why: String },
}

impl Reading {
    pub(super) fn exactly(amount: Amount, basis: Basis, of: impl Into<String>) -> Self {
        Self::Measured(Measurement { amount, basis, completeness: Completeness::Complete, of: of.into() })
    }

    pub(super) fn not_measured(why: impl Into<String>) -> Self {
        Self::NotMeasured { why: why.into() }
    }

    /// The figure as text, or what stands in its place.
    pub fn figure(&self) -> String {
        match self {
            Self::Measured(m) => match m.completeness {
                Completeness::Complete => m.amount.to_string(),
                Completeness::AtLeast => format!("at least {}", m.amount),
            },
            Self::NotMeasured { .. } | Self::NotComparable { .. } => "-".to_owned(),
        }
    }

    /// What the figure was read from, or why there is none.
    pub fn because(&self) -> &str {
        match self {
            Self::Measured(m) => &m.of,
            Self::NotMeasured { why } | Self::NotComparable { why } => why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_only_when_printed() {
        let cases = [
            (Amount::Time(Millis(35 * 60_000 + 6_000)), "35.1 min"),
            (Amount::Time(Millis(60_000)), "1 min"),
            (Amount::Time(Millis(59_999)), "1 min"),
            (Amount::Time(Millis(0)), "0 min"),
            (Amount::Ratio { part: 10, whole: 100 }, "10 %"),
            (Amount::Ratio { part: 2, whole: 3 }, "66.7 %"),
            (Amount::Count(3), "3"),
        ];
        for (amount, text) in cases {
            assert_eq!(amount.to_string(), text);
        }
        let just_under = Amount::Time(Millis(400 * 60_000 - 1));
        assert_eq!(just_under.to_string(), "400 min");
        assert_eq!(just_under.keeps(Comparison::LessThan, 400, Basis::JobMinutesActual), Some(true));
    }
}
