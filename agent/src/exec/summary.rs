//! What a person reads when the job has ended, at most six lines, and the same as JSON for programs.

use std::io::{self, Write};
use std::path::Path;

use hearth_cache_server::RelayCounts;
use hearth_host::tree;
use hearth_ledger::Budgets;
use hearth_model::{CompileCounts, Millis, Outcome, SlotNumber, UsageReading, WarmTarget};
use serde::Serialize;

use super::ExecArgs;
use crate::checkout::Checkout;
use crate::journey::{Begun, Receipt, chain};
use crate::supervision::{Counted, Without};
use crate::targets::{GivenBack, HandedOut, Origin, Restored};
use hearth_daemon::terminal::for_terminal;

/// What was learned on the way.
#[derive(Debug)]
pub(super) struct Told {
    is_quiet: bool,
    place: String,
    warm: Warm,
    restored: Restored,
    counted: Option<Counted>,
    without: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
enum Warm {
    Off { why: String },
    Cold { why: String },
    From { commit: Option<String>, scope: String, bytes: u64, handed_out: HandedOut, took_ms: u64 },
}

pub(super) fn waiting(slots: u16, is_quiet: bool) {
    if !is_quiet {
        say(&format!("all {slots} slots are busy; waiting for one"));
    }
}

pub(super) fn gave_up_waiting(signal: i32, is_quiet: bool) {
    if !is_quiet {
        say(&format!("cancelled by signal {signal} before there was a slot; nothing was started"));
    }
}

impl Told {
    pub(super) fn new(
        args: &ExecArgs,
        checkout: &Checkout,
        slot: SlotNumber,
        begun: &Begun,
        restored: Restored,
        why_no_target: Option<String>,
    ) -> Self {
        let commit = checkout.commit.as_deref().map_or("no commit", short);
        let place = format!("{} at {commit} in slot {slot}, {}", checkout.repository, begun.trust.class);
        let warm = match (&begun.lease, why_no_target) {
            (None, why) => Warm::Off { why: why.unwrap_or_default() },
            (Some(lease), _) => match &lease.origin {
                Origin::Cold { why } => Warm::Cold { why: why.clone() },
                Origin::Warm { snapshot, handed_out, .. } => Warm::From {
                    commit: snapshot.commit.clone(),
                    scope: snapshot.scope.to_string(),
                    bytes: snapshot.bytes.0,
                    handed_out: *handed_out,
                    took_ms: lease.took.0,
                },
            },
        };
        Self { is_quiet: args.quiet, place, warm, restored, counted: None, without: None }
    }

    pub(super) fn counted(&mut self, counted: Counted) {
        self.counted = Some(counted);
    }

    pub(super) fn without(&mut self, why: &Without) {
        self.without = Some(chain(why));
    }

    pub(super) fn compile_counts(&self) -> Option<CompileCounts> {
        self.counted.and_then(|counted| counted.compile)
    }

    pub(super) fn print(&self, outcome: Outcome, ran: Millis, receipt: &Receipt, warnings: &[String]) {
        for warning in warnings {
            say(&format!("warning: {warning}"));
        }
        if self.is_quiet {
            return;
        }
        say(&format!("{outcome} after {ran} ({})", self.place));
        say(&self.warm_line(receipt));
        say(&self.compile_line());
        say(&minutes_line(receipt));
        say(&budget_line(receipt.month_minutes));
    }

    fn warm_line(&self, receipt: &Receipt) -> String {
        let before = match &self.warm {
            Warm::Off { why } => return format!("warm target: off: {why}"),
            Warm::Cold { why } => format!("cold: {why}"),
            Warm::From { commit, scope, bytes, handed_out, took_ms } => {
                let fit = match receipt.warm_target {
                    WarmTarget::Exact => "exact",
                    _ => "partial",
                };
                let how = match handed_out {
                    HandedOut::Ready => "renamed",
                    HandedOut::Reflink => "reflinked",
                    HandedOut::Copy => "copied",
                };
                let commit = commit.as_deref().map_or("no commit", short);
                let size = hearth_model::Bytes(*bytes);
                let times = self.restored.restored + self.restored.renewed;
                let took = Millis(*took_ms);
                format!("{fit}, {size} of {scope} at {commit}, {how} in {took}, {times} times set")
            }
        };
        let after = match &receipt.given_back {
            Some(GivenBack::Promoted { bytes, .. }) => format!("left as a snapshot of {bytes}"),
            Some(GivenBack::Unchanged) => "left unchanged".to_owned(),
            Some(GivenBack::Discarded(why)) => format!("dropped: {why}"),
            None => "lost".to_owned(),
        };
        format!("warm target: {before}; {after}")
    }

    fn compile_line(&self) -> String {
        if let Some(why) = &self.without {
            return format!("compile cache: off: {why}");
        }
        match self.compile_counts() {
            None => "compile cache: its counts could not be read".to_owned(),
            Some(CompileCounts { requests: 0, .. }) => "compile cache: not asked".to_owned(),
            Some(counts) => format!(
                "compile cache: {} hits, {} misses, {} not cacheable{}",
                counts.hits,
                counts.misses,
                counts.uncacheable,
                if counts.errors == 0 { String::new() } else { format!(", {} errors", counts.errors) }
            ),
        }
    }

    pub(super) fn write_receipt(
        &self,
        path: &Path,
        outcome: Outcome,
        ran: Millis,
        usage: &UsageReading,
        receipt: &Receipt,
    ) -> io::Result<()> {
        let written = Written {
            schema_version: 1,
            outcome,
            exit_code: outcome.exit_code(),
            ran_ms: ran.0,
            warm: self.warm.clone(),
            times_restored: self.restored.restored,
            times_renewed: self.restored.renewed,
            sources_put_back: self.restored.put_back,
            compile: self.compile_counts(),
            compile_off: self.without.clone(),
            relay: self.counted.map(|counted| counted.relay.into()),
            usage: *usage,
            receipt,
        };
        tree::write_atomically(path, &serde_json::to_vec_pretty(&written)?)
    }
}

/// The receipt file. `*_ms` are milliseconds, `bytes` bytes; what was not measured is null.
#[derive(Debug, Serialize)]
struct Written<'a> {
    schema_version: u32,
    outcome: Outcome,
    exit_code: i32,
    ran_ms: u64,
    warm: Warm,
    times_restored: usize,
    times_renewed: usize,
    sources_put_back: usize,
    compile: Option<CompileCounts>,
    compile_off: Option<String>,
    relay: Option<RelayWritten>,
    usage: UsageReading,
    #[serde(flatten)]
    receipt: &'a Receipt,
}

/// What the node was asked on behalf of this job.
#[derive(Debug, Serialize)]
struct RelayWritten {
    requests: u64,
    gets: u64,
    hits: u64,
    puts: u64,
    stored: u64,
    errors: u64,
    timeouts: u64,
    spared: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl From<RelayCounts> for RelayWritten {
    fn from(counts: RelayCounts) -> Self {
        Self {
            requests: counts.requests,
            gets: counts.gets,
            hits: counts.hits,
            puts: counts.puts,
            stored: counts.stored,
            errors: counts.errors,
            timeouts: counts.timeouts,
            spared: counts.spared,
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
        }
    }
}

fn minutes_line(receipt: &Receipt) -> String {
    let minutes = |n: u64| if n == 1 { "1 minute".to_owned() } else { format!("{n} minutes") };
    format!(
        "charged {}; this repository in {}: {}",
        minutes(receipt.billable_minutes),
        receipt.month,
        minutes(receipt.month_minutes)
    )
}

/// The month against the documented budget for it.
fn budget_line(month_minutes: u64) -> String {
    let budget = Budgets::documented().get("month_minutes");
    let Some((budget, limit)) = budget.and_then(|b| Some((b, b.limits.first()?))) else {
        return "budget: none is documented for a month".to_owned();
    };
    // What is spent cannot be given back: over the limit is missed for good, under it is met so far.
    let verdict = if month_minutes < limit.value { "met so far" } else { "missed" };
    format!("budget {} ({} {} min, {}): {verdict}", budget.id, limit.is.sign(), limit.value, budget.lines)
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// One line on standard error, where it is not in the way of the command's output. Control characters of names that
/// a job chose do not reach the terminal.
fn say(line: &str) {
    let _closed = writeln!(io::stderr().lock(), "hearth: {}", for_terminal(line));
}
