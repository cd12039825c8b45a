//! What this dialect promises of any bytes; see [`crate::fuzzing`].

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};

use super::attributes::Attributes;
use super::chunked::{Covered, Unframed};
use super::error::Code;
use super::lists::{MAX_KEYS, Question, token_of};
use super::operation::{Operation, Style, operation};
use super::query::{Query, decoded, encoded};
use super::signature::{Signable, claim};
use super::sums::Sums;
use super::xml::{self, ListedPart, MAX_PARTS, escaped};
use crate::fuzzing::bytes::{NOW, number, text};
use crate::keys::ObjectKey;

/// The spelling that is signed means the same as the one that was sent.
pub(crate) fn query(bytes: &[u8]) {
    let Ok(query) = Query::parse(text(bytes)) else { return };
    let canonical = query.canonical();
    // Each byte may become three, and then it may be too long to be sent.
    if let Ok(again) = Query::parse(&canonical) {
        assert_eq!(again.canonical(), canonical);
    }
}

/// A request line and headers, as text. What is asked for is sound, and nobody has signed it.
pub(crate) fn request(bytes: &[u8]) {
    let mut lines = text(bytes).lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return };
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (Ok(path), Ok(query)) = (decoded(path), Query::parse(query)) else { return };
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    if let Ok(Operation::Get(key) | Operation::Put(key) | Operation::Delete(key)) =
        operation(&method, &path, &query, &headers)
    {
        assert_eq!(ObjectKey::new(key.as_str()), Ok(key), "a key that is none");
    }
    let signable = Signable { method: &method, path: &path, query: &query, headers: &headers, authority: None };
    if let Ok(claim) = claim(signable, NOW) {
        assert!(claim.verified(signable, "nobody's secret").is_err(), "a signature that nobody made");
    }
    if let Ok(attributes) = Attributes::of(&headers) {
        assert_eq!(Attributes::from_text(&attributes.to_text()), attributes);
    }
    let _checked_for_panics_alone = Sums::announced(&headers).and_then(|mut sums| sums.check());
}

/// However the wire is cut, the same bytes come out, and never more than the head promised.
pub(crate) fn chunked(bytes: &[u8]) {
    let (choice, wire) = number(bytes);
    let (length, cut) = ((choice % 512) as u64, choice / 512 + 1);
    let whole = unframed(length, wire, wire.len().max(1));
    assert_eq!(unframed(length, wire, cut), whole);
    if let Ok(data) = whole {
        assert_eq!(data.len() as u64, length);
    }
}

fn unframed(length: u64, wire: &[u8], cut: usize) -> Result<Vec<u8>, Code> {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32"));
    let mut sums = Sums::announced(&headers)?;
    let mut unframed = Unframed::new(length, Covered::Nothing);
    let mut data = Vec::new();
    for piece in wire.chunks(cut) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(out) = unframed.pass(&mut piece, &mut sums)? {
            data.extend_from_slice(&out);
            assert!(data.len() as u64 <= length, "more than was promised");
        }
    }
    unframed.end()?;
    sums.check()?;
    Ok(data)
}

/// A list of keys is the same list when it is written again.
pub(crate) fn removals(bytes: &[u8]) {
    let Ok(list) = xml::removals(bytes) else { return };
    assert!((1..=1000).contains(&list.keys.len()));
    assert!(list.keys.iter().map(String::len).sum::<usize>() <= bytes.len(), "keys grew");
    // Others cannot be written in XML at all.
    let plain = |key: &String| escaped(key).chars().all(|c| c != char::REPLACEMENT_CHARACTER);
    if list.keys.iter().all(plain) {
        let object = |key: &String| ["<Object><Key>", &escaped(key), "</Key></Object>"].concat();
        let objects: String = list.keys.iter().map(object).collect();
        let again = xml::removals(format!("<Delete>{objects}</Delete>").as_bytes());
        assert_eq!(again.map(|again| again.keys), Ok(list.keys));
    }
}

/// The parts of an upload are in order, and the same when they are written again.
pub(crate) fn parts(bytes: &[u8]) {
    let Ok(parts) = xml::parts(bytes) else { return };
    assert!((1..=MAX_PARTS).contains(&parts.len()));
    assert!(parts.windows(2).all(|pair| pair[0].number < pair[1].number), "parts in disorder");
    for part in &parts {
        if let Ok(md5) = part.md5() {
            let again = ListedPart { number: part.number, etag: format!("{:032x}", u128::from_be_bytes(md5)) };
            assert_eq!(again.md5(), Ok(md5));
        }
    }
    let plain = |part: &ListedPart| escaped(&part.etag).chars().all(|c| c != char::REPLACEMENT_CHARACTER);
    if parts.iter().all(plain) {
        let part = |part: &ListedPart| {
            format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number, escaped(&part.etag))
        };
        let all: String = parts.iter().map(part).collect();
        let again = xml::parts(format!("<CompleteMultipartUpload>{all}</CompleteMultipartUpload>").as_bytes());
        assert_eq!(again, Ok(parts));
    }
}

/// The question of a list. A page is bounded, goes on where the one before has ended, and shows what can be read back.
pub(crate) fn list(bytes: &[u8]) {
    let Ok(query) = Query::parse(text(bytes)) else { return };
    for style in [Style::Marker, Style::Continuation] {
        let Ok(question) = Question::parse(&query, style) else { continue };
        assert!(question.limit <= MAX_KEYS as usize);
        let shown = question.shown(question.prefix);
        if query.has("encoding-type") {
            assert!(query.get("encoding-type") == Some("") || decoded(&shown).as_deref() == Ok(question.prefix));
        }
        let next = format!("continuation-token={}", encoded(&token_of(&question.after)));
        if let Ok(next) = Query::parse(&next) {
            let after = Question::parse(&next, Style::Continuation).map(|next| next.after);
            assert_eq!(after.as_ref(), Ok(&question.after), "a page begins elsewhere");
        }
    }
}
