//! Conditions of a read, and the condition of a write. Pure.

use hyper::HeaderMap;
use hyper::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use crate::http::dates::from_head;

/// What the conditions of a read come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Send,
    NotModified,
    Failed,
}

/// `etag` has its quotes; `modified_s` are seconds since 1970.
pub(crate) fn conditions(headers: &HeaderMap, etag: &str, modified_s: i64) -> Verdict {
    let text = |name| headers.get(name).map(|value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default());
    // The tag is what the object is; a time only says more where no tag was given.
    match (text(IF_MATCH), text(IF_UNMODIFIED_SINCE).and_then(from_head)) {
        (Some(tags), _) if !matches(tags, etag) => return Verdict::Failed,
        (None, Some(since)) if modified_s > since => return Verdict::Failed,
        _ => {}
    }
    match (text(IF_NONE_MATCH), text(IF_MODIFIED_SINCE).and_then(from_head)) {
        (Some(tags), _) if matches(tags, etag) => Verdict::NotModified,
        (None, Some(since)) if modified_s <= since => Verdict::NotModified,
        _ => Verdict::Send,
    }
}

/// Whether a list of tags has this one. Clients of S3 leave the quotes out at times.
fn matches(tags: &str, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    tags.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(etag))
}

/// What a write asks of what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    Any,
    /// Nothing must be there.
    New,
    /// A condition that we do not know how to hold.
    Foreign,
}

pub(crate) fn creation(headers: &HeaderMap) -> Creation {
    match (headers.get(IF_NONE_MATCH), headers.get(IF_MATCH)) {
        (None, None) => Creation::Any,
        (Some(value), None) if value == "*" => Creation::New,
        _ => Creation::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(hyper::header::HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn conditions_are_those_of_http() {
        const THEN: &str = "Sun, 22 Nov 2026 22:05:10 GMT";
        let then = from_head(THEN).unwrap();
        let check = |all: &[(hyper::header::HeaderName, &str)], modified_s, expected| {
            assert_eq!(conditions(&headers(all), "\"a-1\"", modified_s), expected, "{all:?}");
        };
        check(&[], then, Verdict::Send);
        check(&[(IF_MATCH, "\"a-1\"")], then, Verdict::Send);
        check(&[(IF_MATCH, "a-1")], then, Verdict::Send);
        check(&[(IF_MATCH, "*")], then, Verdict::Send);
        check(&[(IF_MATCH, "\"b\", \"c\"")], then, Verdict::Failed);
        check(&[(IF_NONE_MATCH, "\"b\", \"a-1\"")], then, Verdict::NotModified);
        check(&[(IF_NONE_MATCH, "\"b\"")], then, Verdict::Send);
        check(&[(IF_MODIFIED_SINCE, THEN)], then, Verdict::NotModified);
        check(&[(IF_MODIFIED_SINCE, THEN)], then + 1, Verdict::Send);
        check(&[(IF_UNMODIFIED_SINCE, THEN)], then + 1, Verdict::Failed);
        check(&[(IF_UNMODIFIED_SINCE, THEN)], then, Verdict::Send);
        // A tag says more than a time.
        check(&[(IF_MATCH, "\"a-1\""), (IF_UNMODIFIED_SINCE, THEN)], then + 1, Verdict::Send);
        check(&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, THEN)], then, Verdict::Send);
    }

    #[test]
    fn a_write_may_ask_for_nothing_to_be_there() {
        assert_eq!(creation(&headers(&[])), Creation::Any);
        assert_eq!(creation(&headers(&[(IF_NONE_MATCH, "*")])), Creation::New);
        assert_eq!(creation(&headers(&[(IF_NONE_MATCH, "\"a\"")])), Creation::Foreign);
        assert_eq!(creation(&headers(&[(IF_MATCH, "\"a\"")])), Creation::Foreign);
    }
}
