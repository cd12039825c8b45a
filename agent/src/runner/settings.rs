//! The section `[runner]` of the configuration: where the runner program comes from, how versions of it follow each
//! other, and what its jobs find in their environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hearth_daemon::config::TimeSpan;
use hearth_model::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checksum::{InvalidChecksum, Sha256};
use super::version::{ArchiveName, InvalidName, Platform};

/// The section `[runner]`, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunnerFile {
    /// An archive of the runner program, for networks that do not reach GitHub's. Unset: GitHub's list of downloads.
    pub archive: Option<PathBuf>,
    /// Only an archive with this SHA-256 checksum is installed. Must be set beside `archive`; GitHub's list brings one.
    pub sha256: Option<String>,
    /// How many versions stay installed. Those that a runner uses stay anyway.
    #[schemars(range(min = 1, max = 20))]
    pub keep: u8,
    /// A new version whose first so many starts all fail is given up for the one before it.
    #[schemars(range(min = 1, max = 100))]
    pub failed_starts: u8,
    /// How long before GitHub refuses the version in use that is said in the log.
    pub warn_before: TimeSpan,
    /// A runner that gets no job within this time is let go.
    pub idle_limit: TimeSpan,
    /// Variables for all jobs. Everybody who can change a workflow can read them.
    pub env: BTreeMap<String, String>,
}

impl Default for RunnerFile {
    fn default() -> Self {
        Self {
            archive: None,
            sha256: None,
            keep: 2,
            failed_starts: 3,
            warn_before: TimeSpan(Millis::from_minutes(7 * 24 * 60)),
            idle_limit: TimeSpan(Millis::from_minutes(5)),
            env: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerSettingsError {
    #[error("runner.{key} is {value}; it must be between 1 and {most}")]
    Range { key: &'static str, value: u8, most: u8 },
    #[error("runner.sha256 is not usable")]
    Checksum(#[source] InvalidChecksum),
    #[error("runner.archive is set without runner.sha256; nothing else says that the archive is the right one")]
    NoChecksum,
    #[error("runner.archive is not usable")]
    Archive(#[source] InvalidName),
    #[error("runner.archive is built for {theirs}, and this machine is {ours}")]
    OtherPlatform { theirs: Platform, ours: Platform },
    #[error("runner.env sets `{name}`, which is not the name of a variable")]
    VariableName { name: String },
    #[error("runner.env sets `{name}` to a text with a zero in it, which no environment can hold")]
    VariableValue { name: String },
    #[error("runner.env sets `{name}`, which Hearth sets itself for every runner")]
    Reserved { name: String },
}

/// The section, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerSettings {
    pub archive: Option<PathBuf>,
    pub sha256: Option<Sha256>,
    pub keep: usize,
    pub failed_starts: u32,
    pub warn_before: Millis,
    pub idle_limit: Millis,
    pub env: BTreeMap<String, String>,
}

/// What decides how a runner registers, where it keeps things and whom it obeys is not the operator's to set.
const RESERVED: [&str; 11] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "RUNNER_TOOL_CACHE",
    "AGENT_TOOLSDIRECTORY",
    "RUNNER_ALLOW_RUNASROOT",
    "RUNNER_TRACKING_ID",
    "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE",
    "ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED",
];
const RESERVED_PREFIXES: [&str; 4] =
    ["ACTIONS_RUNNER_INPUT_", "ACTIONS_RUNNER_HOOK_", "HEARTH_", "GITHUB_ACTIONS_RUNNER_CHANNEL_"];

impl RunnerFile {
    /// Checks what the types cannot.
    pub fn check(&self) -> Result<RunnerSettings, RunnerSettingsError> {
        for (key, value, most) in [("keep", self.keep, 20), ("failed_starts", self.failed_starts, 100)] {
            if !(1..=most).contains(&value) {
                return Err(RunnerSettingsError::Range { key, value, most });
            }
        }
        let sha256 = self.sha256.as_deref().map(str::parse).transpose().map_err(RunnerSettingsError::Checksum)?;
        if let Some(archive) = &self.archive {
            let ours = Platform::of_this_machine().map_err(RunnerSettingsError::Archive)?;
            let name = archive_name(archive).map_err(RunnerSettingsError::Archive)?;
            if name.platform != ours {
                return Err(RunnerSettingsError::OtherPlatform { theirs: name.platform, ours });
            }
            if sha256.is_none() {
                return Err(RunnerSettingsError::NoChecksum);
            }
        }
        self.env.iter().try_for_each(|(name, value)| check_variable(name, value))?;
        Ok(RunnerSettings {
            archive: self.archive.clone(),
            sha256,
            keep: self.keep.into(),
            failed_starts: self.failed_starts.into(),
            warn_before: self.warn_before.0,
            idle_limit: self.idle_limit.0,
            env: self.env.clone(),
        })
    }
}

/// What the file name of an archive says.
pub(super) fn archive_name(path: &std::path::Path) -> Result<ArchiveName, InvalidName> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().parse()
}

fn check_variable(name: &str, value: &str) -> Result<(), RunnerSettingsError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let error: fn(String) -> RunnerSettingsError =
        if name.is_empty() || !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
            |name| RunnerSettingsError::VariableName { name }
        } else if value.contains('\0') {
            |name| RunnerSettingsError::VariableValue { name }
        } else if RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            |name| RunnerSettingsError::Reserved { name }
        } else {
            return Ok(());
        };
    Err(error(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut RunnerFile)) -> String {
        let mut file = RunnerFile::default();
        change(&mut file);
        file.check().map_or_else(|error| crate::journey::chain(&error), |_| "right".to_owned())
    }

    #[test]
    fn a_wrong_section_is_refused_with_its_key() {
        let sum = "ab".repeat(32);
        let ours = Platform::of_this_machine().unwrap();
        let archive = |file: &mut RunnerFile, name: &str| file.archive = Some(PathBuf::from("/media").join(name));
        let own = format!("actions-runner-{ours}-2.336.0.tar.gz");
        assert_eq!(check(|_| {}), "right");
        assert_eq!(
            check(|file| {
                archive(file, &own);
                file.sha256 = Some(sum.clone());
            }),
            "right"
        );
        assert!(check(|file| archive(file, &own)).contains("without runner.sha256"));
        assert!(check(|file| archive(file, "runner.tgz")).contains("keep the name that GitHub gave it"));
        let other = if ours.os == "osx" { "linux" } else { "osx" };
        assert!(
            check(|file| archive(file, &format!("actions-runner-{other}-x64-2.336.0.tar.gz"))).contains("built for")
        );
        assert!(check(|file| file.sha256 = Some("abc".to_owned())).contains("64 hexadecimal digits"));
        assert_eq!(check(|file| file.keep = 0), "runner.keep is 0; it must be between 1 and 20");
        assert!(check(|file| file.failed_starts = 101).contains("runner.failed_starts is 101"));
    }

    #[test]
    fn variables_that_are_ours_are_not_the_operators() {
        for (name, value, expected) in [
            ("RUSTFLAGS", "-Dwarnings", "right"),
            ("PATH", "/opt/bin", "right"),
            ("1X", "", "not the name"),
            ("A=B", "", "not the name"),
            ("", "", "not the name"),
            ("X", "a\0b", "a zero in it"),
            ("HOME", "/root", "Hearth sets itself"),
            ("ACTIONS_RUNNER_HOOK_JOB_STARTED", "/x.sh", "Hearth sets itself"),
            ("ACTIONS_RUNNER_INPUT_JITCONFIG", "x", "Hearth sets itself"),
            ("HEARTH_STATE", "/x", "Hearth sets itself"),
        ] {
            let said = check(|file| drop(file.env.insert(name.to_owned(), value.to_owned())));
            assert!(said.contains(expected), "{name}: {said}");
        }
    }
}
