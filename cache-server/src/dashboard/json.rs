//! The page for programs: exact figures with their unit in the name, and a `schema_version` that goes up when a field
//! changes its meaning or goes away.

use serde_json::{Value, json};

use super::overview::Overview;
use crate::node::IndexState;
use crate::upstream::{UpstreamMode, UpstreamStatus};

const SCHEMA_VERSION: u32 = 1;

pub(super) fn overview(overview: &Overview) -> Value {
    let Overview { status, tiers, scopes, savings, .. } = overview;
    let minutes = overview.minutes.iter().map(|minute| {
        json!({ "end_ms": minute.end.as_millis(), "hits": minute.hits, "misses": minute.misses, "saved_ms": minute.saved.0 })
    });
    let biggest = scopes.biggest.iter().map(
        |scope| json!({ "realm": *scope.realm, "scope": scope.scope, "objects": scope.objects, "bytes": scope.bytes.0 }),
    );
    let slowest = overview.slowest.iter().map(|slow| {
        json!({
            "at_ms": slow.at.as_millis(),
            "dialect": slow.dialect,
            "operation": slow.operation,
            "outcome": slow.outcome,
            "took_us": u64::try_from(slow.took.as_micros()).unwrap_or(u64::MAX),
            "path": slow.path,
        })
    });
    let realms = savings.realms.iter().map(|realm| {
        json!({
            "realm": *realm.realm,
            "hits": realm.hits,
            "misses": realm.misses,
            "read_bytes": realm.bytes.0,
            "saved_ms": realm.saved.0,
        })
    });
    let missed = savings.missed.iter().map(|missed| {
        json!({ "realm": *missed.realm, "crate": missed.name, "misses": missed.misses, "spent_ms": missed.spent.0 })
    });
    json!({
        "schema_version": SCHEMA_VERSION,
        "version": env!("CARGO_PKG_VERSION"),
        "read_at_ms": overview.read_at.as_millis(),
        "objects": status.objects,
        "bytes": status.bytes.0,
        "budget_bytes": status.budget.0,
        "memory_bytes": status.memory.0,
        "index": match status.index {
            IndexState::Loading => "loading",
            IndexState::Complete => "complete",
        },
        "hits": status.hits,
        "misses": status.misses,
        "tier_hits": { "memory": tiers.memory, "disk": tiers.disk, "upstream": tiers.upstream },
        "stored": status.stored,
        "failed": status.failed,
        "evicted": status.evicted,
        "corrupt": status.corrupt,
        "saved_ms": status.saved.0,
        "minutes": minutes.collect::<Vec<_>>(),
        "scopes": biggest.collect::<Vec<_>>(),
        "other_scopes": { "count": scopes.others, "objects": scopes.other_objects, "bytes": scopes.other_bytes.0 },
        "repositories": realms.collect::<Vec<_>>(),
        "missed_crates": missed.collect::<Vec<_>>(),
        "slowest": slowest.collect::<Vec<_>>(),
        "upstream": overview.upstream.as_ref().map(upstream),
    })
}

fn upstream(status: &UpstreamStatus) -> Value {
    json!({
        "mode": match status.mode {
            UpstreamMode::Online => "online",
            UpstreamMode::ReadOnly => "read_only",
            UpstreamMode::Offline => "offline",
        },
        "spared": status.spared,
        "queued_objects": status.queued_objects,
        "queued_bytes": status.queued_bytes.0,
        "queued_for_ms": u64::try_from(status.queued_for.as_millis()).unwrap_or(u64::MAX),
        "hits": status.hits,
        "misses": status.misses,
        "failures": status.failures,
        "carried": status.carried,
        "dropped": status.dropped,
    })
}
