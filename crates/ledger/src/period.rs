//! Calendar months in a time zone. A zone decides where a month begins and ends and nothing else: durations never
//! come from it, and a month is not a multiple of 24 hours.

use hearth_model::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::error::LedgerError;

/// A half-open stretch of time: `start` belongs to it, `end` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// `2026-11`
    pub label: String,
    /// The zone's name, such as `UTC`.
    pub zone: String,
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Period {
    /// The month that a person wrote as `2026-11`.
    pub fn month(text: &str, zone: &str) -> Result<Self, LedgerError> {
        let invalid = || LedgerError::InvalidMonth { text: text.to_owned() };
        let (year, month) = text.split_once('-').ok_or_else(invalid)?;
        let canonical = year.len() == 4 && month.len() == 2;
        let first = year
            .parse()
            .ok()
            .zip(month.parse().ok())
            .filter(|_| canonical)
            .and_then(|(year, month)| Date::new(year, month, 1).ok())
            .ok_or_else(invalid)?;
        Self::from_first_day(first, zone)
    }

    /// The month in which `instant` lies.
    pub fn month_of(instant: Timestamp, zone: &str) -> Result<Self, LedgerError> {
        let day = to_jiff(instant).to_zoned(time_zone(zone)?).date();
        Self::from_first_day(day.first_of_month(), zone)
    }

    fn from_first_day(first: Date, zone: &str) -> Result<Self, LedgerError> {
        let label = first.strftime("%Y-%m").to_string();
        let outside = |_| LedgerError::InvalidMonth { text: label.clone() };
        let start = first.to_zoned(time_zone(zone)?).map_err(outside)?;
        // Midnight of the next first day, by the calendar: summer time must not move it.
        let next = first.checked_add(1.month()).map_err(outside)?;
        let end = next.to_zoned(time_zone(zone)?).map_err(outside)?;
        Ok(Self { start: from_jiff(start.timestamp()), end: from_jiff(end.timestamp()), zone: zone.to_owned(), label })
    }

    pub fn contains(&self, instant: Timestamp) -> bool {
        self.start <= instant && instant < self.end
    }
}

/// An instant as people read it, in `zone`: `2026-11-22 15:34`.
pub fn civil_time(instant: Timestamp, zone: &str) -> Result<String, LedgerError> {
    let zoned = to_jiff(instant).to_zoned(time_zone(zone)?);
    Ok(zoned.strftime("%Y-%m-%d %H:%M").to_string())
}

/// An instant in RFC 3339, UTC.
pub fn rfc3339(instant: Timestamp) -> String {
    to_jiff(instant).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn time_zone(name: &str) -> Result<TimeZone, LedgerError> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|cause| LedgerError::UnknownZone { name: name.to_owned(), cause })
}

fn to_jiff(instant: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(instant.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn from_jiff(instant: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(instant.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        from_jiff(text.parse().unwrap())
    }

    #[test]
    fn a_month_has_the_hours_that_its_zone_gives_it() {
        let cases = [
            ("2026-11", "UTC", "2026-11-01T00:00Z", "2026-12-01T00:00Z", 720),
            ("2026-12", "UTC", "2026-12-01T00:00Z", "2027-01-01T00:00Z", 744),
            ("2026-10", "Europe/Berlin", "2026-09-30T22:00Z", "2026-10-31T23:00Z", 745),
            ("2026-03", "Europe/Berlin", "2026-02-28T23:00Z", "2026-03-31T22:00Z", 743),
            ("2026-11", "America/New_York", "2026-11-01T04:00Z", "2026-12-01T05:00Z", 721),
        ];
        for (month, zone, start, end, hours) in cases {
            let period = Period::month(month, zone).unwrap();
            let (start, end) = (start.replace('Z', ":00Z"), end.replace('Z', ":00Z"));
            assert_eq!((period.start, period.end), (instant(&start), instant(&end)), "{month} {zone}");
            assert_eq!(period.end.since(period.start).0, hours * 3_600_000, "{month} {zone}");
        }
    }

    #[test]
    fn a_job_belongs_to_the_month_of_its_completion() {
        let completed = instant("2026-11-01T00:03:00Z");
        assert_eq!(Period::month_of(completed, "UTC").unwrap().label, "2026-11");
        assert_eq!(Period::month_of(completed, "America/New_York").unwrap().label, "2026-10");
        assert!(!Period::month("2026-10", "UTC").unwrap().contains(completed));
        assert!(Period::month("2026-11", "UTC").unwrap().contains(completed));
    }

    #[test]
    fn only_one_spelling_is_a_month() {
        for bad in ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "2026-11-01", "-026-01", "november"] {
            assert!(matches!(Period::month(bad, "UTC"), Err(LedgerError::InvalidMonth { .. })), "{bad}");
        }
        assert!(matches!(Period::month("2026-11", "Mars/Olympus"), Err(LedgerError::UnknownZone { .. })));
    }

    #[test]
    fn twenty_minutes_over_the_end_of_summer_time_stay_twenty() {
        let (start, end) = (instant("2026-10-25T00:50:00Z"), instant("2026-10-25T01:10:00Z"));
        assert_eq!(civil_time(start, "Europe/Berlin").unwrap(), "2026-10-25 02:50");
        assert_eq!(civil_time(end, "Europe/Berlin").unwrap(), "2026-10-25 02:10");
        assert_eq!(end.since(start).0, 20 * 60_000);
    }
}
