//! How values are shown.

use clap::ValueEnum;
use kiln_engine::Value;
use kiln_units::UNITS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

pub fn values(values: &[Value], format: Format) -> String {
    let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
    match format {
        Format::Text => shown.iter().map(|line| format!("{line}\n")).collect(),
        Format::Json => format!("{}\n", serde_json::json!({ "values": shown })),
    }
}

pub fn units() -> String {
    UNITS.iter().map(|unit| format!("{:<5}{}\n", unit.name, unit.dimension.name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_lines_or_one_document() {
        let both = [Value::Truth(true), Value::Truth(false)];
        assert_eq!(values(&both, Format::Text), "yes\nno\n");
        assert_eq!(values(&both, Format::Json), "{\"values\":[\"yes\",\"no\"]}\n");
    }

    #[test]
    fn every_unit_is_listed_once() {
        assert_eq!(units().lines().count(), UNITS.len());
    }
}
