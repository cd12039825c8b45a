//! Rust text taken apart into code and string literals, so that a rule about code does not trip over a comment and a
//! rule about SQL looks at strings only. A small lexer, exact for everything that ends a string or a comment.

/// Two copies of one text; in each, everything of the other kind, and every comment, is spaces. Lines stay lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// With the quotes of strings, so that it shows where a string stood.
    pub(super) code: String,
    /// What stands between the quotes.
    pub(super) strings: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    String,
    Comment,
}

impl Source {
    pub(super) fn take_apart(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let kinds = classify(&chars);
        let only = |wanted: Kind| {
            let pairs = chars.iter().zip(&kinds);
            pairs.map(|(c, kind)| if *kind == wanted || *c == '\n' { *c } else { ' ' }).collect()
        };
        Self { code: only(Kind::Code), strings: only(Kind::String) }
    }

    /// Lines of code with their numbers, without those of the test module at the end.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        lines(&self.code).take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        lines(&self.code)
    }

    /// Lines of what stands in strings, without those of the test module at the end.
    pub(super) fn product_strings(&self) -> impl Iterator<Item = (usize, &str)> {
        lines(&self.strings).take(self.product_lines().count())
    }
}

/// Lines of a text with their numbers, counted from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Whether a line has this word, not as part of a longer one.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part_of_a_word) && !after.is_some_and(part_of_a_word)
    })
}

fn classify(chars: &[char]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let (end, kind) = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => (line_end(chars, at), Kind::Comment),
            '/' if chars.get(at + 1) == Some(&'*') => (block_comment_end(chars, at), Kind::Comment),
            '"' => (string_end(chars, at + 1), Kind::String),
            'r' if !is_name(chars, at.wrapping_sub(1)) || is_prefixed(chars, at) => match raw_string(chars, at) {
                Some((open, end)) => {
                    at = open;
                    (end, Kind::String)
                }
                None => (at + 1, Kind::Code),
            },
            '\'' => (character_end(chars, at), Kind::Code),
            _ => (at + 1, Kind::Code),
        };
        let (from, to) = match kind {
            // The opening quote stays code; `end` is the closing one.
            Kind::String => (at + 1, end.min(chars.len())),
            _ => (at, end.min(chars.len())),
        };
        kinds[from.min(to)..to].fill(kind);
        at = if kind == Kind::String { end + 1 } else { end };
    }
    kinds
}

fn is_name(chars: &[char], at: usize) -> bool {
    chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

/// `br` and `cr` begin raw strings too, when they are not the end of a name.
fn is_prefixed(chars: &[char], at: usize) -> bool {
    matches!(chars.get(at.wrapping_sub(1)), Some('b' | 'c')) && !is_name(chars, at.wrapping_sub(2))
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |length| at + length)
}

fn block_comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The place of the closing quote.
fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at
}

/// The places of the opening and the closing quote of `r"…"` and `r#"…"#`; a raw name like `r#type` has none.
fn raw_string(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |place: usize| chars[place + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let close = (open + 1..chars.len()).find(|place| chars[*place] == '"' && closes(*place));
    Some((open, close.unwrap_or(chars.len())))
}

/// Behind a character literal, or behind the quote of a lifetime.
fn character_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let close = chars.iter().skip(at + 3).position(|c| *c == '\'');
            close.map_or(chars.len(), |length| at + 4 + length)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_comments_and_code_are_told_apart() {
        for (text, code, strings) in [
            (r#"let a = "b // c"; // d"#, r#"let a = "      ";     "#, "         b // c       "),
            (r#"f("a\"b", 'c')"#, r#"f("    ", 'c')"#, r#"   a\"b       "#),
            ("x /* a /* b */ c */ y", "x                   y", "                     "),
            (r##"r#"a"b"# c"##, r##"r#"   "# c"##, r#"   a"b    "#),
            (r#"br"\" + 1"#, r#"br" " + 1"#, r"   \     "),
            ("r#type + for", "r#type + for", "            "),
            ("'\"' + '\\'' + 'a", "'\"' + '\\'' + 'a", "               "),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)", "                    "),
            ("\"never ends", "\"          ", " never ends"),
        ] {
            let source = Source::take_apart(text);
            assert_eq!((source.code.as_str(), source.strings.as_str()), (code, strings), "{text}");
        }
    }

    #[test]
    fn the_test_module_at_the_end_is_no_product() {
        let source = Source::take_apart("fn a() {}\n#[cfg(test)]\nmod tests {}\n");
        assert_eq!(source.product_lines().collect::<Vec<_>>(), [(1, "fn a() {}")]);
        let source = Source::take_apart("f(\"a\")\n#[cfg(test)]\nf(\"b\")\n");
        assert_eq!(source.product_strings().collect::<Vec<_>>(), [(1, "   a  ")]);
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        assert!(has_word("an unsafe block", "unsafe") && has_word("unsafe{", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe") && !has_word("notunsafe", "unsafe"));
    }
}
