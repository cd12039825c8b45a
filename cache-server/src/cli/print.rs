//! How answers of a store look: lines and tables for people, JSON for programs. What others chose, like keys and names
//! of branches, is made harmless first.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use hearth_daemon::config::TimeSpan;
use hearth_daemon::terminal::for_terminal;
use hearth_model::{Bytes, Millis};

use crate::control::{Damage, ObjectLine, Report, Said, ScopeUse, Stats};

/// For whom it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Person,
    Json,
}

/// Prints an answer word by word; only scopes are kept until the end, to make a table.
#[derive(Debug)]
pub(super) struct Printer {
    style: Style,
    stats: Option<Stats>,
    scopes: Vec<ScopeUse>,
}

impl Printer {
    pub(super) fn new(style: Style) -> Self {
        Self { style, stats: None, scopes: Vec::new() }
    }

    pub(super) fn take(&mut self, said: Said, out: &mut impl Write) -> io::Result<()> {
        match (said, self.style) {
            (Said::Stats(stats), _) => self.stats = Some(*stats),
            (Said::Scope(scope), _) => self.scopes.push(scope),
            (Said::Object(line), Style::Json) => json(out, &line)?,
            (Said::Object(line), Style::Person) => object(out, &line)?,
            (Said::Damaged(damage), Style::Json) => json(out, &damage)?,
            (Said::Damaged(damage), Style::Person) => damaged(out, &damage)?,
            (Said::Progress(_) | Said::Archive | Said::Done(_) | Said::Failed { .. }, _) => {}
        }
        Ok(())
    }

    pub(super) fn end(self, report: Report, out: &mut impl Write) -> io::Result<()> {
        match (self.stats, self.style) {
            (Some(stats), Style::Json) => {
                let mut value = serde_json::to_value(&stats)?;
                value["scopes"] = serde_json::to_value(&self.scopes)?;
                writeln!(out, "{value:#}")
            }
            (Some(stats), Style::Person) => {
                writeln!(out, "{}", figures(&stats))?;
                if self.scopes.is_empty() { Ok(()) } else { writeln!(out, "\n{}", scopes(&self.scopes)) }
            }
            // Of a list, the lines are all there is to say.
            (None, _) if matches!(report, Report::Shown { .. }) => out.flush(),
            (None, Style::Json) => json(out, &report),
            (None, Style::Person) => writeln!(out, "{}", sentence(report)),
        }
    }
}

fn json(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

fn object(out: &mut impl Write, line: &ObjectLine) -> io::Result<()> {
    let ObjectLine { realm, scope, key, length, used_at, pinned, .. } = line;
    let pinned = if *pinned { "  pinned" } else { "" };
    let text = format!("{:>10}  {used_at}  {realm}  {scope}  {key}{pinned}", length.to_string());
    writeln!(out, "{}", for_terminal(&text))
}

fn damaged(out: &mut impl Write, damage: &Damage) -> io::Result<()> {
    let address = damage.address.as_ref().map_or_else(|| "of an unknown key".to_owned(), |address| address.join("  "));
    let text = format!("damaged  {}  {address}  {}", damage.object, damage.why);
    writeln!(out, "{}", for_terminal(&text))
}

fn figures(stats: &Stats) -> Table {
    let Stats { version, process, open_for, node, memory_hits, evicted_bytes, upstream } = stats;
    let mut table = table();
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("store", format!("version {version}, process {process}, open for {}", span(*open_for)));
    row("objects", node.objects.to_string());
    row("bytes", format!("{} of {}, {} of them in memory", node.bytes, node.budget, node.memory));
    let asked = node.hits + node.misses;
    let percent = (node.hits * 100).checked_div(asked).map_or_else(String::new, |percent| format!(" ({percent} %)"));
    row("hits", format!("{} of {asked}{percent}, {memory_hits} from memory", node.hits));
    let (same, other) = (node.duplicate, node.divergent);
    row("writes", format!("{}: {} new, {same} the same, {other} different bytes", node.puts, node.stored));
    row("not stored", format!("{} discarded, {} malformed, {} failed", node.discarded, node.malformed, node.failed));
    row("refused", node.refused.to_string());
    row("evicted", format!("{}, {evicted_bytes}", node.evicted));
    row("damaged", node.corrupt.to_string());
    row("saved", format!("{} of compiling", span(node.saved)));
    if let Some(up) = upstream {
        let spared = if up.spared { ", left alone after failures" } else { "" };
        row("upstream", format!("{} hits, {} misses, {} failures{spared}", up.hits, up.misses, up.failures));
        row("to go up", format!("{} objects, {}", up.queued_objects, up.queued_bytes));
    }
    table
}

fn scopes(all: &[ScopeUse]) -> Table {
    let mut table = table();
    table.set_header(["realm", "scope", "objects", "bytes"]);
    for ScopeUse { realm, scope, objects, bytes } in all {
        let texts = [realm.clone(), scope.to_string()].map(|text| for_terminal(&text).into_owned());
        let [realm, scope] = texts;
        table.add_row([realm, scope, objects.to_string(), bytes.to_string()]);
    }
    table
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// By the second: nobody wants to know more exactly.
fn span(time: Millis) -> String {
    TimeSpan(Millis(time.0 / 1000 * 1000)).to_string()
}

/// What came of it, for a person.
pub(super) fn sentence(report: Report) -> String {
    match report {
        Report::Shown { shown } => format!("{shown} shown"),
        Report::Verified { objects, bytes, damaged: 0 } => {
            format!("{objects} objects, {bytes}: all are what was stored")
        }
        Report::Verified { objects, bytes, damaged } => {
            format!("{damaged} of {objects} objects were damaged and are removed; {bytes} checked")
        }
        Report::Collected { evicted, freed, objects, bytes } => {
            format!("{evicted} objects evicted, {freed} given back; {objects} objects, {bytes} remain")
        }
        Report::Pinned { objects } => format!("{objects} objects changed"),
        Report::Warmed { seen, present, fetched, bytes, failed } => {
            format!("{fetched} of {seen} objects fetched, {bytes}; {present} were here, {failed} could not be had")
        }
        Report::Exported { objects, bytes, unreadable, lost_log } => {
            let lost = match lost_log {
                Bytes(0) => String::new(),
                lost => format!("; {lost} of the index log are damaged, and what they told of is missing"),
            };
            format!("{objects} objects written, {bytes}; {unreadable} could not be read{lost}")
        }
        Report::Imported { stored, present, bytes, refused, missing } => {
            let note = |count: u64, what: &str| if count > 0 { format!("; {count} {what}") } else { String::new() };
            let refused = note(refused, "refused: taken back here, changed, or not sealed with this store's key");
            let missing = note(missing, "were missing when the archive was written");
            format!("{stored} objects stored, {bytes}; {present} were here{refused}{missing}")
        }
    }
}
