//! The numbers and names by which GitHub knows things. Each wraps its own value so that none is handed in for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+ };
}

numbers! {
    /// A runner's registration.
    RunnerId,
    /// One wish for a runner: `runnerRequestId` of the scale set service, the job's number where we poll.
    RequestId,
    /// A message of a scale set's queue.
    MessageId,
    /// A workflow run.
    RunId,
}

/// GitHub takes names of up to 64 characters.
const NAME_LIMIT: usize = 64;

/// The name of a runner. Never used twice: after a lost answer the name is all that tells whose a registration is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerName(String);

/// Why a text is no name of a runner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a runner's name; use 1 to 64 of the letters a to z, digits, `.`, `_` and `-`")]
pub struct InvalidName(String);

impl RunnerName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunnerName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if (1..=NAME_LIMIT).contains(&text.len()) && text.chars().all(good) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName(text.chars().take(2 * NAME_LIMIT).collect()))
    }
}

impl TryFrom<String> for RunnerName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<RunnerName> for String {
    fn from(name: RunnerName) -> Self {
        name.0
    }
}

impl fmt::Display for RunnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_every_forge_and_file_system_takes() {
        for good in ["a", "hearth-box-1.2_3", &"x".repeat(64)] {
            assert_eq!(good.parse::<RunnerName>().unwrap().as_str(), good);
        }
        for bad in ["", "two words", "a/b", "ü", "line\nbreak", &"x".repeat(65)] {
            assert!(bad.parse::<RunnerName>().is_err(), "{bad}");
        }
    }
}
