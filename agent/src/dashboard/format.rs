//! Figures and names as they stand on the page. Names come from jobs: they are escaped by the page, and made harmless
//! here in what escaping does not touch.

use hearth_ledger::{Execution, civil_time, rfc3339};
use hearth_model::{Conclusion, Ref, Timestamp};
use maud::{Markup, html};

/// Longer names are cut: nobody reads them, and a job must not fill the page.
const LONGEST_NAME: usize = 120;

/// A name that a job chose. `bdi` keeps a name in another direction of writing from turning its neighbors around.
pub(super) fn name(text: &str) -> Markup {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(LONGEST_NAME).map(visible).collect();
    if text.chars().nth(LONGEST_NAME).is_some() {
        shown.push('…');
    }
    html! { @if shown.trim().is_empty() { span.quiet { "not known" } } @else { bdi { (shown) } } }
}

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

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A whole percentage; `None` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> Option<u64> {
    (u128::from(part) * 100).checked_div(u128::from(whole)).and_then(|share| u64::try_from(share).ok())
}
