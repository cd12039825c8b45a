//! The section about GitHub: the places that this machine serves, and its runners. A machine that serves none has none.

use hearth_daemon::pages::{cell, figure, name, section, table, whole};
use hearth_model::SlotNumber;
use maud::{Markup, html};

use super::format::time;
use super::overview::{Overview, Part};
use crate::dispatch::PlaceFigures;
use crate::slots::Record;

pub(super) fn github(overview: &Overview) -> Markup {
    let forge = &overview.forge;
    if forge.places.is_empty() && forge.runners.is_empty() {
        return html! {};
    }
    let places = html! { @for figures in &forge.places { (place(figures, overview)) } };
    let runners = html! { @for (slot, record) in &forge.runners { (runner(*slot, record, overview)) } };
    let content = html! {
        @if forge.is_draining {
            p.trouble role="status" {
                "This machine is being drained: it takes no more jobs until its daemon is started again."
            }
        }
        (table("Places that this machine serves", &["Place", "State", "Wanted", "Runners", "Promised", "Heard"], &places))
        @if forge.runners.is_empty() {
            p.quiet { "No runner is registered." }
        } @else {
            (table("Runners in slots", &["Slot", "Runner", "State", "For", "Place"], &runners))
        }
    };
    section("github", "GitHub", &content)
}

fn place(figures: &PlaceFigures, overview: &Overview) -> Markup {
    let now = overview.read_at;
    let standing = &figures.standing;
    let held_until = figures.limits.held_until.filter(|until| *until > now);
    let state = html! {
        @match (&standing.trouble, held_until, figures.demand.last_heard) {
            (Some(trouble), ..) => { span.badge.bad { "trouble" } span.second { (name(trouble)) } }
            (None, Some(until), _) => {
                span.badge.bad { "held" } span.second { "by GitHub's limits until " (time(until, now, &overview.zone)) }
            }
            (None, None, Some(_)) => span.badge.good { "listening" },
            (None, None, None) => span.badge.quiet { "not heard yet" },
        }
    };
    html! {
        tr {
            th.whole scope="row" data-column="Place" { (name(&figures.url)) }
            (whole("State", state))
            (figure("Wanted", standing.wanted))
            (figure("Runners", standing.have))
            (figure("Promised", standing.capacity))
            (figure("Heard", html! {
                @if let Some(at) = figures.demand.last_heard { (now.since(at).to_string()) " ago" }
            }))
        }
    }
}

fn runner(slot: SlotNumber, record: &Part<Record>, overview: &Overview) -> Markup {
    html! {
        tr {
            th.whole scope="row" data-column="Slot" { span.only-card { "Slot " } (slot) }
            @match record {
                Ok(record) => {
                    (whole("Runner", name(record.runner.as_str())))
                    (cell("State", html! { span.badge.(if record.state.has_job() { "busy" } else { "quiet" }) { (record.state.name()) } }))
                    (figure("For", overview.read_at.since(record.state.since()).to_string()))
                    (whole("Place", name(&record.target)))
                }
                Err(why) => {
                    (whole("Runner", html! { span.bad { (name(why)) } }))
                    (cell("State", "")) (figure("For", "")) (whole("Place", ""))
                }
            }
        }
    }
}
