//! What S3 keeps of an object beside its bytes: its type and its owner's remarks. It is stored as
//! one short text, and read back by this dialect alone.

use hyper::HeaderMap;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};

use super::error::Code;
use super::query::{decoded, encoded};

/// What the store takes along with an object.
const MAX_LENGTH: usize = 2 * 1024;
/// Of that, what is left to the tag of an object that came in parts.
const TAG_LENGTH: usize = 64;
const REMARK: &str = "x-amz-meta-";
const KEPT: [HeaderName; 6] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_DISPOSITION,
    hyper::header::CONTENT_LANGUAGE,
    hyper::header::CACHE_CONTROL,
    hyper::header::EXPIRES,
];
/// Stands before the texts that are ours.
const MARK: &str = "s3";

/// Headers that are given back with the object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<(HeaderName, HeaderValue)>);

impl Attributes {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Code> {
        let mut kept = Vec::new();
        for (name, value) in headers {
            if name.as_str().starts_with(REMARK) || KEPT.contains(name) {
                let value = value.to_str().map_err(|_| Code::InvalidArgument)?;
                // The framing of the request is none of the object.
                let value = value.strip_prefix("aws-chunked").map_or(value, |rest| rest.trim_start_matches([',', ' ']));
                if !value.is_empty() {
                    kept.push((name.clone(), value.parse().map_err(|_| Code::InvalidArgument)?));
                }
            }
        }
        let attributes = Self(kept);
        if attributes.to_text().len() > MAX_LENGTH - TAG_LENGTH { Err(Code::MetadataTooLarge) } else { Ok(attributes) }
    }

    pub(crate) fn to_text(&self) -> Box<str> {
        if self.0.is_empty() {
            return "".into();
        }
        let pairs = self.0.iter().map(|(name, value)| {
            let value = value.to_str().expect("only texts are kept");
            // A name may have an ampersand in it, too.
            format!("&{}={}", encoded(name.as_str()), encoded(value))
        });
        format!("{MARK}{}", pairs.collect::<String>()).into()
    }

    /// Texts of other dialects mean nothing here.
    pub(crate) fn from_text(text: &str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let pairs = text.strip_prefix(MARK)?.strip_prefix('&')?;
        let mut headers = Vec::new();
        for pair in pairs.split('&') {
            let (name, value) = pair.split_once('=')?;
            headers.push((decoded(name).ok()?.parse().ok()?, decoded(value).ok()?.parse().ok()?));
        }
        Some(Self(headers))
    }

    /// With the tag that stands for the object instead of the one that follows from what it is.
    pub(crate) fn with_tag(mut self, tag: &str) -> Self {
        self.0.extend(tag.parse().ok().map(|value| (ETAG, value)));
        self
    }

    pub(crate) fn without_tag(mut self) -> Self {
        self.0.retain(|(name, _)| name != ETAG);
        self
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == ETAG).and_then(|(_, value)| value.to_str().ok())
    }

    pub(crate) fn put_into(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let sent = headers(&[
            ("content-type", "text/plain; charset=utf-8"),
            ("content-encoding", "aws-chunked,gzip"),
            ("x-amz-meta-a", "1 & 2=3 %"),
            ("x-amz-date", "never"),
            ("host", "never"),
        ]);
        let attributes = Attributes::of(&sent).unwrap();
        let text = attributes.to_text();
        assert!(!text.contains(char::is_control));
        let read = Attributes::from_text(&text);
        assert_eq!(read, attributes);
        let mut given = HeaderMap::new();
        read.put_into(&mut given);
        let expected = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-encoding", "gzip"),
            ("x-amz-meta-a", "1 & 2=3 %"),
        ];
        assert_eq!(given, headers(&expected));
    }

    #[test]
    fn nothing_is_an_empty_text() {
        assert_eq!(&*Attributes::of(&headers(&[("content-encoding", "aws-chunked")])).unwrap().to_text(), "");
        assert_eq!(Attributes::from_text(""), Attributes::default());
    }

    #[test]
    fn a_tag_is_kept_beside_the_rest_and_no_client_sets_it() {
        const TAG: &str = "\"0123456789abcdef0123456789abcdef-10000\"";
        let long = "x".repeat(MAX_LENGTH - TAG_LENGTH - "s3&x-amz-meta-a=".len());
        let of_client = Attributes::of(&headers(&[("x-amz-meta-a", &long), ("etag", "\"forged\"")])).unwrap();
        assert_eq!(of_client.tag(), None);
        let text = of_client.clone().with_tag(TAG).to_text();
        assert!(text.len() <= MAX_LENGTH);
        let read = Attributes::from_text(&text);
        assert_eq!(read.tag(), Some(TAG));
        assert_eq!(read.without_tag(), of_client);
    }

    #[test]
    fn texts_of_others_mean_nothing() {
        for text in ["gha 1", "s3", "s3 a=b", "s3&", "s3&a", "s3&\u{1}=b", "s3&a=%0a", "{}"] {
            assert_eq!(Attributes::from_text(text), Attributes::default(), "{text}");
        }
    }

    #[test]
    fn more_than_the_store_takes_is_refused() {
        let long = "x".repeat(MAX_LENGTH);
        assert_eq!(Attributes::of(&headers(&[("x-amz-meta-a", &long)])), Err(Code::MetadataTooLarge));
    }
}
