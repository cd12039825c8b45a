//! GitHub's way to write instants.

use hearth_model::Timestamp;

/// An RFC 3339 instant. Years before 1970 stand for "not yet": the scale set service writes year 1.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    let ms = instant.as_millisecond();
    (ms > 0).then(|| Timestamp::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_both_services_write_them() {
        for (text, ms) in [
            ("2026-11-22T18:34:23Z", Some(1_795_372_463_000)),
            ("2026-11-22T18:34:23.1234567Z", Some(1_795_372_463_123)),
            ("2026-11-22T19:34:23.000+01:00", Some(1_795_372_463_000)),
            ("0001-01-01T00:00:00Z", None),
            ("0001-01-01T00:00:00", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(instant(text), ms.map(Timestamp::from_millis), "{text}");
        }
    }
}
