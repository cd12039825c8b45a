//! The metrics of the places at GitHub. Their labels have as many values as the configuration has places, a runner has
//! states, and GitHub has limits, of which we keep a few.

use std::fmt;

use hearth_forge::{Bucket, DemandCounts};

use super::collector::{Page, Value, instant};
use super::counters::Family;
use super::labels::{Label, clean};
use super::reading::ForgeGauges;
use crate::dispatch::PlaceFigures;
use crate::slots::State;

impl Page<'_> {
    pub(super) fn forge(&mut self, forge: &ForgeGauges) -> fmt::Result {
        let draining = Value::Gauge(u64::from(forge.is_draining));
        self.register("agent_draining", "1 while the daemon takes no more jobs", draining)?;
        // A machine that serves no place has nothing to say of any.
        if forge.places.is_empty() {
            return Ok(());
        }
        let places = forge.places.as_slice();
        self.standings(places)?;
        let runners = runners(forge);
        self.register("agent_place_runners", "Runners in slots, by state", Value::Gauges(&runners))?;
        let registered = counters(places, |place| vec![(None, place.runners.registered)]);
        let help = "Runners that GitHub has registered for us";
        self.register("agent_runner_registrations", help, Value::Counters(&registered))?;
        let ends = counters(places, |place| {
            let runners = &place.runners;
            let ends = [("job", runners.jobs), ("idle", runners.idle), ("failed", runners.failed)];
            ends.map(|(end, count)| (Some(("end", end.to_owned())), count)).into()
        });
        self.register("agent_runner_ends", "Runners that came to their end, by how", Value::Counters(&ends))?;
        let events = counters(places, |place| events(&place.demand));
        let help = "What happened while we listened for jobs";
        self.register("agent_demand_events", help, Value::Counters(&events))?;
        let heard = seconds(places, |place| place.demand.last_heard.map(instant));
        let help = "The last answer about jobs";
        self.register("agent_demand_last_heard_timestamp_seconds", help, Value::GaugesOfSeconds(&heard))?;
        self.limits(places)?;
        let skews = seconds(places, |place| place.clock_skew_ms.map(|ms| ms as f64 / 1e3));
        let help = "How far GitHub's clock is ahead of ours";
        self.register("agent_github_clock_skew_seconds", help, Value::GaugesOfSeconds(&skews))
    }

    fn standings(&mut self, places: &[PlaceFigures]) -> fmt::Result {
        let wanted = gauges(places, |place| place.standing.wanted.into());
        self.register("agent_place_wanted_runners", "Runners that GitHub wants", Value::Gauges(&wanted))?;
        let promised = gauges(places, |place| place.standing.capacity.into());
        let help = "Jobs that GitHub was promised a runner for";
        self.register("agent_place_promised_runners", help, Value::Gauges(&promised))?;
        let troubled = gauges(places, |place| u64::from(place.standing.trouble.is_some()));
        let help = "1 while something keeps runners from a place";
        self.register("agent_place_troubled", help, Value::Gauges(&troubled))
    }

    fn limits(&mut self, places: &[PlaceFigures]) -> fmt::Result {
        let allowed: Vec<_> = buckets(places).map(|(labels, bucket)| (labels, bucket.limit)).collect();
        let help = "Requests that GitHub allows in an hour";
        self.register("agent_github_limit_requests", help, Value::Gauges(&allowed))?;
        let left: Vec<_> = buckets(places).map(|(labels, bucket)| (labels, bucket.remaining)).collect();
        self.register("agent_github_remaining_requests", "Requests that are left of them", Value::Gauges(&left))?;
        let resets: Vec<_> = buckets(places).map(|(labels, bucket)| (labels, instant(bucket.resets))).collect();
        let help = "When GitHub allows all of them again";
        self.register("agent_github_limit_reset_timestamp_seconds", help, Value::GaugesOfSeconds(&resets))?;
        let hits = counters(places, |place| {
            let hits = [("primary", place.limits.primary_hits), ("secondary", place.limits.secondary_hits)];
            hits.map(|(limit, count)| (Some(("limit", limit.to_owned())), count)).into()
        });
        self.register("agent_github_limit_hits", "Answers that told of a limit", Value::Counters(&hits))?;
        let held = seconds(places, |place| place.limits.held_until.map(instant));
        let help = "Until when nothing is asked of GitHub because of a limit";
        self.register("agent_github_held_until_timestamp_seconds", help, Value::GaugesOfSeconds(&held))
    }
}

fn place(figures: &PlaceFigures) -> Label {
    ("place", clean(&figures.url))
}

fn counters(places: &[PlaceFigures], count: impl Fn(&PlaceFigures) -> Vec<(Option<Label>, u64)>) -> Family {
    let of = |figures: &PlaceFigures| {
        let place = place(figures);
        count(figures).into_iter().map(move |(label, count)| ([Some(place.clone()), label], count)).collect::<Vec<_>>()
    };
    places.iter().flat_map(of).map(|(labels, count)| (labels.into_iter().flatten().collect(), count)).collect()
}

fn gauges(places: &[PlaceFigures], read: fn(&PlaceFigures) -> u64) -> Vec<(Vec<Label>, u64)> {
    places.iter().map(|figures| (vec![place(figures)], read(figures))).collect()
}

/// What is not known has no series.
fn seconds(places: &[PlaceFigures], read: impl Fn(&PlaceFigures) -> Option<f64>) -> Vec<(Vec<Label>, f64)> {
    places.iter().filter_map(|figures| Some((vec![place(figures)], read(figures)?))).collect()
}

/// Runners of a place that is not served any more have no series: nobody asked for them.
fn runners(forge: &ForgeGauges) -> Vec<(Vec<Label>, u64)> {
    let series = forge.places.iter().flat_map(|figures| State::NAMES.map(|state| (figures, state)));
    let count = |(figures, state): (&PlaceFigures, &str)| {
        let count = forge.runners.iter().filter(|(url, is)| *url == figures.url && *is == state).count() as u64;
        (vec![place(figures), ("state", state.to_owned())], count)
    };
    series.map(count).collect()
}

fn events(demand: &DemandCounts) -> Vec<(Option<Label>, u64)> {
    let events = [
        ("session_opened", demand.sessions_opened),
        ("session_conflict", demand.session_conflicts),
        ("token_refreshed", demand.tokens_refreshed),
        ("nothing_new", demand.empty),
        ("message", demand.messages),
        ("repeated", demand.repeated),
        ("deaf", demand.deaf),
        ("stuck", demand.stuck),
        ("contradicted", demand.contradicted),
        ("not_understood", demand.not_understood),
    ];
    events.map(|(event, count)| (Some(("event", event.to_owned())), count)).into()
}

fn buckets(places: &[PlaceFigures]) -> impl Iterator<Item = (Vec<Label>, &Bucket)> {
    places.iter().flat_map(|figures| {
        let named = figures.limits.buckets.iter();
        named.map(move |(name, bucket)| (vec![place(figures), ("bucket", clean(name))], bucket))
    })
}
