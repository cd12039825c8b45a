//! Sizes and durations as people write them in a file: `20GiB`, `30s`. Written back exactly, never rounded.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use hearth_model::{Bytes, Millis};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A size in a configuration file. The checked configuration carries the [`Bytes`] inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub Bytes);

/// A duration in a configuration file. The checked configuration carries the [`Millis`] inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Millis);

impl fmt::Display for ByteSize {
    /// Exactly, in the largest unit that leaves no fraction; reading it back gives the same size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let bytes = self.0.0;
        for (unit, shift) in units {
            if bytes != 0 && bytes.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", bytes >> shift);
            }
        }
        write!(f, "{bytes}B")
    }
}

impl fmt::Display for TimeSpan {
    /// Exactly, in the largest unit that leaves no fraction; reading it back gives the same duration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
        let ms = self.0.0;
        for (unit, factor) in units {
            if ms.is_multiple_of(factor) && ms != 0 {
                return write!(f, "{}{unit}", ms / factor);
            }
        }
        write!(f, "{ms}ms")
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Spelled("a size in quotes like \"20GiB\"", Self))
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Spelled("a duration in quotes like \"30s\"", Self))
    }
}

/// Reads a text through `FromStr`; holds what is expected and how to wrap it.
struct Spelled<U, T>(&'static str, fn(U) -> T);

impl<U, T> Visitor<'_> for Spelled<U, T>
where
    U: FromStr,
    U::Err: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map(self.1).map_err(E::custom)
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a number and one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
            "pattern": "^[0-9]+ *[A-Za-z]*$",
            "examples": ["20GiB"],
        })
    }
}

impl JsonSchema for TimeSpan {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TimeSpan".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a number and one of ms, s, m, h, d",
            "pattern": "^[0-9]+ *(ms|s|m|min|h|d)$",
            "examples": ["30s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_written_as_they_are_read() {
        for (bytes, text) in [(0, "0B"), (1, "1B"), (1536, "1536B"), (20 << 30, "20GiB"), (1536 << 20, "1536MiB")] {
            assert_eq!(ByteSize(Bytes(bytes)).to_string(), text);
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
        }
        for (ms, text) in [(0, "0ms"), (1_500, "1500ms"), (30_000, "30s"), (90_000, "90s"), (7_200_000, "2h")] {
            assert_eq!(TimeSpan(Millis(ms)).to_string(), text);
            assert_eq!(text.parse(), Ok(Millis(ms)));
        }
    }
}
