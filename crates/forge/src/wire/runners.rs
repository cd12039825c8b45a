//! Runners, their labels and groups, and the runner program, over REST.

use hearth_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::or_default;
use crate::times::instant;

#[derive(Debug, Deserialize)]
pub(crate) struct Runners {
    pub(crate) runners: Vec<Runner>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Runner {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) status: Option<String>,
    pub(crate) busy: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) labels: Vec<Label>,
    pub(crate) version: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Label {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LabelList {
    pub(crate) labels: Vec<Label>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LabelRequest<'a> {
    pub(crate) labels: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct JitRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) runner_group_id: i64,
    pub(crate) labels: Vec<&'a str>,
    pub(crate) work_folder: &'a str,
}

/// Holds a secret: no `Debug`.
#[derive(Deserialize)]
pub(crate) struct JitConfig {
    pub(crate) runner: Runner,
    pub(crate) encoded_jit_config: String,
}

/// Holds a secret: no `Debug`.
#[derive(Deserialize)]
pub(crate) struct RegistrationToken {
    pub(crate) token: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Groups {
    pub(crate) runner_groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    // GitHub's description calls this a number, not an integer.
    #[serde(deserialize_with = "whole")]
    pub(crate) id: i64,
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) visibility: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) default: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) allows_public_repositories: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) restricted_to_workflows: bool,
}

fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    #[expect(clippy::cast_possible_truncation, reason = "the fraction was looked at just before")]
    let from_float = |float: f64| (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64);
    number
        .as_i64()
        .or_else(|| number.as_f64().and_then(from_float))
        .ok_or_else(|| serde::de::Error::custom("expected a whole number"))
}

#[derive(Debug, Deserialize)]
pub(crate) struct GroupRepositories {
    pub(crate) repositories: Vec<super::Repository>,
}

/// One archive of the runner program, from GitHub's own list.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Download {
    /// `linux`, `osx` or `win`
    pub os: String,
    pub architecture: String,
    pub download_url: String,
    pub filename: String,
    /// For the download's `Authorization`, where GitHub gives one.
    pub temp_download_token: Option<String>,
    /// SHA-256 in hexadecimal. GitHub may leave it out.
    pub sha256_checksum: Option<String>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.temp_download_token.as_ref().map(|_| "****");
        f.debug_struct("Download")
            .field("filename", &self.filename)
            .field("sha256_checksum", &self.sha256_checksum)
            .field("temp_download_token", &token)
            .finish_non_exhaustive()
    }
}

/// Until when GitHub takes a version of the runner program; the times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Deprecation {
    pub runner_version: String,
    pub registration_deprecates_at: Option<String>,
    pub runtime_deprecates_at: Option<String>,
}

impl Deprecation {
    /// From then on runners of this version cannot be registered.
    pub fn registration_ends_at(&self) -> Option<Timestamp> {
        self.registration_deprecates_at.as_deref().and_then(instant)
    }

    /// From then on runners of this version get no jobs.
    pub fn use_ends_at(&self) -> Option<Timestamp> {
        self.runtime_deprecates_at.as_deref().and_then(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_s_id_may_be_written_as_a_float() {
        let group = |id: &str| serde_json::from_str::<Group>(&format!(r#"{{"id":{id},"name":"x"}}"#));
        assert_eq!(group("7").unwrap().id, 7);
        assert_eq!(group("7.0").unwrap().id, 7);
        assert!(group("7.5").is_err() && group("1e40").is_err() && group("\"7\"").is_err());
    }

    #[test]
    fn a_download_s_token_is_never_printed() {
        let text =
            r#"{"os":"linux","architecture":"x64","download_url":"u","filename":"f","temp_download_token":"s3cret"}"#;
        let download: Download = serde_json::from_str(text).unwrap();
        assert!(!format!("{download:?}").contains("s3cret"));
    }
}
