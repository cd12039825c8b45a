//! How a job ended. A failed job is a value, never an error of ours.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the job's command came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Outcome {
    /// It ended by itself.
    Exited { code: i32 },
    /// It was ended by a signal that we did not pass on.
    Signaled { signal: i32 },
    /// It ended after a person or the machine asked us to stop it; `code` is what it then made of itself.
    Cancelled { signal: i32, code: i32 },
    /// It ran past its limit and was stopped by us.
    TimedOut,
    /// The kernel ended it for lack of memory.
    OutOfMemory,
    /// It failed and the disk had no room left when it did.
    DiskFull { code: i32 },
    /// The process that looked after it died first.
    Lost,
    /// It was never started: the command does not exist or may not be run.
    NeverStarted { code: i32 },
}

impl Outcome {
    /// The exit code that a shell would report.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Exited { code }
            | Self::Cancelled { code, .. }
            | Self::DiskFull { code }
            | Self::NeverStarted { code } => code,
            Self::Signaled { signal } => 128 + signal,
            Self::TimedOut => 124,
            Self::OutOfMemory | Self::Lost => 137,
        }
    }

    /// Only what ended by itself and well may become a snapshot.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }

    pub fn conclusion(self) -> Conclusion {
        match self {
            Self::Exited { code: 0 } => Conclusion::Success,
            Self::Cancelled { .. } => Conclusion::Cancelled,
            Self::TimedOut => Conclusion::TimedOut,
            _ => Conclusion::Failure,
        }
    }

    pub fn ending(self) -> Ending {
        match self {
            Self::Lost => Ending::Lost,
            Self::NeverStarted { .. } => Ending::NeverStarted,
            _ => Ending::Clean,
        }
    }
}

impl fmt::Display for Outcome {
    /// One clause that a person understands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code: 0 } => f.write_str("succeeded"),
            Self::Exited { code } => write!(f, "failed with exit code {code}"),
            Self::Signaled { signal } => write!(f, "ended by signal {signal}"),
            Self::Cancelled { signal, .. } => write!(f, "cancelled (signal {signal} passed on)"),
            Self::TimedOut => f.write_str("stopped at its time limit"),
            Self::OutOfMemory => f.write_str("ended by the kernel for lack of memory"),
            Self::DiskFull { code } => write!(f, "failed with exit code {code} on a full disk"),
            Self::Lost => f.write_str("lost: the process that looked after it died"),
            Self::NeverStarted { .. } => f.write_str("never started"),
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word that stands in the ledger, in JSON and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// GitHub's word for how a job ended.
    Conclusion {
        Success = "success", Failure = "failure", Neutral = "neutral", Cancelled = "cancelled", Skipped = "skipped",
        TimedOut = "timed_out", ActionRequired = "action_required",
    }
}

words! {
    /// Whether the books were closed by somebody who saw the end.
    Ending {
        Clean = "clean", Crashed = "crashed", Lost = "lost", Abandoned = "abandoned", NeverStarted = "never_started",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        let cases = [
            (Outcome::Exited { code: 101 }, 101),
            (Outcome::Signaled { signal: 9 }, 137),
            (Outcome::Cancelled { signal: 2, code: 130 }, 130),
            (Outcome::TimedOut, 124),
            (Outcome::NeverStarted { code: 127 }, 127),
        ];
        for (outcome, code) in cases {
            assert_eq!(outcome.exit_code(), code, "{outcome}");
        }
    }

    #[test]
    fn only_a_clean_zero_is_success() {
        assert!(Outcome::Exited { code: 0 }.is_success());
        for bad in
            [Outcome::Exited { code: 1 }, Outcome::Cancelled { signal: 2, code: 0 }, Outcome::Lost, Outcome::TimedOut]
        {
            assert!(!bad.is_success(), "{bad}");
            assert_ne!(bad.conclusion(), Conclusion::Success);
        }
    }

    #[test]
    fn words_are_read_back() {
        for ending in Ending::ALL {
            assert_eq!(Ending::from_word(ending.as_str()), Some(*ending));
        }
        assert_eq!(serde_json::to_string(&Conclusion::TimedOut).unwrap(), "\"timed_out\"");
    }
}
