//! The page: the few figures that matter, then what the cache does, holds and misses.

use hearth_daemon::pages::{
    self, Frame, Screen, cell, counted, figure, name, percent, section, share_of_budget, table, tile,
};
use hearth_model::Bytes;
use maud::{Markup, html};

use super::hours::{clock, hit_share};
use super::overview::Overview;
use crate::node::IndexState;
use crate::upstream::{UpstreamMode, UpstreamStatus};

pub(super) fn whole(overview: &Overview) -> Markup {
    let state = html! { p.state { "read at " (clock(overview.read_at, 0)) " UTC" } };
    let content = html! {
        (tiles(overview))
        (hits(overview))
        (savings(overview))
        (holdings(overview))
        (slowest(overview))
        @if let Some(upstream) = &overview.upstream { (behind(upstream)) }
    };
    let footer = html! {
        p {
            "Hearth " (env!("CARGO_PKG_VERSION")) ". The same figures: "
            a href="/api/overview.json" { "overview.json" } ", "
            a href="/metrics" { "metrics" } ", " a href="/readyz" { "readiness" } "."
        }
    };
    Frame { machine: "cache server", state: &state, content: &content, footer: &footer }.page()
}

fn tiles(overview: &Overview) -> Markup {
    let status = &overview.status;
    let reads = status.hits + status.misses;
    html! {
        section.tiles aria-label="At a glance" {
            dl {
                (tile("Hits", &html! {
                    @match percent(status.hits, reads) {
                        Some(share) => { (share) small { " % of " (counted(reads, "read", "reads")) } }
                        None => { "–" small { " no read yet" } }
                    }
                }))
                (tile("Compile time saved", &html! { (status.saved.to_string()) }))
                (tile("Objects", &html! { (status.objects) small { " in " (status.bytes.to_string()) } }))
                (tile("Stored", &html! { (status.stored) small { @if status.failed > 0 { ", " (status.failed) " failed" } } }))
                (tile("Evicted", &html! { (status.evicted) }))
                (tile("Damaged, removed", &html! { @if status.corrupt > 0 { span.bad { (status.corrupt) } } @else { "0" } }))
            }
        }
    }
}

fn hits(overview: &Overview) -> Markup {
    let tiers = &overview.tiers;
    let all = tiers.memory + tiers.disk + tiers.upstream + overview.status.misses;
    let rows = html! {
        @for (tier, count) in
            [("Memory", tiers.memory), ("Disk", tiers.disk), ("Upstream", tiers.upstream), ("Nobody", overview.status.misses)] {
            tr {
                th.whole scope="row" data-column="Answered by" { (tier) }
                (figure("Reads", count))
                (figure("Share", html! { @if let Some(share) = percent(count, all) { (share) " %" } }))
            }
        }
    };
    let content = html! {
        figure {
            (hit_share(&overview.minutes, overview.read_at, Screen::Wide))
            (hit_share(&overview.minutes, overview.read_at, Screen::Narrow))
            figcaption { span.key.ran { "hits" } span.key.charged { "misses" } "five minutes each, UTC" }
        }
        (table("Reads since the server was started, by what answered them", &["Answered by", "Reads", "Share"], &rows))
    };
    section("hits", "Reads", &content)
}

fn savings(overview: &Overview) -> Markup {
    let realms = html! {
        @for realm in &overview.savings.realms {
            tr {
                th.whole scope="row" data-column="Repository" { (name(&realm.realm)) }
                (figure("Hits", realm.hits))
                (figure("Misses", realm.misses))
                (figure("Read", realm.bytes.to_string()))
                (figure("Saved", realm.saved.to_string()))
            }
        }
    };
    let missed = html! {
        @for missed in &overview.savings.missed {
            tr {
                th.whole scope="row" data-column="Crate" { (name(&missed.name)) }
                (pages::whole("Repository", name(&missed.realm)))
                (figure("Misses", missed.misses))
                (figure("Compiled for", missed.spent.to_string()))
            }
        }
    };
    let content = html! {
        @if overview.savings.realms.is_empty() {
            p.empty { "Nobody has asked for anything yet." }
        } @else {
            (table("Repositories, most saved first", &["Repository", "Hits", "Misses", "Read", "Saved"], &realms))
        }
        @if !overview.savings.missed.is_empty() {
            (table("Crates that were missed, the dearest first", &["Crate", "Repository", "Misses", "Compiled for"], &missed))
        }
    };
    section("savings", "Saved and missed", &content)
}

fn holdings(overview: &Overview) -> Markup {
    let (status, scopes) = (&overview.status, &overview.scopes);
    let row = |what: Markup, scope: Markup, objects: u64, bytes: Bytes| {
        html! {
            tr {
                th.whole scope="row" data-column="Repository" { (what) }
                (cell("Scope", scope))
                (figure("Objects", objects))
                (figure("Size", share(bytes, status.bytes)))
            }
        }
    };
    let rows = html! {
        @for scope in &scopes.biggest {
            (row(name(&scope.realm), name(&scope.scope), scope.objects, scope.bytes))
        }
        @if scopes.others > 0 {
            (row(html! { (counted(scopes.others, "other scope", "other scopes")) }, html! {}, scopes.other_objects, scopes.other_bytes))
        }
    };
    let content = html! {
        (share_of_budget("Objects on disk", status.bytes, status.budget))
        @if status.index == IndexState::Loading { p.quiet { "What is on disk is still being counted." } }
        @if scopes.biggest.is_empty() {
            p.empty { "Nothing is stored yet." }
        } @else {
            (table("Scopes, the biggest first", &["Repository", "Scope", "Objects", "Size"], &rows))
        }
    };
    section("scopes", "What is stored", &content)
}

/// A size, and a bar of its part of the whole.
fn share(bytes: Bytes, of: Bytes) -> Markup {
    let share = percent(bytes.0, of.0).unwrap_or(0).min(100);
    html! {
        (bytes.to_string()) " "
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.whole width="100" height="6" {}
            rect.used width=(share.max(u64::from(bytes.0 > 0))) height="6" {}
        }
    }
}

fn slowest(overview: &Overview) -> Markup {
    let rows = html! {
        @for slow in &overview.slowest {
            tr {
                (pages::whole("Path", html! { code { (name(&slow.path)) } }))
                (cell("Request", html! { (slow.dialect) " " (slow.operation) }))
                (cell("End", slow.outcome))
                (figure("Took", html! { (slow.took.as_millis()) " ms" }))
                (figure("When", html! { (overview.read_at.since(slow.at).to_string()) " ago" }))
            }
        }
    };
    let content = html! {
        @if overview.slowest.is_empty() {
            p.empty { "No request took long in the last hour." }
        } @else {
            (table("The slowest requests of the last hour", &["Path", "Request", "End", "Took", "When"], &rows))
        }
    };
    section("slowest", "Slowest requests", &content)
}

fn behind(upstream: &UpstreamStatus) -> Markup {
    let pair = |what: &str, figure: String| html! { div { dt { (what) } dd { (figure) } } };
    let state = match (upstream.mode, upstream.spared) {
        (UpstreamMode::Offline, _) => "left alone",
        (UpstreamMode::Online | UpstreamMode::ReadOnly, true) => "spared, because it has failed",
        (UpstreamMode::ReadOnly, false) => "asked, and given nothing",
        (UpstreamMode::Online, false) => "asked",
    };
    let content = html! {
        dl.figures {
            (pair("State", state.to_owned()))
            (pair("To go up", counted(upstream.queued_objects, "object", "objects")))
            (pair("Their size", upstream.queued_bytes.to_string()))
            (pair("The first waits for", format!("{} s", upstream.queued_for.as_secs())))
            (pair("Hits", upstream.hits.to_string()))
            (pair("Failures", upstream.failures.to_string()))
            (pair("Went up", upstream.carried.to_string()))
            (pair("Left out", upstream.dropped.to_string()))
        }
    };
    section("upstream", "Behind the disk", &content)
}
