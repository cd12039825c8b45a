//! The XML of S3: what is written, which is little, and the two lists that clients send.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

use super::error::Code;
use crate::http::reply::{self, Reply, ReplyBody};

pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// S3's own bounds.
const MAX_REMOVALS: usize = 1000;
pub(super) const MAX_PARTS: usize = 10_000;

/// An answer under way: elements are opened and closed as they are written.
#[derive(Debug)]
pub(crate) struct Document {
    text: String,
    root: &'static str,
}

impl Document {
    pub(crate) fn new(root: &'static str) -> Self {
        let mut text = String::from(DECLARATION);
        write!(text, "<{root} xmlns=\"{NAMESPACE}\">").expect("a text takes every text");
        Self { text, root }
    }

    /// An element that holds a text.
    pub(crate) fn put(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = value.to_string();
        write!(self.text, "<{name}>{}</{name}>", escaped(&value)).expect("a text takes every text");
        self
    }

    /// An element that holds others.
    pub(crate) fn within(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        write!(self.text, "<{name}>").expect("a text takes every text");
        fill(self);
        write!(self.text, "</{name}>").expect("a text takes every text");
        self
    }

    pub(crate) fn reply(mut self) -> Reply {
        write!(self.text, "</{}>", self.root).expect("a text takes every text");
        let mut reply = reply::object(ReplyBody::text(self.text));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        reply
    }
}

/// A text as the content of an element.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let special =
        |c: char| matches!(c, '&' | '<' | '>' | '"' | '\'' | '\r') || (c.is_control() && c != '\n' && c != '\t');
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // XML knows no other control characters, not even escaped ones.
            c if special(c) => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// What a `DeleteObjects` asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Removals {
    pub(crate) keys: Vec<String>,
    pub(crate) answer: Verbosity,
}

/// Whether the answer names what was removed, too, or only what was not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    #[default]
    All,
    Errors,
}

pub(crate) fn removals(body: &[u8]) -> Result<Removals, Code> {
    let mut removals = Removals::default();
    let (mut key, mut versioned) = (None, false);
    read(body, |step| {
        match step {
            Step::Text("Delete/Object/Key", text) => key = Some(text),
            Step::Text("Delete/Object/VersionId", text) => versioned |= text != "null",
            Step::Text("Delete/Quiet", text) if text == "true" => removals.answer = Verbosity::Errors,
            Step::End("Delete/Object") => removals.keys.push(key.take().ok_or(Code::MalformedXml)?),
            Step::Text(..) | Step::End(_) => {}
        }
        if removals.keys.len() > MAX_REMOVALS { Err(Code::MalformedXml) } else { Ok(()) }
    })?;
    match (versioned, removals.keys.is_empty()) {
        (true, _) => Err(Code::NotImplemented),
        (false, true) => Err(Code::MalformedXml),
        (false, false) => Ok(removals),
    }
}

/// A part as a client lists it at the end of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListedPart {
    pub(crate) number: u16,
    pub(crate) etag: String,
}

impl ListedPart {
    /// The digest that its tag is, with quotes or without them.
    pub(crate) fn md5(&self) -> Result<[u8; 16], Code> {
        let digits = self.etag.trim().trim_matches('"');
        let number = (digits.len() == 32).then(|| u128::from_str_radix(digits, 16).ok()).flatten();
        number.map(u128::to_be_bytes).ok_or(Code::InvalidPart)
    }
}

/// The parts of a `CompleteMultipartUpload`. Checksums that stand there are not looked at: the tag says what a part is.
pub(crate) fn parts(body: &[u8]) -> Result<Vec<ListedPart>, Code> {
    let mut parts: Vec<ListedPart> = Vec::new();
    let (mut number, mut etag) = (None, None);
    read(body, |step| {
        match step {
            Step::Text("CompleteMultipartUpload/Part/PartNumber", text) => {
                number = Some(text.trim().parse().map_err(|_| Code::MalformedXml)?);
            }
            Step::Text("CompleteMultipartUpload/Part/ETag", text) => etag = Some(text),
            Step::End("CompleteMultipartUpload/Part") => {
                let (Some(number), Some(etag)) = (number.take(), etag.take()) else { return Err(Code::MalformedXml) };
                if parts.last().is_some_and(|last| last.number >= number) {
                    return Err(Code::InvalidPartOrder);
                }
                parts.push(ListedPart { number, etag });
            }
            Step::Text(..) | Step::End(_) => {}
        }
        if parts.len() > MAX_PARTS { Err(Code::MalformedXml) } else { Ok(()) }
    })?;
    if parts.is_empty() { Err(Code::MalformedXml) } else { Ok(parts) }
}

/// What a reader of elements meets: the text of an innermost one, by its path, and the end of any.
enum Step<'a> {
    Text(&'a str, String),
    End(&'a str),
}

/// Walks through a document. Entities other than XML's own five, and documents that declare some, are refused.
fn read(body: &[u8], mut take: impl FnMut(Step<'_>) -> Result<(), Code>) -> Result<(), Code> {
    const MAX_DEPTH: usize = 8;
    let wrong = |_| Code::MalformedXml;
    let body = std::str::from_utf8(body).map_err(|_| Code::MalformedXml)?;
    let mut reader = Reader::from_str(body);
    reader.config_mut().expand_empty_elements = true;
    let mut path = String::new();
    let mut text = String::new();
    let mut ended = false;
    loop {
        match reader.read_event().map_err(wrong)? {
            Event::Start(start) => {
                if ended || path.split('/').count() > MAX_DEPTH {
                    return Err(Code::MalformedXml);
                }
                let name = start.local_name();
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(name.as_ref());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(part) => text.push_str(&part.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(entity) => {
                let numbered = entity.resolve_char_ref().map_err(wrong)?;
                text.push(numbered.or_else(|| named(&entity)).ok_or(Code::MalformedXml)?);
            }
            Event::End(_) => {
                take(Step::Text(&path, std::mem::take(&mut text)))?;
                take(Step::End(&path))?;
                path.truncate(path.rfind('/').unwrap_or(0));
                ended = path.is_empty();
            }
            Event::Eof if ended => return Ok(()),
            Event::Eof | Event::DocType(_) => return Err(Code::MalformedXml),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// The entities that XML has by itself.
fn named(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delete(inside: &str) -> Result<Removals, Code> {
        let text = format!("<Delete xmlns=\"{NAMESPACE}\">{inside}</Delete>");
        removals(text.as_bytes())
    }

    #[test]
    fn a_list_of_removals_is_read() {
        let keys =
            |keys: &[&str], answer| Ok(Removals { keys: keys.iter().map(|key| (*key).to_owned()).collect(), answer });
        let two = "<Object><Key>a &amp; b&#33;</Key></Object><Object><Key>c</Key><VersionId>null</VersionId></Object>";
        assert_eq!(delete(two), keys(&["a & b!", "c"], Verbosity::All));
        let quiet = "<Quiet>true</Quiet><Object><Key><![CDATA[<c>]]></Key></Object>";
        assert_eq!(delete(quiet), keys(&["<c>"], Verbosity::Errors));
    }

    fn complete(inside: &str) -> Result<Vec<(u16, String)>, Code> {
        let parts = parts(format!("<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>").as_bytes())?;
        Ok(parts.into_iter().map(|part| (part.number, part.etag)).collect())
    }

    #[test]
    fn a_list_of_parts_is_read() {
        let part = |n: &str| format!("<Part><ETag>&quot;{n}-1&quot;</ETag><PartNumber>{n}</PartNumber></Part>");
        let read = |n: u16| (n, format!("\"{n}-1\""));
        assert_eq!(complete(&(part("1") + &part("3"))), Ok(vec![read(1), read(3)]));
        assert_eq!(complete(&(part("3") + &part("1"))), Err(Code::InvalidPartOrder));
        assert_eq!(complete(&(part("1") + &part("1"))), Err(Code::InvalidPartOrder));
        assert_eq!(complete(&part("x")), Err(Code::MalformedXml));
        assert_eq!(complete(&part("65536")), Err(Code::MalformedXml));
        assert_eq!(complete("<Part><PartNumber>1</PartNumber></Part>"), Err(Code::MalformedXml));
        assert_eq!(complete(""), Err(Code::MalformedXml));
    }

    #[test]
    fn the_tag_of_a_part_is_its_digest() {
        let md5 = |etag: &str| ListedPart { number: 1, etag: etag.to_owned() }.md5();
        let digits = "00ff00ff00ff00ff00ff00ff00ff00ff";
        let expected = [0, 0xff].repeat(8);
        assert_eq!(md5(digits).map(Vec::from), Ok(expected.clone()));
        assert_eq!(md5(&format!("\"{digits}\"")).map(Vec::from), Ok(expected));
        for other in ["", "\"\"", &digits[1..], &format!("{digits}-2"), "+0ff00ff00ff00ff00ff00ff00ff00fg"] {
            assert_eq!(md5(other), Err(Code::InvalidPart), "{other}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let malformed = Err(Code::MalformedXml);
        assert_eq!(delete(""), malformed);
        assert_eq!(delete("<Object></Object>"), malformed);
        assert_eq!(delete(&"<Object><Key>a</Key></Object>".repeat(1001)), malformed);
        assert_eq!(delete("<Object><Key>&bomb;</Key></Object>"), malformed);
        assert_eq!(delete("<Object><Key>a</Key><VersionId>1</VersionId></Object>"), Err(Code::NotImplemented));
        let bomb = b"<!DOCTYPE d [<!ENTITY a \"b\">]><Delete><Object><Key>&a;</Key></Object></Delete>";
        let list = b"<Delete><Object><Key>a</Key></Object></Delete>";
        for bytes in [&bomb[..], b"", b"<Delete>", b"</Delete>", b"\xff", &[&list[..], &list[..]].concat(), b"{}"] {
            assert_eq!(removals(bytes), malformed, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(removals("<a>".repeat(1000).as_bytes()), malformed);
    }

    proptest! {
        #[test]
        fn a_key_survives_its_way_through_a_list(key in "\\PC{0,30}") {
            let read = delete(&format!("<Object><Key>{}</Key></Object>", escaped(&key))).unwrap();
            prop_assert_eq!(read.keys, [key]);
        }

        #[test]
        fn no_text_makes_the_parser_fail(text in "[<>/&;a-z!\\[\\]\"= -]{0,80}") {
            let _ = removals(text.as_bytes());
            let _ = parts(text.as_bytes());
        }
    }
}
