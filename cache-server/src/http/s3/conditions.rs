//! Conditions and ranges of a read, and the condition of a write. Pure.

use hyper::HeaderMap;
use hyper::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};

use super::dates::from_head;
use crate::reads::Part;

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

/// The part of an object that a read asks for. Whatever is no range of one piece means the whole, as HTTP has it.
pub(crate) fn part(headers: &HeaderMap) -> Part {
    let text = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some((first, last)) = text.and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Part::Between(first, last),
        (Some(first), None) if last.is_empty() => Part::From(first),
        (None, Some(count)) if first.is_empty() => Part::Last(count),
        _ => Part::Whole,
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
    fn one_range_is_a_part_and_everything_else_the_whole() {
        let check = |text: &str, expected| assert_eq!(part(&headers(&[(RANGE, text)])), expected, "{text}");
        check("bytes=0-0", Part::Between(0, 0));
        check("bytes=2-", Part::From(2));
        check("bytes=2-100", Part::Between(2, 100));
        check("bytes=-3", Part::Last(3));
        check("bytes=0-18446744073709551616", Part::Between(0, u64::MAX));
        for text in ["bytes=3-2", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=+1-2", ""] {
            check(text, Part::Whole);
        }
        assert_eq!(part(&HeaderMap::new()), Part::Whole);
    }

    #[test]
    fn a_write_may_ask_for_nothing_to_be_there() {
        assert_eq!(creation(&headers(&[])), Creation::Any);
        assert_eq!(creation(&headers(&[(IF_NONE_MATCH, "*")])), Creation::New);
        assert_eq!(creation(&headers(&[(IF_NONE_MATCH, "\"a\"")])), Creation::Foreign);
        assert_eq!(creation(&headers(&[(IF_MATCH, "\"a\"")])), Creation::Foreign);
    }
}
