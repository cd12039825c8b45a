//! The job's summary on its page at the forge: minutes, warm state, hits. Markdown, written once by the completed hook.

use std::fmt::Write;

use hearth_model::{CompileCounts, Millis};

use crate::report::for_markdown;
use crate::targets::{HandedOut, Lease, Origin, Restored};

/// What the keeper knows when the last step has ended.
#[derive(Debug, Default)]
pub struct Account<'a> {
    pub class: &'a str,
    pub machine: &'a str,
    pub slot: u16,
    /// Since the started hook.
    pub ran: Millis,
    /// How much of that had passed when cargo first asked its compiler.
    pub first_build: Option<Millis>,
    pub lease: Option<&'a Lease>,
    pub restored: Option<Restored>,
    /// Why there was no warm target, when it is known.
    pub why_no_target: Option<&'a str>,
    pub compile: Option<CompileCounts>,
    /// Why there was no compile cache.
    pub why_no_cache: Option<&'a str>,
}

/// The summary. Names come from the job, and are made harmless.
pub fn markdown(account: &Account<'_>) -> String {
    let mut text = String::from("### Hearth\n\n| | |\n| --- | --- |\n");
    let mut row = |name: &str, value: &str| {
        let _written = writeln!(text, "| {name} | {} |", for_markdown(value));
    };
    row("minutes", &format!("{} so far ({})", account.ran.billable_minutes(), account.ran));
    if let Some(before) = account.first_build {
        let after = Millis(account.ran.0.saturating_sub(before.0));
        row("time", &format!("{before} of set-up and checkout before the first build, {after} from there on"));
    }
    row("warm target", &warm(account));
    row("compile cache", &compile(account));
    row("place", &format!("slot {} of {}, {}", account.slot, account.machine, account.class));
    text
}

fn warm(account: &Account<'_>) -> String {
    let Some(lease) = account.lease else {
        return account.why_no_target.unwrap_or("nothing was compiled").to_owned();
    };
    match &lease.origin {
        Origin::Cold { why } => format!("cold: {why}"),
        Origin::Warm { snapshot, handed_out, .. } => {
            let commit = snapshot.commit.as_deref().map_or("no commit", |commit| commit.get(..12).unwrap_or(commit));
            let how = match handed_out {
                HandedOut::Ready => "renamed",
                HandedOut::Reflink => "reflinked",
                HandedOut::Copy => "copied",
            };
            let times = account.restored.map_or(0, |counts| counts.restored + counts.renewed);
            format!(
                "{} from {commit} of {}, {how} in {}, {times} times restored",
                snapshot.bytes, snapshot.scope, lease.took
            )
        }
    }
}

fn compile(account: &Account<'_>) -> String {
    match (account.compile, account.why_no_cache) {
        (_, Some(why)) => format!("off: {why}"),
        (None, None) => "not asked".to_owned(),
        (Some(counts), None) => {
            let asked = counts.hits + counts.misses;
            let ratio = (counts.hits * 100).checked_div(asked).map(|percent| format!(" ({percent} % hits)"));
            let errors = if counts.errors > 0 { format!(", {} errors", counts.errors) } else { String::new() };
            let of = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
            let (hits, misses) = (of(counts.hits, "hit", "hits"), of(counts.misses, "miss", "misses"));
            format!("{hits}, {misses}{}{errors}", ratio.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_a_table_that_names_cannot_break() {
        let account = Account {
            class: "trusted",
            machine: "a|b\n<script>",
            slot: 2,
            ran: Millis(61_000),
            compile: Some(CompileCounts { requests: 9, hits: 3, misses: 1, uncacheable: 5, errors: 0 }),
            ..Account::default()
        };
        let text = markdown(&account);
        assert_eq!(text.lines().count(), 8, "{text}");
        assert!(text.contains("| minutes | 2 so far"), "{text}");
        assert!(text.contains("3 hits, 1 miss (75 % hits)"), "{text}");
        assert!(!text.contains("<script>") && text.contains("a\\|b"), "{text}");
    }

    #[test]
    fn set_up_is_told_apart_from_building() {
        let account = Account { ran: Millis(40_000), first_build: Some(Millis(30_000)), ..Account::default() };
        let text = markdown(&account);
        assert!(text.contains("30.0 s of set-up and checkout before the first build, 10.0 s from there on"), "{text}");
    }

    #[test]
    fn what_was_not_used_is_said() {
        let text = markdown(&Account { why_no_cache: Some("switched off"), ..Account::default() });
        assert!(text.contains("nothing was compiled") && text.contains("off&#58; switched off"), "{text}");
    }
}
