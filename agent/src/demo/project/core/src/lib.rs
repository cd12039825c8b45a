//! Quantities: a number with a dimension. Adding minutes to bytes is an error and never a number.

use std::cmp::Ordering;
use std::fmt;

pub use kiln_units::Dimension;
use kiln_units::{Unit, find, fitting};

/// Why two quantities do not go together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantityError {
    #[error("cannot {what} {left} and {right}")]
    Mismatch { what: &'static str, left: &'static str, right: &'static str },
    #[error("there is no unit `{0}`")]
    Unit(String),
    #[error("division by zero")]
    Zero,
}

/// An amount in the base unit of its dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    pub amount: f64,
    pub dimension: Dimension,
}

impl Quantity {
    pub const fn number(amount: f64) -> Self {
        Self { amount, dimension: Dimension::Number }
    }

    /// So many of a unit.
    pub fn of(amount: f64, unit: &str) -> Result<Self, QuantityError> {
        let Unit { dimension, factor, .. } =
            find(unit).ok_or_else(|| QuantityError::Unit(unit.to_owned()))?;
        Ok(Self { amount: amount * factor, dimension: *dimension })
    }

    pub fn plus(self, other: Self) -> Result<Self, QuantityError> {
        let dimension = self.same("add", other)?;
        Ok(Self { amount: self.amount + other.amount, dimension })
    }

    pub fn minus(self, other: Self) -> Result<Self, QuantityError> {
        let dimension = self.same("subtract", other)?;
        Ok(Self { amount: self.amount - other.amount, dimension })
    }

    /// One of the two has to be a plain number.
    pub fn times(self, other: Self) -> Result<Self, QuantityError> {
        let dimension = match (self.dimension, other.dimension) {
            (Dimension::Number, any) | (any, Dimension::Number) => any,
            _ => return Err(self.mismatch("multiply", other)),
        };
        Ok(Self { amount: self.amount * other.amount, dimension })
    }

    /// By a plain number, or by the same dimension, which gives a plain number.
    pub fn over(self, other: Self) -> Result<Self, QuantityError> {
        if other.amount == 0.0 {
            return Err(QuantityError::Zero);
        }
        let dimension = match (self.dimension, other.dimension) {
            (any, Dimension::Number) => any,
            (left, right) if left == right => Dimension::Number,
            _ => return Err(self.mismatch("divide", other)),
        };
        Ok(Self { amount: self.amount / other.amount, dimension })
    }

    pub fn compare(self, other: Self) -> Result<Ordering, QuantityError> {
        self.same("compare", other)?;
        Ok(self.amount.total_cmp(&other.amount))
    }

    fn same(self, what: &'static str, other: Self) -> Result<Dimension, QuantityError> {
        if self.dimension == other.dimension { Ok(self.dimension) } else { Err(self.mismatch(what, other)) }
    }

    fn mismatch(self, what: &'static str, other: Self) -> QuantityError {
        QuantityError::Mismatch { what, left: self.dimension.name(), right: other.dimension.name() }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = |amount: f64| (amount * 100.0).round() / 100.0;
        match fitting(self.dimension, self.amount) {
            Some(unit) => write!(f, "{} {}", rounded(self.amount / unit.factor), unit.name),
            None => write!(f, "{}", rounded(self.amount)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(amount: f64, unit: &str) -> Quantity {
        Quantity::of(amount, unit).unwrap()
    }

    #[test]
    fn minutes_add_up_to_hours() {
        assert_eq!(of(45.0, "min").plus(of(15.0, "min")).unwrap().to_string(), "1 h");
        assert_eq!(of(1.0, "h").minus(of(90.0, "min")).unwrap().to_string(), "-30 min");
    }

    #[test]
    fn dimensions_do_not_mix() {
        assert!(of(1.0, "min").plus(of(1.0, "MiB")).is_err());
        assert!(of(1.0, "min").times(of(1.0, "min")).is_err());
        assert!(of(1.0, "min").compare(Quantity::number(1.0)).is_err());
        assert_eq!(Quantity::of(1.0, "parsec"), Err(QuantityError::Unit("parsec".to_owned())));
    }

    #[test]
    fn a_quantity_by_its_like_is_a_plain_number() {
        assert_eq!(of(48.0, "min").over(of(12.0, "min")).unwrap(), Quantity::number(4.0));
        assert_eq!(of(1.0, "min").over(Quantity::number(0.0)), Err(QuantityError::Zero));
    }

    #[test]
    fn amounts_are_compared_across_units() {
        assert_eq!(of(60.0, "s").compare(of(1.0, "min")), Ok(Ordering::Equal));
        assert_eq!(of(1.0, "GB").compare(of(1.0, "GiB")), Ok(Ordering::Less));
    }
}
