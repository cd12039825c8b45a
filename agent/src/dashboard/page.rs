//! The page: the few figures that matter, and the sections in the order in which they are asked for.

use hearth_cache_server::NodeStatus;
use hearth_daemon::pages::{Frame, counted, percent, tile};
use hearth_ledger::rfc3339;
use maud::{Markup, html};

use super::forge;
use super::format::time;
use super::month::Verdicts;
use super::overview::Overview;
use super::sections;
use crate::slots::Occupancy;

/// Whether a newer reading could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Fresh,
    Old,
}

pub(super) fn whole(overview: &Overview, age: Age) -> Markup {
    let now = overview.read_at;
    frame(
        &overview.machine,
        &html! {
            p.state {
                "read at " time datetime=(rfc3339(now)) { (clock(overview)) }
                @if overview.zone != "UTC" { " " (overview.zone) } @else { " UTC" }
            }
        },
        &html! {
            @if age == Age::Old {
                p.trouble role="status" {
                    "These figures are of " (time(now, now, &overview.zone)) "; newer ones could not be read in time."
                }
            }
            (tiles(overview))
            (sections::slots(overview))
            (forge::github(overview))
            (sections::recent(overview))
            (sections::month(overview))
            (sections::budgets(overview))
            (sections::targets(overview))
            (sections::cache(overview))
        },
    )
}

/// When nothing could be read.
pub(super) fn nothing() -> Markup {
    frame(
        "",
        &html! {},
        &html! {
            p.trouble role="status" {
                "The figures could not be read in time: the disk of the state directory answers slowly or not at all. \
                 This page asks again by itself."
            }
        },
    )
}

fn frame(machine: &str, state: &Markup, content: &Markup) -> Markup {
    let footer = html! {
        p {
            "Hearth " (env!("CARGO_PKG_VERSION")) ". The same figures: "
            a href="/api/overview.json" { "overview.json" } ", "
            a href="/metrics" { "metrics" } ", "
            code { "hearth report" } ", " code { "hearth budgets" } "."
        }
    };
    Frame { machine, state, content, footer: &footer }.page()
}

/// The time of day to the second: a page that stands still is noticed.
fn clock(overview: &Overview) -> String {
    let civil = hearth_ledger::civil_time(overview.read_at, &overview.zone).unwrap_or_default();
    let seconds = overview.read_at.as_millis().div_euclid(1_000).rem_euclid(60);
    format!("{civil}:{seconds:02}")
}

fn tiles(overview: &Overview) -> Markup {
    let busy = overview.slots.iter().filter(|(_, occupancy)| *occupancy == Occupancy::Busy).count();
    html! {
        section.tiles aria-label="At a glance" {
            dl {
                (tile("Slots busy", &html! { (busy) small { " of " (overview.slots.len()) } }))
                @match &overview.month {
                    Ok(month) => {
                        (tile("Charged this month", &html! { (month.total.sums.billable_minutes) small { " min" } }))
                        (tile("Jobs this month", &jobs(month.total.sums.jobs, month.total.sums.failed)))
                        (tile("Budget limits", &verdicts(month.verdicts())))
                    }
                    Err(_) => (tile("This month", &html! { "–" small { " not readable" } })),
                }
                @match &overview.targets {
                    Ok(targets) => {
                        @let ready = targets.snapshots.iter().filter(|snapshot| snapshot.ready).count();
                        (tile("Warm targets ready", &html! { (ready) small { " of " (targets.snapshots.len()) } }))
                    }
                    Err(_) => (tile("Warm targets ready", &html! { "–" small { " not readable" } })),
                }
                (tile("Cache hits", &hits(&overview.cache)))
            }
        }
    }
}

fn jobs(jobs: u64, failed: u64) -> Markup {
    html! { (jobs) @if failed > 0 { small { ", " (failed) " failed" } } }
}

fn verdicts(verdicts: Verdicts) -> Markup {
    html! {
        @if verdicts.missed > 0 { span.bad { (verdicts.missed) } } @else { (verdicts.missed) }
        small { " missed, " (verdicts.met) " met" }
    }
}

fn hits(status: &NodeStatus) -> Markup {
    html! {
        @match percent(status.hits, status.hits + status.misses) {
            Some(share) => { (share) small { " % of " (counted(status.hits + status.misses, "read", "reads")) } }
            None => { "–" small { " no read yet" } }
        }
    }
}
