//! Rust text taken apart into code and string literals, so that a rule about code does not trip over a comment and a
//! rule about SQL looks at strings only. A small lexer, exact for everything that ends a string or a comment.

/// One text, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The text with spaces for every comment and for what stands between the quotes of strings. Lines stay lines.
    pub(super) code: String,
    pub(super) literals: Vec<Literal>,
}

/// What stands between the quotes of one string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// How many characters stand before it, its opening quote included.
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) text: String,
}

impl Source {
    pub(super) fn take_apart(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let (is_code, strings) = classify(&chars);
        let pairs = chars.iter().zip(&is_code);
        let code = pairs.map(|(c, is_code)| if *is_code || *c == '\n' { *c } else { ' ' }).collect();
        let literal = |(from, to): (usize, usize)| Literal {
            at: from,
            line: chars[..from].iter().filter(|c| **c == '\n').count() + 1,
            text: chars[from..to].iter().collect(),
        };
        Self { code, literals: strings.into_iter().map(literal).collect() }
    }

    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        lines(&self.code)
    }

    /// Lines of code with their numbers, without those of the test module at the end.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        lines(&self.code).take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    /// Strings, without those of the test module at the end.
    pub(super) fn product_literals(&self) -> impl Iterator<Item = &Literal> {
        let end = self.product_lines().count();
        self.literals.iter().filter(move |literal| literal.line <= end)
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

/// For each character whether it is code, and from where to where the strings reach.
fn classify(chars: &[char]) -> (Vec<bool>, Vec<(usize, usize)>) {
    let mut is_code = vec![true; chars.len()];
    let mut strings = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1);
        let begins_raw = chars[at] == 'r' && (!is_name(chars, at.wrapping_sub(1)) || is_prefixed(chars, at));
        let string = match chars[at] {
            '"' => Some((at + 1, string_end(chars, at + 1))),
            'r' if begins_raw => raw_string(chars, at),
            _ => None,
        };
        if let Some((from, end)) = string {
            let to = end.min(chars.len());
            is_code[from..to].fill(false);
            strings.push((from, to));
            at = end + 1;
            continue;
        }
        let end = match (chars[at], next) {
            ('/', Some('/')) => line_end(chars, at),
            ('/', Some('*')) => block_comment_end(chars, at).min(chars.len()),
            ('\'', _) => {
                at = character_end(chars, at);
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        is_code[at..end].fill(false);
        at = end;
    }
    (is_code, strings)
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

/// From where to where `r"…"` and `r#"…"#` reach between their quotes; a raw name like `r#type` is none.
fn raw_string(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |place: usize| chars[place + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let close = (open + 1..chars.len()).find(|place| chars[*place] == '"' && closes(*place));
    Some((open + 1, close.unwrap_or(chars.len())))
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
            (r#"let a = "b // c"; // d"#, r#"let a = "      ";     "#, &["b // c"][..]),
            (r#"f("a\"b", 'c', "")"#, r#"f("    ", 'c', "")"#, &[r#"a\"b"#, ""]),
            ("x /* a /* b */ c */ y", "x                   y", &[]),
            ("x /* never ends", "x              ", &[]),
            (r##"r#"a"b"# c"##, r##"r#"   "# c"##, &[r#"a"b"#]),
            (r#"br"\" + 1"#, r#"br" " + 1"#, &[r"\"]),
            ("r#type + for", "r#type + for", &[]),
            ("'\"' + '\\'' + 'a", "'\"' + '\\'' + 'a", &[]),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)", &[]),
            ("\"never ends", "\"          ", &["never ends"]),
            ("\"ends with \\", "\"           ", &["ends with \\"]),
        ] {
            let source = Source::take_apart(text);
            let found: Vec<_> = source.literals.iter().map(|literal| literal.text.as_str()).collect();
            assert_eq!((source.code.as_str(), found.as_slice()), (code, strings), "{text}");
        }
    }

    #[test]
    fn a_literal_knows_its_place() {
        let literals = Source::take_apart("ä\n \"b\nc\" \"d\"").literals;
        let places: Vec<_> = literals.iter().map(|literal| (literal.at, literal.line)).collect();
        assert_eq!(places, [(4, 2), (10, 3)]);
    }

    #[test]
    fn the_test_module_at_the_end_is_no_product() {
        let source = Source::take_apart("f(\"a\")\n#[cfg(test)]\nf(\"b\")\n");
        assert_eq!(source.product_lines().collect::<Vec<_>>(), [(1, "f(\" \")")]);
        let literals: Vec<_> = source.product_literals().map(|literal| literal.text.as_str()).collect();
        assert_eq!(literals, ["a"]);
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        assert!(has_word("an unsafe block", "unsafe") && has_word("unsafe{", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe") && !has_word("notunsafe", "unsafe"));
    }
}
