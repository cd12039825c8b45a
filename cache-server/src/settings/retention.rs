//! The section `[retention]`: how the room is divided between kinds of objects, and what goes by age. Written flat, so
//! that every key has a default of its own to show.

use hearth_daemon::config::{ConfigError, Effective, TimeSpan};
use hearth_model::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::ServerFile;
use crate::eviction::{ClassLimit, Retention};
use crate::http::gha::ArtifactLife;

/// The section `[retention]`. A span of "0s" is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetentionFile {
    /// The most objects in all; each takes about 70 bytes of memory.
    pub(crate) objects: u64,
    /// What objects of default branches, tags and releases may take of the budget. More may be borrowed while there is
    /// room; when room is wanted, what was borrowed goes first.
    pub(crate) trusted_percent: u8,
    /// Of these, what nobody has read for so long goes.
    pub(crate) trusted_unused: TimeSpan,
    /// Of these, what was stored so long ago goes, read or not.
    pub(crate) trusted_age: TimeSpan,
    /// The same for the other branches.
    pub(crate) branches_percent: u8,
    pub(crate) branches_unused: TimeSpan,
    pub(crate) branches_age: TimeSpan,
    /// The same for pull requests.
    pub(crate) pull_requests_percent: u8,
    pub(crate) pull_requests_unused: TimeSpan,
    pub(crate) pull_requests_age: TimeSpan,
    /// The same for entries of GitHub's cache service.
    pub(crate) caches_percent: u8,
    pub(crate) caches_unused: TimeSpan,
    pub(crate) caches_age: TimeSpan,
    /// The same for artifacts of runs.
    pub(crate) artifacts_percent: u8,
    pub(crate) artifacts_unused: TimeSpan,
    pub(crate) artifacts_age: TimeSpan,
    /// How long an artifact of an ordinary job is kept, unless it asks for less.
    pub(crate) artifacts_of_jobs: TimeSpan,
    /// The same for jobs of tags and releases.
    pub(crate) artifacts_of_releases: TimeSpan,
}

impl Default for RetentionFile {
    fn default() -> Self {
        Self {
            objects: 10_000_000,
            trusted_percent: 100,
            trusted_unused: NEVER,
            trusted_age: NEVER,
            branches_percent: 40,
            branches_unused: TimeSpan(days(30)),
            branches_age: NEVER,
            pull_requests_percent: 25,
            pull_requests_unused: TimeSpan(days(14)),
            pull_requests_age: NEVER,
            caches_percent: 50,
            caches_unused: TimeSpan(days(7)),
            caches_age: NEVER,
            artifacts_percent: 50,
            artifacts_unused: NEVER,
            artifacts_age: TimeSpan(days(90)),
            artifacts_of_jobs: TimeSpan(days(1)),
            artifacts_of_releases: TimeSpan(days(7)),
        }
    }
}

/// How "no limit" is written.
const NEVER: TimeSpan = TimeSpan(Millis(0));

pub(super) const fn days(n: u64) -> Millis {
    Millis::from_minutes(n * 24 * 60)
}

pub(super) fn check(read: &Effective<ServerFile>) -> Result<(Retention, ArtifactLife), ConfigError> {
    let file = &read.value.retention;
    let limit = |class: &str, percent: u8, unused: TimeSpan, age: TimeSpan| {
        if percent > 100 {
            return Err(read.refuse(&format!("retention.{class}_percent"), "must be 0 to 100"));
        }
        let span = |span: TimeSpan| (span != NEVER).then_some(span.0);
        Ok(ClassLimit { percent, unused: span(unused), age: span(age) })
    };
    if file.objects == 0 {
        return Err(read.refuse("retention.objects", "must be at least 1"));
    }
    let retention = Retention {
        objects: file.objects,
        trusted: limit("trusted", file.trusted_percent, file.trusted_unused, file.trusted_age)?,
        branches: limit("branches", file.branches_percent, file.branches_unused, file.branches_age)?,
        pull_requests: limit(
            "pull_requests",
            file.pull_requests_percent,
            file.pull_requests_unused,
            file.pull_requests_age,
        )?,
        caches: limit("caches", file.caches_percent, file.caches_unused, file.caches_age)?,
        artifacts: limit("artifacts", file.artifacts_percent, file.artifacts_unused, file.artifacts_age)?,
    };
    let lives = [("artifacts_of_jobs", file.artifacts_of_jobs), ("artifacts_of_releases", file.artifacts_of_releases)];
    if let Some((key, _)) = lives.iter().find(|(_, life)| *life == NEVER) {
        return Err(read.refuse(&format!("retention.{key}"), "must be longer than nothing"));
    }
    let artifacts = ArtifactLife {
        jobs: file.artifacts_of_jobs.0.to_duration(),
        releases: file.artifacts_of_releases.0.to_duration(),
    };
    Ok((retention, artifacts))
}
