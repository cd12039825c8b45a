//! Tables, sections, tiles and bars.

use hearth_model::Bytes;
use maud::{Markup, Render, html};

use super::text::percent;

/// A cell with the name of its column, which stands before it where a row is shown as a card.
pub fn cell(column: &str, content: impl Render) -> Markup {
    html! { td data-column=(column) { (content) } }
}

/// A cell that speaks for itself: where a row is shown as a card it has a line of its own and no name before it.
pub fn whole(column: &str, content: impl Render) -> Markup {
    html! { td.whole data-column=(column) { (content) } }
}

pub fn figure(column: &str, content: impl Render) -> Markup {
    html! { td.figure data-column=(column) { (content) } }
}

pub fn table(caption: &str, columns: &[&str], rows: &Markup) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead { tr { @for column in columns { th scope="col" { (column) } } } }
            tbody { (rows) }
        }
    }
}

pub fn section(id: &str, heading: &str, content: &Markup) -> Markup {
    html! { section #(id) aria-labelledby={ (id) "-heading" } { h2 id={ (id) "-heading" } { (heading) } (content) } }
}

/// One of the few figures that matter.
pub fn tile(what: &str, figure: &Markup) -> Markup {
    html! { div { dt { (what) } dd { (figure) } } }
}

/// A bar with its figures beside it.
pub fn share_of_budget(what: &str, used: Bytes, budget: Bytes) -> Markup {
    let share = percent(used.0, budget.0).unwrap_or(0);
    let said = if share == 0 && used.0 > 0 { "under 1".to_owned() } else { share.to_string() };
    html! {
        p.share {
            svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                rect.whole width="100" height="6" {}
                rect.used width=(share.min(100).max(u64::from(used.0 > 0))) height="6" {}
            }
            span { (what) ": " strong { (used.to_string()) } " of " (budget.to_string()) " (" (said) " %)" }
        }
    }
}
