//! A request's path and query as texts, and both again in the one spelling that signatures are made over.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

/// Longer queries are refused: a presigned one carries a job token, and a listing a key to go on from.
const MAX_QUERY: usize = 24 * 1024;
const MAX_PAIRS: usize = 64;

/// The text cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The pairs of a query, decoded, in the order in which they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, Unreadable> {
        if text.len() > MAX_QUERY {
            return Err(Unreadable);
        }
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decoded_form(name)?, decoded_form(value)?));
        }
        if pairs.len() > MAX_PAIRS { Err(Unreadable) } else { Ok(Self(pairs)) }
    }

    /// The value, when the name stands there exactly once: which of two was meant, nobody knows.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|(other, _)| other == name);
        let (_, value) = all.next()?;
        all.next().is_none().then_some(value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// As it is signed: encoded, sorted, without the signature itself.
    pub(crate) fn canonical(&self) -> String {
        let signed = self.0.iter().filter(|(name, _)| name != "X-Amz-Signature");
        let mut pairs: Vec<_> = signed.map(|(name, value)| (encoded(name), encoded(value))).collect();
        pairs.sort_unstable();
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }
}

/// A path without its percent signs.
pub(crate) fn decoded(text: &str) -> Result<String, Unreadable> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| Unreadable)?;
    Ok(decoded.into_owned())
}

/// In a query a plus is a space for some clients, and a plus that is meant is never sent as one.
fn decoded_form(text: &str) -> Result<String, Unreadable> {
    if text.contains('+') { decoded(&text.replace('+', " ")) } else { decoded(text) }
}

/// A path as it is signed: like a value, but slashes stay.
pub(crate) fn encoded_path(path: &str) -> String {
    encode(path, b"/")
}

/// A value as it is signed, and as listings give it on request.
pub(crate) fn encoded(text: &str) -> String {
    encode(text, b"")
}

fn encode(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a text takes every text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, canonical: &str) {
        assert_eq!(Query::parse(text).unwrap().canonical(), canonical, "{text}");
    }

    #[test]
    fn a_query_has_one_canonical_spelling() {
        check("", "");
        check("uploads", "uploads=");
        check("prefix=a%2fb&list-type=2", "list-type=2&prefix=a%2Fb");
        check("b=2&a=2&a=1", "a=1&a=2&b=2");
        check("prefix=a+b&delimiter=%20", "delimiter=%20&prefix=a%20b");
        check("marker=%e2%82%ac~-_.", "marker=%E2%82%AC~-_.");
        check("X-Amz-Signature=abc&X-Amz-Date=1", "X-Amz-Date=1");
        check("&&a=1&&", "a=1");
        check("a=1=2", "a=1%3D2");
    }

    #[test]
    fn names_are_sorted_as_they_are_encoded() {
        // `~` is kept and `é` becomes `%C3…`, which sorts before it.
        check("~=1&%C3%A9=2", "%C3%A9=2&~=1");
    }

    #[test]
    fn a_name_that_stands_twice_has_no_value() {
        let query = Query::parse("a=1&a=2&b=3").unwrap();
        assert_eq!((query.get("a"), query.get("b"), query.get("c")), (None, Some("3"), None));
        assert!(query.has("a"));
    }

    #[test]
    fn a_query_without_bounds_or_text_is_unreadable() {
        assert_eq!(Query::parse(&"a".repeat(MAX_QUERY + 1)), Err(Unreadable));
        assert_eq!(Query::parse(&"a&".repeat(MAX_PAIRS + 1)), Err(Unreadable));
        assert_eq!(Query::parse("a=%ff"), Err(Unreadable));
    }

    #[test]
    fn paths_keep_their_slashes() {
        assert_eq!(encoded_path("/a b/ü+~"), "/a%20b/%C3%BC%2B~");
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in "\\PC{0,40}") {
            prop_assert_eq!(decoded(&encoded(&text)).unwrap(), text.clone());
            prop_assert_eq!(decoded(&encoded_path(&text)).unwrap(), text);
        }

        #[test]
        fn no_text_makes_the_parser_fail(text in "[ -~]{0,120}") {
            if let Ok(query) = Query::parse(&text) {
                let canonical = query.canonical();
                prop_assert_eq!(Query::parse(&canonical).unwrap().canonical(), canonical);
            }
        }
    }
}
