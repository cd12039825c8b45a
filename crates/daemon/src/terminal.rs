//! Lines for a person's terminal. What others chose or said, like names of branches, paths and the words of other
//! programs, is made harmless before it is printed.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, Write};

/// Nothing that moves the cursor, changes colors, or turns the direction of reading around.
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let visible = |c: char| {
        if is_harmful(c) { c.escape_unicode().to_string() } else { c.to_string() }
    };
    Cow::Owned(text.chars().map(visible).collect())
}

/// Control characters, and the invisible ones that reorder what stands around them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

/// Says on standard error why `program` cannot do what it was asked for, with every cause.
pub fn complain(program: &str, error: &(dyn Error + 'static)) {
    // Nobody may be listening.
    let _closed = write_complaint(program, error, &mut io::stderr().lock());
}

fn write_complaint(program: &str, error: &(dyn Error + 'static), out: &mut impl Write) -> io::Result<()> {
    let mut said = error.to_string();
    writeln!(out, "{program}: error: {}", in_our_lines(program, &said))?;
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // A transparent error repeats what stands above it.
        if text != said {
            writeln!(out, "{program}:   because: {}", in_our_lines(program, &text))?;
            said = text;
        }
        next = cause.source();
    }
    Ok(())
}

/// Every line of `text` is known as ours.
fn in_our_lines(program: &str, text: &str) -> String {
    let lines: Vec<_> = text.lines().map(for_terminal).collect();
    lines.join(&format!("\n{program}:     "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_speak_to_the_terminal() {
        for (name, shown) in [
            ("feature/äöü-日本", "feature/äöü-日本"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\r\nb\tc", "a\\u{d}\\u{a}b\\u{9}c"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("main\u{202e}txt", "main\\u{202e}txt"),
            ("ma\u{200b}in", "ma\\u{200b}in"),
        ] {
            assert_eq!(for_terminal(name), shown);
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot bake\nthe cake")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Middle(Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("no \u{1b}[31mflour")]
    struct Inner;

    #[test]
    fn a_complaint_names_every_cause_once_in_lines_of_ours() {
        let mut said = Vec::new();
        write_complaint("oven", &Outer(Middle(Inner)), &mut said).unwrap();
        let expected = "oven: error: cannot bake\noven:     the cake\noven:   because: no \\u{1b}[31mflour\n";
        assert_eq!(String::from_utf8(said).unwrap(), expected);
    }
}
