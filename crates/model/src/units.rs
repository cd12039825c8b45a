//! Units: bytes, milliseconds, instants. Integers only; people's spellings (`20GiB`, `30s`) are parsed here once.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a size or a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnit {
    #[error("`{text}` is not a size; write a number and one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB, like `20GiB`")]
    Bytes { text: String },
    #[error("`{text}` is not a duration; write a number and one of ms, s, m, h, d, like `30s`")]
    Millis { text: String },
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::iter::Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), Add::add)
    }
}

impl fmt::Display for Bytes {
    /// For people: three significant digits, binary units.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        match (unit, value) {
            (0, _) => write!(f, "{} B", self.0),
            (_, v) if v < 10.0 => write!(f, "{v:.2} {}", UNITS[unit]),
            (_, v) if v < 100.0 => write!(f, "{v:.1} {}", UNITS[unit]),
            (_, v) => write!(f, "{v:.0} {}", UNITS[unit]),
        }
    }
}

impl FromStr for Bytes {
    type Err = InvalidUnit;
    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let invalid = || InvalidUnit::Bytes { text: text.to_owned() };
        let (number, unit) = split_number(text).ok_or_else(invalid)?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "t" | "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err(invalid()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(invalid)
    }
}

/// A duration in whole milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    pub const fn from_secs(n: u64) -> Self {
        Self(n * 1_000)
    }
    pub const fn from_minutes(n: u64) -> Self {
        Self(n * 60_000)
    }
    pub fn to_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
    /// Whole minutes as GitHub bills a started job: rounded up, at least one.
    pub const fn billable_minutes(self) -> u64 {
        let up = self.0.div_ceil(60_000);
        if up == 0 { 1 } else { up }
    }
}

impl From<std::time::Duration> for Millis {
    fn from(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Add for Millis {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Millis {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl fmt::Display for Millis {
    /// For people: `340 ms`, `7.2 s`, `12 min 05 s`, `3 h 07 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms @ 0..1_000 => write!(f, "{ms} ms"),
            ms @ 1_000..60_000 => write!(f, "{}.{} s", ms / 1_000, ms % 1_000 / 100),
            ms @ 60_000..3_600_000 => write!(f, "{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
            ms => write!(f, "{} h {:02} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
        }
    }
}

impl FromStr for Millis {
    type Err = InvalidUnit;
    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let invalid = || InvalidUnit::Millis { text: text.to_owned() };
        let (number, unit) = split_number(text).ok_or_else(invalid)?;
        let factor: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(invalid()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(invalid)
    }
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// The time from `earlier` to this instant; zero when the clock went backwards.
    pub fn since(self, earlier: Self) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Millis> for Timestamp {
    type Output = Self;
    fn add(self, later: Millis) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.0).unwrap_or(i64::MAX)))
    }
}

impl Sub<Millis> for Timestamp {
    type Output = Self;
    fn sub(self, earlier: Millis) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.0).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("20GiB", 20 << 30), ("20 GiB", 20 << 30), ("1kB", 1000), ("512m", 512 << 20)] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for bad in ["", "GiB", "-1", "1.5GiB", "20 potatoes", "99999999999TiB"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!("30s".parse(), Ok(Millis(30_000)));
        assert_eq!("250ms".parse(), Ok(Millis(250)));
        assert!("30".parse::<Millis>().is_err());
    }

    #[test]
    fn a_started_job_costs_whole_minutes_rounded_up() {
        let cases = [(0, 1), (1, 1), (59_999, 1), (60_000, 1), (60_001, 2), (120_000, 2), (3_599_999, 60)];
        for (ms, minutes) in cases {
            assert_eq!(Millis(ms).billable_minutes(), minutes, "{ms} ms");
        }
    }

    #[test]
    fn a_clock_that_went_backwards_gives_zero() {
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(3_005)), Millis(0));
    }

    #[test]
    fn figures_are_printed_for_people() {
        assert_eq!(Bytes(0).to_string(), "0 B");
        assert_eq!(Bytes::mib(1536).to_string(), "1.50 GiB");
        assert_eq!(Millis(340).to_string(), "340 ms");
        assert_eq!(Millis(725_000).to_string(), "12 min 05 s");
    }
}
