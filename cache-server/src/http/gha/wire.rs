//! The messages of both services, as GitHub's clients write them. The cache service speaks JSON and protobuf, so its
//! messages are declared once for both; the artifact service speaks JSON alone. In JSON a field may be spelled in snake
//! or in camel case, and 64-bit integers are texts.
//!
//! What a client says of repository, scopes and permissions (field 1 of the cache's requests) is not even read: the
//! token has said it.

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct CreateCacheEntryRequest {
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(string, tag = "3")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(super) struct CreateCacheEntryResponse {
    #[prost(bool, tag = "1")]
    pub(super) ok: bool,
    #[prost(string, tag = "2")]
    pub(super) signed_upload_url: String,
    #[prost(string, tag = "3")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct FinalizeCacheEntryUploadRequest {
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(int64, tag = "3")]
    #[serde(alias = "sizeBytes", with = "integer")]
    pub(super) size_bytes: i64,
    #[prost(string, tag = "4")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(super) struct FinalizeCacheEntryUploadResponse {
    #[prost(bool, tag = "1")]
    pub(super) ok: bool,
    #[prost(int64, tag = "2")]
    #[serde(with = "integer")]
    pub(super) entry_id: i64,
    #[prost(string, tag = "3")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Deserialize)]
#[serde(default)]
pub(super) struct GetCacheEntryDownloadUrlRequest {
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(string, repeated, tag = "3")]
    #[serde(alias = "restoreKeys")]
    pub(super) restore_keys: Vec<String>,
    #[prost(string, tag = "4")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(super) struct GetCacheEntryDownloadUrlResponse {
    #[prost(bool, tag = "1")]
    pub(super) ok: bool,
    #[prost(string, tag = "2")]
    pub(super) signed_download_url: String,
    #[prost(string, tag = "3")]
    pub(super) matched_key: String,
}

/// The ids of run and job, which come first in each request about artifacts, and the artifact's name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ArtifactRequest {
    #[serde(alias = "workflowRunBackendId")]
    pub(super) workflow_run_backend_id: String,
    #[serde(alias = "workflowJobRunBackendId")]
    pub(super) workflow_job_run_backend_id: String,
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CreateArtifactRequest {
    #[serde(alias = "workflowRunBackendId")]
    pub(super) workflow_run_backend_id: String,
    #[serde(alias = "workflowJobRunBackendId")]
    pub(super) workflow_job_run_backend_id: String,
    pub(super) name: String,
    /// RFC 3339.
    #[serde(alias = "expiresAt")]
    pub(super) expires_at: Option<String>,
    #[serde(alias = "mimeType")]
    pub(super) mime_type: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct CreateArtifactResponse {
    pub(super) ok: bool,
    pub(super) signed_upload_url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FinalizeArtifactRequest {
    #[serde(alias = "workflowRunBackendId")]
    pub(super) workflow_run_backend_id: String,
    #[serde(alias = "workflowJobRunBackendId")]
    pub(super) workflow_job_run_backend_id: String,
    pub(super) name: String,
    #[serde(with = "integer")]
    pub(super) size: i64,
    /// `sha256:` and 64 hex digits.
    pub(super) hash: Option<String>,
}

/// What finalizing and deleting answer.
#[derive(Debug, Serialize)]
pub(super) struct ArtifactIdResponse {
    pub(super) ok: bool,
    #[serde(with = "integer")]
    pub(super) artifact_id: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListArtifactsRequest {
    #[serde(alias = "workflowRunBackendId")]
    pub(super) workflow_run_backend_id: String,
    #[serde(alias = "workflowJobRunBackendId")]
    pub(super) workflow_job_run_backend_id: String,
    #[serde(alias = "nameFilter")]
    pub(super) name_filter: Option<String>,
    #[serde(alias = "idFilter", with = "integer::optional")]
    pub(super) id_filter: Option<i64>,
}

#[derive(Debug, Serialize)]
pub(super) struct ListArtifactsResponse {
    pub(super) artifacts: Vec<ListedArtifact>,
}

#[derive(Debug, Serialize)]
pub(super) struct ListedArtifact {
    pub(super) workflow_run_backend_id: String,
    pub(super) workflow_job_run_backend_id: String,
    #[serde(with = "integer")]
    pub(super) database_id: i64,
    pub(super) name: String,
    #[serde(with = "integer")]
    pub(super) size: i64,
    /// RFC 3339.
    pub(super) created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct GetSignedArtifactUrlResponse {
    pub(super) signed_url: String,
}

/// 64-bit integers in JSON: written as a text, read as a text or a number.
mod integer {
    use std::fmt;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
    pub(super) fn serialize<S: Serializer>(value: &i64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        from.deserialize_any(Either)
    }

    pub(super) mod optional {
        use serde::de::{Deserialize, Deserializer};

        struct Integer(i64);

        impl<'de> Deserialize<'de> for Integer {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                super::deserialize(from).map(Self)
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
            Ok(Option::<Integer>::deserialize(from)?.map(|Integer(value)| value))
        }
    }

    struct Either;

    impl Visitor<'_> for Either {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a 64-bit integer, as a number or a text")
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
            Ok(value)
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
            i64::try_from(value).map_err(E::custom)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
            text.parse().map_err(E::custom)
        }
    }
}
