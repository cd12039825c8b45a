//! Figures and names as they stand on a page. Names come from strangers: they are escaped by the page, and made harmless
//! here in what escaping does not touch.

use maud::{Markup, html};

/// Longer names are cut: nobody reads them, and a job must not fill the page.
const LONGEST_NAME: usize = 120;

/// A name that a stranger chose. `bdi` keeps a name in another direction of writing from turning its neighbors around.
pub fn name(text: &str) -> Markup {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(LONGEST_NAME).map(visible).collect();
    if text.chars().nth(LONGEST_NAME).is_some() {
        shown.push('…');
    }
    html! { @if shown.trim().is_empty() { span.quiet { "not known" } } @else { bdi { (shown) } } }
}

pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A whole percentage; `None` of nothing.
pub fn percent(part: u64, whole: u64) -> Option<u64> {
    (u128::from(part) * 100).checked_div(u128::from(whole)).and_then(|share| u64::try_from(share).ok())
}
