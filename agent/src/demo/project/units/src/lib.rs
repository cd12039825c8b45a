//! Units of measure. The table is generated from `units.txt`; nothing here knows of values.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Number,
    Time,
    Data,
    Money,
}

impl Dimension {
    pub fn name(self) -> &'static str {
        match self {
            Dimension::Number => "number",
            Dimension::Time => "time",
            Dimension::Data => "data",
            Dimension::Money => "money",
        }
    }
}

/// A unit, with what one of it is in the base unit of its dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    pub name: &'static str,
    pub dimension: Dimension,
    pub factor: f64,
}

include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// The unit of this name.
pub fn find(name: &str) -> Option<&'static Unit> {
    UNITS.binary_search_by(|unit| unit.name.cmp(name)).ok().map(|index| &UNITS[index])
}

/// The largest unit of which `amount` (in base units) is at least one.
pub fn fitting(dimension: Dimension, amount: f64) -> Option<&'static Unit> {
    let of_dimension = UNITS.iter().filter(|unit| unit.dimension == dimension && !is_decimal_data(unit));
    let fits = |unit: &&Unit| unit.factor <= amount.abs();
    of_dimension.filter(fits).max_by(|a, b| a.factor.total_cmp(&b.factor))
}

fn is_decimal_data(unit: &Unit) -> bool {
    unit.dimension == Dimension::Data && unit.factor > 1.0 && unit.factor % 1024.0 != 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_found_by_its_name() {
        for unit in &UNITS {
            assert_eq!(find(unit.name), Some(unit), "{}", unit.name);
        }
        assert_eq!(find("parsec"), None);
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(UNITS.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn an_amount_is_shown_in_the_largest_unit_that_fits() {
        for (amount, name) in [(59.0, "s"), (60.0, "min"), (7_200.0, "h"), (0.5, "ms")] {
            assert_eq!(fitting(Dimension::Time, amount).map(|unit| unit.name), Some(name), "{amount}");
        }
        assert_eq!(fitting(Dimension::Data, 3_000_000.0).map(|unit| unit.name), Some("MiB"));
        assert_eq!(fitting(Dimension::Time, 0.0), None);
    }
}
