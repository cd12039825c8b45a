//! Answers that list: a caller's buckets, and the objects of one, as he sees them.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_model::Timestamp;
use tokio::time::timeout;

use super::error::Code;
use super::listing::{Entry, Listed, Next, Page, Rest, Source, behind};
use super::objects::{etag, identity};
use super::operation::{Bucket, Style};
use super::query::{Query, encoded_path};
use super::xml::Document;
use crate::catalog;
use crate::http::dates::in_document;
use crate::http::reply::Reply;
use crate::http::webdav::Around;
use crate::keys::Reserved;
use crate::objects::NodeObjects;

pub(super) const MAX_KEYS: u32 = 1000;
/// Objects asked for at once where most of them may be folded into one line.
const FOLDED_BATCH: usize = 10_000;

/// What a client asks of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question<'a> {
    pub(super) prefix: &'a str,
    delimiter: Option<&'a str>,
    pub(super) limit: usize,
    /// Keys are sent percent-encoded.
    is_encoded: bool,
    /// Behind which key to begin, without the bucket.
    pub(super) after: String,
}

impl<'a> Question<'a> {
    pub(super) fn parse(query: &'a Query, style: Style) -> Result<Self, Code> {
        let text = |name| if query.has(name) { query.get(name).ok_or(Code::InvalidArgument) } else { Ok("") };
        let limit = match text("max-keys")? {
            "" => MAX_KEYS as usize,
            digits => digits.parse::<u32>().map_err(|_| Code::InvalidArgument)?.min(MAX_KEYS) as usize,
        };
        let is_encoded = match text("encoding-type")? {
            "" => false,
            "url" => true,
            _ => return Err(Code::InvalidArgument),
        };
        let delimiter = Some(text("delimiter")?).filter(|delimiter| !delimiter.is_empty());
        let after = match style {
            Style::Marker => match text("marker")? {
                // The last line of the page before was a common prefix: everything in it has been said.
                marker if delimiter.is_some_and(|delimiter| marker.ends_with(delimiter)) => behind(marker),
                marker => marker.to_owned(),
            },
            Style::Continuation => match text("continuation-token")? {
                "" => text("start-after")?.to_owned(),
                token => {
                    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Code::InvalidArgument)?;
                    String::from_utf8(bytes).map_err(|_| Code::InvalidArgument)?
                }
            },
        };
        Ok(Self { prefix: text("prefix")?, delimiter, limit, is_encoded, after })
    }

    pub(super) fn shown(&self, text: &str) -> String {
        if self.is_encoded { encoded_path(text) } else { text.to_owned() }
    }
}

pub(super) async fn objects(
    objects: &NodeObjects,
    bucket: &Bucket,
    style: Style,
    query: &Query,
    around: Around<'_>,
) -> Result<Reply, Code> {
    let question = Question::parse(query, style)?;
    let root = format!("{}/", bucket.as_str());
    let mut after = format!("{root}{}", question.after);
    let prefix = format!("{root}{}", question.prefix);
    let page = Page::new(prefix, question.delimiter.map(str::to_owned), question.limit);
    let page = fill(objects, page, &mut after, around).await?;
    let relative = |key: &str| question.shown(key.strip_prefix(&root).unwrap_or_default());

    let mut document = Document::new("ListBucketResult");
    document.put("Name", bucket.as_str()).put("Prefix", question.shown(question.prefix));
    if let Some(delimiter) = question.delimiter {
        document.put("Delimiter", question.shown(delimiter));
    }
    if question.is_encoded {
        document.put("EncodingType", "url");
    }
    document.put("MaxKeys", question.limit).put("IsTruncated", page.is_truncated);
    match style {
        Style::Marker => {
            document.put("Marker", question.shown(query.get("marker").unwrap_or_default()));
            if let Some(last) = page.entries.last().filter(|_| page.is_truncated) {
                document.put("NextMarker", relative(last.end()));
            }
        }
        Style::Continuation => {
            document.put("KeyCount", page.entries.len());
            if let Some(token) = query.get("continuation-token") {
                document.put("ContinuationToken", token);
            }
            if let Some(start) = query.get("start-after") {
                document.put("StartAfter", question.shown(start));
            }
            if page.is_truncated {
                document.put("NextContinuationToken", token_of(after.strip_prefix(&root).unwrap_or_default()));
            }
        }
    }
    for entry in &page.entries {
        let tag = tag(objects, entry).await;
        match entry {
            Entry::Object(Listed { key, about }) => document.within("Contents", |contents| {
                contents.put("Key", relative(key)).put("LastModified", in_document(about.stored_at));
                contents.put("ETag", tag).put("Size", about.length).put("StorageClass", "STANDARD");
            }),
            Entry::Prefix(prefix) => document.within("CommonPrefixes", |prefixes| {
                prefixes.put("Prefix", relative(prefix));
            }),
        };
    }
    Ok(document.reply())
}

/// The token with which a list goes on behind a key.
pub(super) fn token_of(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

/// The tag that a read of the object would say. The log, from which lists are made, knows it of all but those whose
/// records hold more: they may have come in parts.
async fn tag(objects: &NodeObjects, entry: &Entry<catalog::Listed>) -> String {
    let Entry::Object(Listed { about, .. }) = entry else { return String::new() };
    let info = if about.has_attributes { objects.look_at(about).await } else { None };
    info.map_or_else(|| identity(about.name, about.writer, about.length, about.stored_at), |info| etag(&info))
}

/// First segments below which the caller sees something.
pub(super) async fn buckets(objects: &NodeObjects, around: Around<'_>) -> Result<Reply, Code> {
    let page = Page::new(String::new(), Some("/".to_owned()), MAX_KEYS as usize);
    let page = fill(objects, page, &mut String::new(), around).await?;
    let mut document = Document::new("ListAllMyBucketsResult");
    document.within("Buckets", |buckets| {
        for entry in &page.entries {
            // A key of one segment lies in no bucket, and what is below a reserved one belongs to other dialects.
            let Entry::Prefix(prefix) = entry else { continue };
            let name = prefix.trim_end_matches('/');
            if Reserved::ALL.iter().all(|own| own.segment() != name) {
                buckets.within("Bucket", |bucket| {
                    bucket.put("Name", name).put("CreationDate", in_document(Timestamp::from_millis(0)));
                });
            }
        }
    });
    Ok(document.reply())
}

async fn fill(
    objects: &NodeObjects,
    mut page: Page<catalog::Listed>,
    after: &mut String,
    around: Around<'_>,
) -> Result<Page<catalog::Listed>, Code> {
    let spaces = objects.listed_spaces();
    if spaces.is_empty() {
        return Err(Code::AccessDenied);
    }
    let batch = page.batch(FOLDED_BATCH);
    let mut sources: Vec<_> = spaces.iter().map(|_| Source { ready: VecDeque::new(), rest: Rest::Unknown }).collect();
    let asking = async {
        while let Next::Ask { source, after } = page.fill(&mut sources, after) {
            let listed =
                objects.list(&spaces[source], page.prefix(), &after, batch).await.map_err(|_| Code::SlowDown)?;
            let rest = if listed.len() < batch { Rest::None } else { Rest::Unknown };
            let of = |listed: catalog::Listed| Listed { key: listed.address.key.as_str().to_owned(), about: listed };
            sources[source] = Source { ready: listed.into_iter().map(of).collect(), rest };
        }
        Ok::<(), Code>(())
    };
    timeout(around.limits.client_stall, asking).await.map_err(|_| Code::SlowDown)??;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, style: Style, expected: Result<(&str, Option<&str>, usize, bool, &str), Code>) {
        let query = Query::parse(query).unwrap();
        let question = Question::parse(&query, style);
        let question = question.map(|q| (q.prefix, q.delimiter, q.limit, q.is_encoded, q.after));
        assert_eq!(question, expected.map(|(p, d, l, e, after)| (p, d, l, e, after.to_owned())), "{query:?}");
    }

    #[test]
    fn a_question_is_read_in_both_styles() {
        check("", Style::Marker, Ok(("", None, 1000, false, "")));
        let all = "prefix=a%2F&delimiter=/&max-keys=7&encoding-type=url&marker=a/b";
        check(all, Style::Marker, Ok(("a/", Some("/"), 7, true, "a/b")));
        check("delimiter=/&marker=a/", Style::Marker, Ok(("", Some("/"), 1000, false, "a/\u{10ffff}")));
        check("marker=a/", Style::Marker, Ok(("", None, 1000, false, "a/")));
        check("delimiter=&max-keys=4000000000&start-after=b", Style::Continuation, Ok(("", None, 1000, false, "b")));
        check("continuation-token=YS9i&start-after=z", Style::Continuation, Ok(("", None, 1000, false, "a/b")));
        check("max-keys=0", Style::Continuation, Ok(("", None, 0, false, "")));
    }

    #[test]
    fn questions_without_sense_are_refused() {
        for query in [
            "max-keys=x",
            "max-keys=-1",
            "max-keys=5000000000",
            "encoding-type=base64",
            "prefix=a&prefix=b",
            "continuation-token=%21",
            "continuation-token=_w",
        ] {
            check(query, Style::Continuation, Err(Code::InvalidArgument));
        }
    }
}
