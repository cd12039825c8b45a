//! What GitHub calls its runner program: versions, the machines they are built for, and the names of their archives.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not the name of a runner program or of a version of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("`{text}` is not a version of the runner program, which is three numbers like 2.336.0")]
    Version { text: String },
    #[error(
        "`{text}` is not the name of a runner archive, like actions-runner-linux-x64-2.336.0.tar.gz; keep the name \
         that GitHub gave it"
    )]
    Archive { text: String },
    #[error("GitHub builds no runner program for {system} on {architecture}")]
    Platform { system: &'static str, architecture: &'static str },
}

/// A version of the runner program. Sorts by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl RunnerVersion {
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for RunnerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}.{}", self.major, self.minor, self.patch))
    }
}

impl FromStr for RunnerVersion {
    type Err = InvalidName;
    /// Reads `2.336.0`, and `v2.336.0` as tags have it.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName::Version { text: shortened(text) };
        let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(|number| {
            // `parse` alone would take `+1`, and `01` is another spelling of a version that exists.
            let is_plain =
                number.bytes().all(|b| b.is_ascii_digit()) && (number.len() == 1 || !number.starts_with('0'));
            number.parse().ok().filter(|_| is_plain).ok_or_else(invalid)
        });
        let mut next = || numbers.next().ok_or_else(invalid)?;
        let version = Self { major: next()?, minor: next()?, patch: next()? };
        if numbers.next().is_some() { Err(invalid()) } else { Ok(version) }
    }
}

impl TryFrom<String> for RunnerVersion {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<RunnerVersion> for String {
    fn from(version: RunnerVersion) -> Self {
        version.to_string()
    }
}

/// The machine that a runner program is built for, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Platform {
    pub os: &'static str,
    pub architecture: &'static str,
}

const SYSTEMS: [(&str, &str); 3] = [("linux", "linux"), ("macos", "osx"), ("windows", "win")];
const ARCHITECTURES: [(&str, &str); 4] = [("x86_64", "x64"), ("aarch64", "arm64"), ("arm", "arm"), ("x86", "x86")];

impl Platform {
    pub fn of_this_machine() -> Result<Self, InvalidName> {
        Self::of(std::env::consts::OS, std::env::consts::ARCH)
    }

    /// From Rust's words to GitHub's.
    fn of(system: &'static str, architecture: &'static str) -> Result<Self, InvalidName> {
        let word = |words: &[(&str, &'static str)], ours| words.iter().find(|(rust, _)| *rust == ours).map(|(_, w)| *w);
        match (word(&SYSTEMS, system), word(&ARCHITECTURES, architecture)) {
            (Some(os), Some(architecture)) => Ok(Self { os, architecture }),
            _ => Err(InvalidName::Platform { system, architecture }),
        }
    }

    /// From GitHub's words.
    fn named(os: &str, architecture: &str) -> Option<Self> {
        let word =
            |words: &[(&str, &'static str)], text| words.iter().map(|(_, word)| *word).find(|word| *word == text);
        Some(Self { os: word(&SYSTEMS, os)?, architecture: word(&ARCHITECTURES, architecture)? })
    }

    /// The program that takes jobs, relative to a version's directory.
    pub fn listener(self) -> &'static str {
        if self.os == "win" { "bin/Runner.Listener.exe" } else { "bin/Runner.Listener" }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.os, self.architecture)
    }
}

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    TarGz,
    Zip,
}

/// What the name of an archive says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveName {
    pub platform: Platform,
    pub version: RunnerVersion,
    pub packing: Packing,
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extension = match self.packing {
            Packing::TarGz => "tar.gz",
            Packing::Zip => "zip",
        };
        write!(f, "actions-runner-{}-{}.{extension}", self.platform, self.version)
    }
}

impl FromStr for ArchiveName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let read = || {
            let rest = text.strip_prefix("actions-runner-")?;
            let tar = rest.strip_suffix(".tar.gz").map(|rest| (rest, Packing::TarGz));
            let (rest, packing) = tar.or_else(|| rest.strip_suffix(".zip").map(|rest| (rest, Packing::Zip)))?;
            let (os, rest) = rest.split_once('-')?;
            let (architecture, version) = rest.split_once('-')?;
            let version = version.parse().ok().filter(|_| !version.starts_with('v'))?;
            Some(Self { platform: Platform::named(os, architecture)?, version, packing })
        };
        read().ok_or_else(|| InvalidName::Archive { text: shortened(text) })
    }
}

/// A text that somebody else chose, for an error message.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_plain_numbers_and_sort_by_them() {
        for (text, version) in [
            ("2.336.0", RunnerVersion::new(2, 336, 0)),
            ("v2.9.10", RunnerVersion::new(2, 9, 10)),
            ("10.0.1", RunnerVersion::new(10, 0, 1)),
        ] {
            assert_eq!(text.parse(), Ok(version));
            assert_eq!(version.to_string(), text.trim_start_matches('v'));
        }
        for bad in ["", "2.336", "2.336.0.1", "2.336.x", "2..0", "+2.336.0", "2.336.00", "-1.0.0", "99999999999.0.0"] {
            assert!(bad.parse::<RunnerVersion>().is_err(), "{bad}");
        }
        assert!(RunnerVersion::new(2, 336, 0) > RunnerVersion::new(2, 99, 9));
    }

    #[test]
    fn an_archive_is_known_by_the_name_that_github_gives_it() {
        for (text, os, architecture, packing) in [
            ("actions-runner-linux-x64-2.336.0.tar.gz", "linux", "x64", Packing::TarGz),
            ("actions-runner-osx-arm64-2.336.0.tar.gz", "osx", "arm64", Packing::TarGz),
            ("actions-runner-win-x64-2.336.0.zip", "win", "x64", Packing::Zip),
        ] {
            let name: ArchiveName = text.parse().unwrap();
            assert_eq!(name.platform, Platform { os, architecture });
            assert_eq!((name.version, name.packing), (RunnerVersion::new(2, 336, 0), packing));
            assert_eq!(name.to_string(), text);
        }
        for bad in [
            "",
            "runner.tar.gz",
            "actions-runner-linux-x64.tar.gz",
            "actions-runner-linux-x64-2.336.0.tar.xz",
            "actions-runner-linux-x64-2.336.0-noexternals.tar.gz",
            "actions-runner-plan9-x64-2.336.0.tar.gz",
            "actions-runner-linux-x64-../../2.336.0.tar.gz",
            "actions-runner-linux-x64-v2.336.0.tar.gz",
        ] {
            assert!(bad.parse::<ArchiveName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_machine_that_github_does_not_know_is_named() {
        assert_eq!(Platform::of("macos", "aarch64").unwrap().to_string(), "osx-arm64");
        let error = Platform::of("haiku", "x86_64").unwrap_err();
        assert_eq!(error.to_string(), "GitHub builds no runner program for haiku on x86_64");
    }
}
