//! The spellings of time that clients use: that of S3's signatures, that of its XML and of GitHub's JSON, and that of
//! HTTP's heads. Pure.

use hearth_model::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// `20261122T220510Z`, as signatures have it.
pub(crate) fn signed_at(text: &str) -> Option<Timestamp> {
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if !digits(&bytes[..8]) || bytes[8] != b'T' || !digits(&bytes[9..15]) || bytes[15] != b'Z' {
        return None;
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// `2026-11-22T22:05:10.000Z`, as documents have it (RFC 3339).
pub(crate) fn in_document(at: Timestamp) -> String {
    format!("{:.3}", instant(at))
}

/// The time of a document, whatever its offset.
pub(crate) fn from_document(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// `Sun, 22 Nov 2026 22:05:10 GMT`, as heads have it.
pub(crate) fn in_head(at: Timestamp) -> String {
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&instant(at));
    text.expect("a time of day in this millennium has a spelling")
}

/// The seconds of a head's time.
pub(crate) fn from_head(text: &str) -> Option<i64> {
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(at.as_second())
}

/// A time outside of the years 0 to 9999, which no clock shows, is shown as the epoch.
fn instant(at: Timestamp) -> jiff::Timestamp {
    let known = 0..253_402_300_800_000;
    let ms = at.as_millis();
    jiff::Timestamp::from_millisecond(if known.contains(&ms) { ms } else { 0 }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_795_385_110_000);

    #[test]
    fn a_time_has_three_spellings() {
        assert_eq!(signed_at("20261122T220510Z"), Some(AT));
        assert_eq!(in_document(AT), "2026-11-22T22:05:10.000Z");
        assert_eq!(from_document("2026-11-22T22:05:10.000Z"), Some(AT));
        assert_eq!(from_document("2026-11-22T22:05:10+00:00"), Some(AT));
        assert_eq!(in_head(AT), "Sun, 22 Nov 2026 22:05:10 GMT");
        assert_eq!(from_head("Sun, 22 Nov 2026 22:05:10 GMT"), Some(AT.as_millis() / 1000));
    }

    #[test]
    fn times_that_no_clock_shows_have_a_spelling_too() {
        for ms in [i64::MIN, -1, i64::MAX] {
            assert_eq!(in_document(Timestamp::from_millis(ms)), "1970-01-01T00:00:00.000Z");
            assert_eq!(in_head(Timestamp::from_millis(ms)), "Thu, 01 Jan 1970 00:00:00 GMT");
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in
            ["", "20261122T220510", "2026-11-22T22:05:10Z", "20261322T220510Z", "20261122T250510Z", "+0261122T220510Z"]
        {
            assert_eq!(signed_at(text), None, "{text}");
        }
        assert_eq!(from_head("yesterday"), None);
        for text in ["", "now", "2023-11-14", "2023-13-14T22:13:20Z", "99999-01-01T00:00:00Z"] {
            assert_eq!(from_document(text), None, "{text}");
        }
    }
}
