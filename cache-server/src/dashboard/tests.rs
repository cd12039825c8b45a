//! The page and its JSON: what stands there, and that names from outside are text and nothing else.

use std::time::Duration;

use hearth_model::{Bytes, Millis, Timestamp};

use super::overview::Overview;
use super::{json, page};
use crate::metrics::{Minute, SlowRequest};
use crate::node::{IndexState, NodeStatus, ScopeSize, Scopes, TierHits};
use crate::savings::{MissedCrate, RealmSavings, SavingsReport};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOSTILE: &str = "<script>alert(1)</script>";

fn overview() -> Overview {
    Overview {
        read_at: NOW,
        status: NodeStatus {
            objects: 12,
            bytes: Bytes::mib(3),
            budget: Bytes::gib(1),
            memory: Bytes(0),
            index: IndexState::Complete,
            hits: 30,
            misses: 10,
            puts: 12,
            stored: 12,
            duplicate: 0,
            divergent: 0,
            discarded: 0,
            malformed: 0,
            failed: 0,
            refused: 0,
            evicted: 4,
            corrupt: 0,
            unsynced_for: None,
            saved: Millis(61_000),
        },
        tiers: TierHits { memory: 20, disk: 10, upstream: 0 },
        minutes: vec![Minute { end: NOW, hits: 3, misses: 1, saved: Millis(0) }],
        slowest: Vec::new(),
        savings: SavingsReport::default(),
        scopes: Scopes::default(),
        upstream: None,
    }
}

#[track_caller]
fn shows(page: &str, words: &[&str]) {
    for word in words {
        assert!(page.contains(word), "`{word}` is not on the page:\n{page}");
    }
}

#[test]
fn figures_stand_on_the_page_and_in_the_json() {
    let page = page::whole(&overview()).into_string();
    shows(&page, &["75<small> % of 40 reads", "1 min 01 s", "3.00 MiB", "75 % of 4 reads", "Nothing is stored yet."]);
    let json = json::overview(&overview());
    assert_eq!(json["tier_hits"]["memory"], 20);
    assert_eq!(json["minutes"][0]["hits"], 3);
    assert_eq!(json["upstream"], serde_json::Value::Null);
}

#[test]
fn names_from_outside_are_text_and_nothing_else() {
    let mut overview = overview();
    let scope = ScopeSize { realm: HOSTILE.into(), scope: format!("branch/{HOSTILE}"), objects: 1, bytes: Bytes(1) };
    overview.scopes = Scopes { biggest: vec![scope], others: 2, other_objects: 5, other_bytes: Bytes(7) };
    overview.savings = SavingsReport {
        realms: vec![RealmSavings { realm: HOSTILE.into(), hits: 1, misses: 0, bytes: Bytes(1), saved: Millis(1) }],
        missed: vec![MissedCrate { realm: HOSTILE.into(), name: HOSTILE.into(), misses: 1, spent: Millis(1) }],
    };
    overview.slowest = vec![SlowRequest {
        at: NOW - Millis(1000),
        dialect: "plain",
        operation: "get",
        outcome: "absent",
        took: Duration::from_millis(1500),
        path: format!("/{HOSTILE}\u{1b}[31m").into(),
    }];
    let page = page::whole(&overview).into_string();
    assert!(!page.contains("<script>alert") && !page.contains('\u{1b}'), "{page}");
    assert_eq!(page.matches("&lt;script&gt;alert(1)").count(), 6, "{page}");
    shows(&page, &["2 other scopes", "1500 ms"]);
    assert_eq!(json::overview(&overview)["missed_crates"][0]["crate"], HOSTILE);
}
