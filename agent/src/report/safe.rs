//! Text that comes from a job, made harmless for where it is printed. Names of branches and jobs are chosen by whoever
//! opens a pull request; a Markdown page and a spreadsheet each understand other things in them than a terminal.

use std::borrow::Cow;

use hearth_daemon::terminal::for_terminal;

/// For a Markdown table: nothing that ends the cell, opens a tag or becomes a link.
pub(crate) fn for_markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in for_terminal(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            // Neither a mention nor a bare address becomes a link.
            '@' => safe.push_str("&#64;"),
            ':' => safe.push_str("&#58;"),
            c => safe.push(c),
        }
    }
    safe
}

/// For a spreadsheet: nothing that is run as a formula. Quoting is the CSV writer's.
pub(super) fn for_csv(text: &str) -> Cow<'_, str> {
    let safe = for_terminal(text);
    if safe.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{safe}")) } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_markdown_cell() {
        for (name, shown) in [
            ("a|b", "a\\|b"),
            ("a\\|b", "a\\\\\\|b"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("[x](https://y)", "\\[x\\](https&#58;//y)"),
            ("`code`", "\\`code\\`"),
            ("@team", "&#64;team"),
            ("line\nbreak", "line\\\\u{a}break"),
        ] {
            assert_eq!(for_markdown(name), shown);
        }
    }

    #[test]
    fn a_name_is_no_formula() {
        for (name, shown) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\\u{9}=1"),
            ("main", "main"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(for_csv(name), shown);
        }
    }
}
