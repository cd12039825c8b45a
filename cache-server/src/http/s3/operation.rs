//! What a request asks for. Pure: method, path, query and headers in, one operation out. Whatever S3 knows and we do not
//! do is refused by name, never ignored: a client that asks for encryption must not believe that it got some.

use hyper::header::HeaderName;
use hyper::{HeaderMap, Method};

use super::error::Code;
use super::query::{Query, decoded};
use crate::keys::ObjectKey;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    ListBuckets,
    HeadBucket(Bucket),
    CreateBucket(Bucket),
    BucketLocation(Bucket),
    ListObjects(Bucket, Style),
    DeleteObjects(Bucket),
    ListUploads(Bucket),
    Get(ObjectKey),
    Head(ObjectKey),
    Put(ObjectKey),
    Copy { key: ObjectKey, source: ObjectKey },
    Delete(ObjectKey),
    Tags(ObjectKey),
    CreateUpload(ObjectKey),
    PutPart { key: ObjectKey, upload: String, number: u16 },
    CopyPart { key: ObjectKey, upload: String, number: u16, source: ObjectKey },
    ListParts { key: ObjectKey, upload: String },
    CompleteUpload { key: ObjectKey, upload: String },
    AbortUpload { key: ObjectKey, upload: String },
}

/// The version of a listing: they differ in how they go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Marker,
    Continuation,
}

/// The first segment of keys. Buckets are virtual: each exists as soon as it is named, as collections do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket(Box<str>);

impl Bucket {
    fn new(name: &str) -> Result<Self, Code> {
        // What may be a key may be its first segment; a key has slashes, a bucket has none.
        if name.contains('/') {
            return Err(Code::InvalidBucket);
        }
        match ObjectKey::new(name) {
            Ok(_) => Ok(Self(name.into())),
            Err(_) if crate::keys::Reserved::ALL.iter().any(|own| own.segment() == name) => Err(Code::NoSuchBucket),
            Err(_) => Err(Code::InvalidBucket),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn key(&self, rest: &str) -> Result<ObjectKey, Code> {
        let text = format!("{}/{rest}", self.0);
        if text.len() > crate::keys::MAX_KEY_LENGTH {
            return Err(Code::TooLong);
        }
        ObjectKey::new(&text).map_err(|_| Code::InvalidKey)
    }
}

/// What may stand in any query.
const HARMLESS: [&str; 8] = [
    "x-id",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

const LISTING: [&str; 10] = [
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "encoding-type",
    "marker",
    "start-after",
    "continuation-token",
    "fetch-owner",
    "allow-unordered",
];

/// Headers of S3 that change nothing here, or that are looked at.
const KNOWN_HEADERS: [&str; 26] = [
    "x-amz-acl",
    "x-amz-bucket-region",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-metadata-directive",
    "x-amz-mp-object-size",
    "x-amz-optional-object-attributes",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-storage-class",
    "x-amz-trailer",
];

/// `path` is decoded.
pub(crate) fn operation(method: &Method, path: &str, query: &Query, headers: &HeaderMap) -> Result<Operation, Code> {
    let path = path.strip_prefix('/').ok_or(Code::InvalidArgument)?;
    check_headers(headers)?;
    if path.is_empty() {
        return match *method {
            Method::GET => only(query, &[], Operation::ListBuckets),
            _ => Err(Code::MethodNotAllowed),
        };
    }
    match path.split_once('/') {
        None | Some((_, "")) => on_bucket(method, Bucket::new(path.trim_end_matches('/'))?, query),
        Some((bucket, rest)) => on_object(method, Bucket::new(bucket)?.key(rest)?, query, headers),
    }
}

fn on_bucket(method: &Method, bucket: Bucket, query: &Query) -> Result<Operation, Code> {
    match *method {
        Method::HEAD => only(query, &[], Operation::HeadBucket(bucket)),
        Method::PUT => only(query, &[], Operation::CreateBucket(bucket)),
        Method::GET if query.has("location") => only(query, &["location"], Operation::BucketLocation(bucket)),
        Method::GET if query.has("uploads") => {
            let listing = ["uploads", "prefix", "max-uploads", "encoding-type", "key-marker", "upload-id-marker"];
            only(query, &listing, Operation::ListUploads(bucket))
        }
        Method::GET => {
            let style = match query.get("list-type") {
                Some("2") => Style::Continuation,
                None if !query.has("list-type") => Style::Marker,
                _ => return Err(Code::InvalidArgument),
            };
            only(query, &LISTING, Operation::ListObjects(bucket, style))
        }
        Method::POST if query.has("delete") => only(query, &["delete"], Operation::DeleteObjects(bucket)),
        Method::POST | Method::DELETE => Err(Code::NotImplemented),
        _ => Err(Code::MethodNotAllowed),
    }
}

fn on_object(method: &Method, key: ObjectKey, query: &Query, headers: &HeaderMap) -> Result<Operation, Code> {
    let upload = || query.get("uploadId").map(str::to_owned).ok_or(Code::InvalidArgument);
    let of_upload = query.has("uploadId");
    match *method {
        Method::GET if of_upload => {
            let upload = upload()?;
            only(query, &["uploadId", "max-parts", "part-number-marker"], Operation::ListParts { key, upload })
        }
        Method::GET if query.has("tagging") => only(query, &["tagging"], Operation::Tags(key)),
        Method::GET => only(query, &[], Operation::Get(key)),
        Method::HEAD => only(query, &[], Operation::Head(key)),
        Method::PUT if of_upload => {
            let number = query.get("partNumber").and_then(|text| text.parse().ok());
            let number = number.filter(|n| (1..=10_000).contains(n)).ok_or(Code::InvalidArgument)?;
            let upload = upload()?;
            let operation = match source(headers)? {
                Some(source) => Operation::CopyPart { key, upload, number, source },
                None => Operation::PutPart { key, upload, number },
            };
            only(query, &["uploadId", "partNumber"], operation)
        }
        Method::PUT => match source(headers)? {
            Some(source) => only(query, &[], Operation::Copy { key, source }),
            None => only(query, &[], Operation::Put(key)),
        },
        Method::DELETE if of_upload => {
            let upload = upload()?;
            only(query, &["uploadId"], Operation::AbortUpload { key, upload })
        }
        Method::DELETE => only(query, &[], Operation::Delete(key)),
        Method::POST if of_upload => {
            let upload = upload()?;
            only(query, &["uploadId"], Operation::CompleteUpload { key, upload })
        }
        Method::POST if query.has("uploads") => only(query, &["uploads"], Operation::CreateUpload(key)),
        Method::POST => Err(Code::NotImplemented),
        _ => Err(Code::MethodNotAllowed),
    }
}

/// The object of which a copy is to be made, if one is.
fn source(headers: &HeaderMap) -> Result<Option<ObjectKey>, Code> {
    let Some(value) = headers.get("x-amz-copy-source") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Code::InvalidArgument)?;
    let (text, version) = text.split_once('?').map_or((text, None), |(text, version)| (text, Some(version)));
    if version.is_some_and(|version| version != "versionId=null") {
        return Err(Code::NotImplemented);
    }
    let text = decoded(text).map_err(|_| Code::InvalidArgument)?;
    let (bucket, rest) = text.strip_prefix('/').unwrap_or(&text).split_once('/').ok_or(Code::InvalidArgument)?;
    Bucket::new(bucket)?.key(rest).map(Some)
}

/// The operation, when the query asks for nothing besides.
fn only(query: &Query, known: &[&str], operation: Operation) -> Result<Operation, Code> {
    let fine = |name: &str| known.contains(&name) || HARMLESS.contains(&name);
    if query.names().all(fine) { Ok(operation) } else { Err(Code::NotImplemented) }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Code> {
    let is_foreign = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-amz-") && !name.starts_with("x-amz-meta-") && !KNOWN_HEADERS.contains(&name)
    };
    let asks_for = |name: &str, fine: &[&str]| {
        headers.get(name).is_some_and(|value| !fine.iter().any(|fine| value.as_bytes() == fine.as_bytes()))
    };
    if headers.keys().any(is_foreign)
        || asks_for("x-amz-acl", &["private", "bucket-owner-full-control"])
        || asks_for("x-amz-storage-class", &["STANDARD"])
        || asks_for("x-amz-checksum-type", &["FULL_OBJECT", "COMPOSITE"])
        || asks_for("x-amz-metadata-directive", &["COPY", "REPLACE"])
    {
        return Err(Code::NotImplemented);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, uri: &str, headers: &[(&'static str, &'static str)]) -> Result<Operation, Code> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let path = super::super::query::decoded(path).map_err(|_| Code::InvalidKey)?;
        operation(&method.parse().unwrap(), &path, &Query::parse(query).unwrap(), &headers)
    }

    #[expect(clippy::needless_pass_by_value, reason = "a table of cases reads better so")]
    fn check(method: &str, uri: &str, expected: Result<Operation, Code>) {
        assert_eq!(parse(method, uri, &[]), expected, "{method} {uri}");
    }

    fn bucket() -> Bucket {
        Bucket("b".into())
    }

    fn key(text: &str) -> ObjectKey {
        ObjectKey::new(text).unwrap()
    }

    #[test]
    fn requests_of_clients_are_known() {
        let upload = || "u".to_owned();
        check("GET", "/", Ok(Operation::ListBuckets));
        check("GET", "/?x-id=ListBuckets", Ok(Operation::ListBuckets));
        check("HEAD", "/b", Ok(Operation::HeadBucket(bucket())));
        check("PUT", "/b/", Ok(Operation::CreateBucket(bucket())));
        check("GET", "/b?location", Ok(Operation::BucketLocation(bucket())));
        check("GET", "/b?uploads", Ok(Operation::ListUploads(bucket())));
        check("GET", "/b?prefix=x", Ok(Operation::ListObjects(bucket(), Style::Marker)));
        check("GET", "/b/?list-type=2&prefix=x", Ok(Operation::ListObjects(bucket(), Style::Continuation)));
        check("POST", "/b?delete", Ok(Operation::DeleteObjects(bucket())));
        check("GET", "/b/a/c?x-id=GetObject", Ok(Operation::Get(key("b/a/c"))));
        check("HEAD", "/b/a%20%2fc", Ok(Operation::Head(key("b/a /c"))));
        check("PUT", "/b/a?X-Amz-Signature=1&X-Amz-Date=2", Ok(Operation::Put(key("b/a"))));
        check("DELETE", "/b/a", Ok(Operation::Delete(key("b/a"))));
        check("GET", "/b/a?tagging", Ok(Operation::Tags(key("b/a"))));
        check("POST", "/b/a?uploads", Ok(Operation::CreateUpload(key("b/a"))));
        let part = Operation::PutPart { key: key("b/a"), upload: upload(), number: 10_000 };
        check("PUT", "/b/a?partNumber=10000&uploadId=u", Ok(part));
        check("GET", "/b/a?uploadId=u", Ok(Operation::ListParts { key: key("b/a"), upload: upload() }));
        check("POST", "/b/a?uploadId=u", Ok(Operation::CompleteUpload { key: key("b/a"), upload: upload() }));
        check("DELETE", "/b/a?uploadId=u", Ok(Operation::AbortUpload { key: key("b/a"), upload: upload() }));
    }

    #[test]
    fn a_copy_names_its_source() {
        let copy = |source: &'static str| parse("PUT", "/b/a", &[("x-amz-copy-source", source)]);
        for source in ["/c/d%20/e", "c/d%20/e", "c/d%20/e?versionId=null"] {
            assert_eq!(copy(source), Ok(Operation::Copy { key: key("b/a"), source: key("c/d /e") }), "{source}");
        }
        for source in ["", "/", "c", "/c"] {
            assert_eq!(copy(source), Err(Code::InvalidArgument), "{source}");
        }
        assert_eq!(copy("c/../d"), Err(Code::InvalidKey));
        assert_eq!(copy("/.gha/v/k"), Err(Code::NoSuchBucket));
        let part = parse("PUT", "/b/a?partNumber=2&uploadId=u", &[("x-amz-copy-source", "c/d")]);
        let upload = "u".to_owned();
        assert_eq!(part, Ok(Operation::CopyPart { key: key("b/a"), upload, number: 2, source: key("c/d") }));
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (method, uri) in [
            ("GET", "/b?acl"),
            ("GET", "/b?versions"),
            ("PUT", "/b?policy"),
            ("DELETE", "/b"),
            ("GET", "/b/a?versionId=1"),
            ("PUT", "/b/a?tagging"),
            ("GET", "/b/a?partNumber=1"),
            ("GET", "/b/a?response-content-type=text/html"),
            ("POST", "/b/a?select&select-type=2"),
            ("POST", "/b"),
        ] {
            check(method, uri, Err(Code::NotImplemented));
        }
        for header in [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-acl", "public-read"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-copy-source", "/b/c?versionId=1"),
            ("x-amz-metadata-directive", "MERGE"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
        ] {
            assert_eq!(parse("PUT", "/b/a", &[header]), Err(Code::NotImplemented), "{header:?}");
        }
        check("PATCH", "/b/a", Err(Code::MethodNotAllowed));
        check("POST", "/", Err(Code::MethodNotAllowed));
    }

    #[test]
    fn paths_that_are_no_keys_are_refused() {
        for uri in ["/b/../c", "/b/%2e%2e/c", "/b//c", "/b/a/", "/b/a%00", "/b/.", "/b/a%0a"] {
            check("PUT", uri, Err(Code::InvalidKey));
        }
        check("PUT", &format!("/b/{}", "k".repeat(10_000)), Err(Code::TooLong));
        check("GET", "/..", Err(Code::InvalidBucket));
        check("GET", "//a", Err(Code::InvalidBucket));
        check("GET", "/.gha/v/k", Err(Code::NoSuchBucket));
        check("GET", "/%2egha/v/k", Err(Code::NoSuchBucket));
        check("GET", "/.artifacts?list-type=2", Err(Code::NoSuchBucket));
        check("PUT", "/b/a?uploadId=u&partNumber=0", Err(Code::InvalidArgument));
        check("PUT", "/b/a?uploadId=u&partNumber=10001", Err(Code::InvalidArgument));
        check("PUT", "/b/a?uploadId=u&uploadId=v&partNumber=1", Err(Code::InvalidArgument));
    }
}
