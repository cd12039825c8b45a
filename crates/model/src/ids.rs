//! Identities. Each wraps its own string or number so that one cannot be handed in for another; all are safe as a
//! file name, because the checks here are the only way to make one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

/// One job of one attempt on one runner. A UUIDv7, so ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecutionId(Uuid);

impl ExecutionId {
    /// A new id. `unix_ms` comes from a [`crate::Clock`]; the rest is random.
    pub fn new(now: crate::Timestamp) -> Self {
        let ms = u64::try_from(now.as_millis()).unwrap_or(0);
        let timestamp = uuid::Timestamp::from_unix(uuid::NoContext, ms / 1000, (ms % 1000) as u32 * 1_000_000);
        Self(Uuid::new_v7(timestamp))
    }

    /// When the id was made, as far as the id itself says.
    pub fn made_at(&self) -> Option<crate::Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let ms = i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))?;
        Some(crate::Timestamp::from_millis(ms))
    }

    /// The id's last characters, random in every id, for short names that people read.
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text[text.len() - 8..].to_owned()
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for ExecutionId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidId { kind: "execution id", text: text.to_owned() })
    }
}

impl TryFrom<String> for ExecutionId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ExecutionId> for String {
    fn from(id: ExecutionId) -> Self {
        id.to_string()
    }
}

/// Who stored an object in a cache: an execution, or the owner of a token that belongs to no job. Everything that one
/// writer stored can be found by this id, and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WriterId(Uuid);

impl WriterId {
    pub const LENGTH: usize = 16;

    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn to_bytes(self) -> [u8; Self::LENGTH] {
        self.0.into_bytes()
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for WriterId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidId { kind: "writer id", text: text.to_owned() })
    }
}

impl TryFrom<String> for WriterId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<WriterId> for String {
    fn from(id: WriterId) -> Self {
        id.to_string()
    }
}

impl From<ExecutionId> for WriterId {
    fn from(id: ExecutionId) -> Self {
        Self(id.0)
    }
}

/// A place on this machine that carries one job at a time, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SlotNumber(pub u16);

impl fmt::Display for SlotNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $len:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let fits = text.len() == $len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if fits { Ok(Self(text.to_owned())) } else { Err(InvalidId { kind: $kind, text: text.to_owned() }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

hex_id! {
    /// A lane: the digest of everything that must be equal for a snapshot to fit.
    LaneId, "lane id", 16
}
hex_id! {
    /// One snapshot, unique on this machine; made from the execution that left it.
    SnapshotId, "snapshot id", 32
}

impl From<ExecutionId> for SnapshotId {
    /// A snapshot is named after the execution whose build it is.
    fn from(id: ExecutionId) -> Self {
        Self(id.0.simple().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_file_names() {
        for bad in ["", "..", "a/b", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdeg"] {
            assert!(bad.parse::<LaneId>().is_err(), "{bad}");
        }
        assert_eq!("0123456789abcdef".parse::<LaneId>().unwrap().as_str(), "0123456789abcdef");
    }

    #[test]
    fn execution_ids_sort_by_time_and_survive_json() {
        let early = ExecutionId::new(crate::Timestamp::from_millis(1_000));
        let late = ExecutionId::new(crate::Timestamp::from_millis(2_000));
        assert!(early < late);
        assert_eq!(late.made_at(), Some(crate::Timestamp::from_millis(2_000)));
        let json = serde_json::to_string(&early).unwrap();
        assert_eq!(serde_json::from_str::<ExecutionId>(&json).unwrap(), early);
        assert!(serde_json::from_str::<ExecutionId>("\"../x\"").is_err());
    }
}
