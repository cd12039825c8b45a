//! Instants as these services write them. Pure.

use hearth_model::Timestamp;

/// RFC 3339, as GitHub's JSON has it.
pub(super) fn rfc3339(instant: Timestamp) -> String {
    to_jiff(instant).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(super) fn from_rfc3339(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// As a header of HTTP has it.
pub(super) fn http_date(instant: Timestamp) -> String {
    to_jiff(instant).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn to_jiff(instant: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(instant.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_both_say() {
        let instant = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(rfc3339(instant), "2023-11-14T22:13:20.123Z");
        assert_eq!(from_rfc3339(&rfc3339(instant)), Some(instant));
        assert_eq!(from_rfc3339("2023-11-14T22:13:20+00:00"), Some(Timestamp::from_millis(1_700_000_000_000)));
        assert_eq!(http_date(instant), "Tue, 14 Nov 2023 22:13:20 GMT");
        for text in ["", "now", "2023-11-14", "2023-13-14T22:13:20Z", "99999-01-01T00:00:00Z"] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
    }
}
