//! Instants, branches and outcomes as they stand on the page.

use hearth_ledger::{Execution, civil_time, rfc3339};
use hearth_model::{Conclusion, Ref, Timestamp};
use maud::{Markup, html};

/// An instant in the page's zone, with the day when it is another one.
pub(super) fn time(at: Timestamp, now: Timestamp, zone: &str) -> Markup {
    let civil = |instant| civil_time(instant, zone).unwrap_or_else(|_| rfc3339(instant));
    let (text, today) = (civil(at), civil(now));
    let short = match (text.split_once(' '), today.split_once(' ')) {
        (Some((day, clock)), Some((today, _))) if day == today => clock,
        _ => &text,
    };
    html! { time datetime=(rfc3339(at)) { (short) } }
}

/// How a repository is called when there is little room.
pub(super) fn branch(execution: &Execution) -> String {
    match execution.facts.as_ref().map(|facts| &facts.reference) {
        None => String::new(),
        Some(Ref::Branch(name)) => name.clone(),
        Some(Ref::Tag(name)) => format!("tag {name}"),
        Some(Ref::PullRequest(number)) => format!("#{number}"),
        Some(Ref::Other(full)) => full.clone(),
    }
}

/// How a closed job ended, as a person says it, and what to think of it.
pub(super) fn outcome(execution: &Execution) -> (String, Tone) {
    let Some(outcome) = execution.outcome else { return ("not known".to_owned(), Tone::Quiet) };
    let tone = match outcome.conclusion() {
        Conclusion::Success => Tone::Good,
        Conclusion::Failure | Conclusion::TimedOut => Tone::Bad,
        _ => Tone::Quiet,
    };
    (outcome.to_string(), tone)
}

/// How something is to be taken. The text says it too: nobody depends on seeing the color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Quiet,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}
