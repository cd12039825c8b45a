//! What `[access]` says of kinds of callers: how fast they may ask, and what a job may store.

use std::num::NonZeroU32;

use hearth_daemon::config::{ByteSize, ConfigError, Effective};
use hearth_model::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::ServerFile;
use crate::access::{Allowance, Allowances, Rate};

/// A rest earns requests of so many seconds, where `burst` says nothing else.
const BURST_SECONDS: u32 = 10;

/// What one caller of a kind may do. Whoever asks more finds nothing, and what he sends is thrown away: an error would
/// break his build. Default: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AllowanceFile {
    pub(crate) requests_per_second: Option<NonZeroU32>,
    /// How many at once after a rest. Default: those of ten seconds.
    pub(crate) burst: Option<NonZeroU32>,
    /// Bytes of objects, read and written, over ten seconds. What GitHub's clients move by the addresses that they were
    /// handed out is not counted.
    pub(crate) bytes_per_second: Option<ByteSize>,
    /// What a job may store, or the owner of a static token in a day. Default: what his token says.
    pub(crate) quota: Option<ByteSize>,
}

pub(super) fn check(read: &Effective<ServerFile>) -> Result<Allowances, ConfigError> {
    let file = &read.value.access;
    let one = |kind: &str, file: AllowanceFile| {
        let refuse = |key: &str, message| Err(read.refuse(&format!("access.{kind}.{key}"), message));
        if file.burst.is_some() && file.requests_per_second.is_none() {
            return refuse("burst", "says nothing without `requests_per_second`");
        }
        if file.bytes_per_second.is_some_and(|bytes| bytes.0 == Bytes(0)) {
            return refuse("bytes_per_second", "must be more than nothing");
        }
        let rate = file.requests_per_second.map(|per_second| {
            let burst = file.burst.map_or(per_second.get().saturating_mul(BURST_SECONDS), NonZeroU32::get);
            Rate { per_second: per_second.get(), burst }
        });
        let bytes = |size: ByteSize| size.0;
        Ok(Allowance { rate, bytes_per_second: file.bytes_per_second.map(bytes), quota: file.quota.map(bytes) })
    };
    Ok(Allowances {
        trusted: one("trusted", file.trusted)?,
        branches: one("branches", file.branches)?,
        pull_requests: one("pull_requests", file.pull_requests)?,
        forks: one("forks", file.forks)?,
        others: one("others", file.others)?,
        tokens: one("tokens", file.tokens)?,
    })
}
