//! GitHub Apps and their tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::or_default;

#[derive(Debug, Deserialize)]
pub(crate) struct Installation {
    pub(crate) id: i64,
    pub(crate) suspended_at: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) permissions: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AccessTokenRequest<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) permissions: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) repositories: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) repository_ids: Vec<i64>,
}

/// Holds a secret: no `Debug`.
#[derive(Deserialize)]
pub(crate) struct AccessToken {
    pub(crate) token: String,
    pub(crate) expires_at: String,
}
