//! Uploads in parts: begun, filled, looked at, completed or given up. Who sees which upload is decided below; here are
//! S3's bounds and words.

use hyper::body::Incoming;
use hyper::header::ETAG;
use hyper::{HeaderMap, StatusCode};
use md5::{Digest as _, Md5};

use super::answer::inflow;
use super::attributes::Attributes;
use super::conditions::{Creation, creation};
use super::error::Code;
use super::objects::{etag, header, stored};
use super::operation::Bucket;
use super::payload::Payload;
use super::query::{Query, encoded_path};
use super::signature::hex;
use super::sums::Sums;
use super::xml::{Document, ListedPart, parts};
use crate::http::dates::in_document;
use crate::http::inflow::Inflow;
use crate::http::reply::{self, Reply};
use crate::http::webdav::Around;
use crate::keys::ObjectKey;
use crate::objects::{NodeObjects, Order, Refused, UnderWay};
use crate::parts::Numbered;
use crate::uploads::Failure;

/// Every part but the last one has at least so many bytes.
const LEAST_PART: u64 = 5 * 1024 * 1024;
/// Lines of one page.
const MAX_LINES: usize = 1000;

pub(super) async fn create(objects: &NodeObjects, key: &ObjectKey, headers: &HeaderMap) -> Result<Reply, Code> {
    let attributes = Attributes::of(headers)?.to_text();
    let id = objects.begin_upload(key, &attributes).await?;
    let mut document = Document::new("InitiateMultipartUploadResult");
    let (bucket, rest) = in_bucket(key);
    document.put("Bucket", bucket).put("Key", rest).put("UploadId", id);
    Ok(document.reply())
}

pub(super) async fn put_part(
    objects: &NodeObjects,
    (key, upload, number): (&ObjectKey, &str, u16),
    payload: Payload,
    body: Incoming,
    around: Around<'_>,
) -> Result<Reply, Code> {
    let verdict = payload.verdict();
    let md5 = objects.add_part(key, upload, number, inflow(payload, body, around)).await.map_err(|refused| {
        // Why the body was cut, its own checks know better.
        if refused == Refused::Cut { verdict.code() } else { refused.into() }
    })?;
    let mut reply = reply::status(StatusCode::OK);
    reply.headers_mut().insert(ETAG, header(&tag_of(&md5)));
    Ok(reply)
}

/// A part that is a piece of another object.
pub(super) async fn copy_part(
    objects: &NodeObjects,
    (key, upload, number): (&ObjectKey, &str, u16),
    source: Inflow,
) -> Result<Reply, Code> {
    let md5 = objects.add_part(key, upload, number, source).await?;
    let mut document = Document::new("CopyPartResult");
    let kept = objects.parts_of(key, upload).await?.into_iter().find(|part| part.number == number);
    let kept_at = kept.map(|part| part.kept_at).ok_or(Code::NoSuchUpload)?;
    document.put("LastModified", in_document(kept_at)).put("ETag", tag_of(&md5));
    Ok(document.reply())
}

/// Makes the object. Whoever asks again, because he did not hear the answer, hears the same again.
pub(super) async fn complete(
    objects: &NodeObjects,
    key: &ObjectKey,
    upload: &str,
    headers: &HeaderMap,
    list: &[u8],
) -> Result<Reply, Code> {
    let listed = parts(list)?;
    let tag = whole_tag(&listed)?;
    match make(objects, key, upload, headers, &listed, &tag).await {
        Ok(()) => {}
        // The parts of an upload that is over go one by one.
        Err(Code::NoSuchUpload | Code::InvalidPart) if is_there(objects, key, &tag).await => {}
        Err(code) => return Err(code),
    }
    // Where other bytes were first, they stay, and it is their tag that is told.
    let tag = objects.look(key).await.map_or(tag, |info| etag(&info));
    let (bucket, rest) = in_bucket(key);
    let mut document = Document::new("CompleteMultipartUploadResult");
    document.put("Location", format!("/{}", encoded_path(key.as_str())));
    document.put("Bucket", bucket).put("Key", rest).put("ETag", tag);
    Ok(document.reply())
}

async fn make(
    objects: &NodeObjects,
    key: &ObjectKey,
    upload: &str,
    headers: &HeaderMap,
    listed: &[ListedPart],
    tag: &str,
) -> Result<(), Code> {
    let creation = creation(headers);
    if creation == Creation::Foreign {
        return Err(Code::NotImplemented);
    }
    let begun = objects.upload(key, upload).await?;
    let length = length_of(listed, &objects.parts_of(key, upload).await?)?;
    if headers.get("x-amz-mp-object-size").is_some_and(|said| said.as_bytes() != length.to_string().as_bytes()) {
        return Err(Code::InvalidArgument);
    }
    let attributes = Attributes::from_text(&begun.attributes).with_tag(tag).to_text();
    let order = Order { numbers: listed.iter().map(|part| part.number).collect(), length, attributes };
    stored(objects.finish_upload(key, upload, order).await?, key, creation)
}

pub(super) async fn abort(objects: &NodeObjects, key: &ObjectKey, upload: &str) -> Result<Reply, Code> {
    objects.abort_upload(key, upload).await?;
    Ok(reply::status(StatusCode::NO_CONTENT))
}

pub(super) async fn list_parts(
    objects: &NodeObjects,
    key: &ObjectKey,
    upload: &str,
    query: &Query,
) -> Result<Reply, Code> {
    let after: u16 = number(query, "part-number-marker")?.unwrap_or(0);
    let most = number(query, "max-parts")?.map_or(MAX_LINES, |most: u32| MAX_LINES.min(most as usize));
    let all = objects.parts_of(key, upload).await?;
    let behind: Vec<_> = all.iter().filter(|part| part.number > after).collect();
    let page = &behind[..behind.len().min(most)];
    let (bucket, rest) = in_bucket(key);
    let mut document = Document::new("ListPartsResult");
    document.put("Bucket", bucket).put("Key", rest).put("UploadId", upload);
    document.put("PartNumberMarker", after).put("MaxParts", most).put("StorageClass", "STANDARD");
    let is_truncated = page.len() < behind.len() && most > 0;
    document.put("IsTruncated", is_truncated);
    if let Some(last) = page.last().filter(|_| is_truncated) {
        document.put("NextPartNumberMarker", last.number);
    }
    for part in page {
        document.within("Part", |line| {
            line.put("PartNumber", part.number).put("LastModified", in_document(part.kept_at));
            line.put("ETag", tag_of(&part.md5)).put("Size", part.length);
        });
    }
    Ok(document.reply())
}

/// The caller's own uploads: those of others are not shown, and could not be gone on with.
pub(super) async fn list_uploads(objects: &NodeObjects, bucket: &Bucket, query: &Query) -> Result<Reply, Code> {
    let text = |name| if query.has(name) { query.get(name).ok_or(Code::InvalidArgument) } else { Ok("") };
    let most = number(query, "max-uploads")?.map_or(MAX_LINES, |most: u32| MAX_LINES.min(most as usize));
    let (prefix, key_marker, id_marker) = (text("prefix")?, text("key-marker")?, text("upload-id-marker")?);
    let is_encoded = match text("encoding-type")? {
        "" => false,
        "url" => true,
        _ => return Err(Code::InvalidArgument),
    };
    let shown = |text: &str| if is_encoded { encoded_path(text) } else { text.to_owned() };
    let all = objects.uploads().await?;
    let of_bucket = |under_way: &&UnderWay| {
        let (own, rest) = in_bucket(&under_way.key);
        own == bucket.as_str() && rest.starts_with(prefix)
    };
    let mut behind: Vec<&UnderWay> = all.iter().filter(of_bucket).collect();
    behind.retain(|under_way| in_bucket(&under_way.key).1 >= key_marker);
    // Of the marker's own key, what comes behind the marked upload; all of them have been said where none is marked.
    let marked =
        behind.iter().position(|under_way| in_bucket(&under_way.key).1 == key_marker && under_way.id == id_marker);
    match marked {
        Some(at) => drop(behind.drain(..=at)),
        None if key_marker.is_empty() => {}
        None => behind.retain(|under_way| in_bucket(&under_way.key).1 > key_marker),
    }
    let page = &behind[..behind.len().min(most)];
    let is_truncated = page.len() < behind.len() && most > 0;
    let mut document = Document::new("ListMultipartUploadsResult");
    document.put("Bucket", bucket.as_str()).put("Prefix", shown(prefix));
    document.put("KeyMarker", shown(key_marker)).put("UploadIdMarker", id_marker);
    if is_encoded {
        document.put("EncodingType", "url");
    }
    document.put("MaxUploads", most).put("IsTruncated", is_truncated);
    if let Some(last) = page.last().filter(|_| is_truncated) {
        document.put("NextKeyMarker", shown(in_bucket(&last.key).1)).put("NextUploadIdMarker", &last.id);
    }
    for under_way in page {
        document.within("Upload", |line| {
            line.put("Key", shown(in_bucket(&under_way.key).1)).put("UploadId", &under_way.id);
            line.put("StorageClass", "STANDARD").put("Initiated", in_document(under_way.begun_at));
        });
    }
    Ok(document.reply())
}

/// A checksum of the whole object, which none of our parts is asked for, is not computed when they are put together.
pub(super) fn refuse_whole_sums(headers: &HeaderMap) -> Result<(), Code> {
    if Sums::announced(headers)?.is_empty() { Ok(()) } else { Err(Code::NotImplemented) }
}

/// How long the parts of the list are together, when each is there as it is listed, and none but the last is too small.
fn length_of(listed: &[ListedPart], there: &[Numbered]) -> Result<u64, Code> {
    let mut length = 0;
    for (n, part) in listed.iter().enumerate() {
        let found = there.binary_search_by_key(&part.number, |kept| kept.number).map_err(|_| Code::InvalidPart)?;
        let kept = there[found];
        if part.md5()? != kept.md5 {
            return Err(Code::InvalidPart);
        }
        if kept.length < LEAST_PART && n + 1 < listed.len() {
            return Err(Code::EntityTooSmall);
        }
        length += kept.length;
    }
    Ok(length)
}

/// S3's tag of such an object: a digest of the parts' digests, and how many they were.
fn whole_tag(listed: &[ListedPart]) -> Result<String, Code> {
    let mut sum = Md5::new();
    for part in listed {
        sum.update(part.md5()?);
    }
    Ok(format!("\"{}-{}\"", hex(&sum.finalize()), listed.len()))
}

fn tag_of(md5: &[u8; 16]) -> String {
    format!("\"{}\"", hex(md5))
}

async fn is_there(objects: &NodeObjects, key: &ObjectKey, tag: &str) -> bool {
    objects.look(key).await.is_some_and(|info| etag(&info) == tag)
}

/// Bucket and key, as a client of S3 takes them apart.
fn in_bucket(key: &ObjectKey) -> (&str, &str) {
    key.as_str().split_once('/').unwrap_or((key.as_str(), ""))
}

/// A number of the query, where there is one.
fn number<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, Code> {
    if !query.has(name) {
        return Ok(None);
    }
    let text = query.get(name).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match text {
        Some("") => Ok(None),
        text => text.and_then(|text| text.parse().ok()).map(Some).ok_or(Code::InvalidArgument),
    }
}

impl From<Refused> for Code {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotAllowed => Self::AccessDenied,
            Refused::NoSuchUpload => Self::NoSuchUpload,
            Refused::NoSuchPart => Self::InvalidPart,
            Refused::TooFast | Refused::Failed(Failure::TooSlow) => Self::SlowDown,
            Refused::Cut | Refused::Failed(Failure::Short) => Self::IncompleteBody,
            Refused::Failed(Failure::TooLarge) => Self::EntityTooLarge,
            Refused::Failed(Failure::Malformed) => Self::BadDigest,
            Refused::OverQuota | Refused::Failed(Failure::NoRoom) => Self::InsufficientStorage,
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::*;

    fn listed(number: u16, data: &[u8]) -> ListedPart {
        ListedPart { number, etag: tag_of(&Md5::digest(data).into()) }
    }

    fn kept(number: u16, data: &[u8], length: u64) -> Numbered {
        Numbered { number, length, md5: Md5::digest(data).into(), kept_at: Timestamp::from_millis(0) }
    }

    #[test]
    fn a_list_must_be_of_parts_that_are_there_and_large_enough() {
        let there = [kept(1, b"a", LEAST_PART), kept(3, b"b", LEAST_PART - 1), kept(4, b"c", 1), kept(9, b"", 0)];
        let check = |list: &[ListedPart], expected| assert_eq!(length_of(list, &there), expected, "{list:?}");
        check(&[listed(1, b"a"), listed(3, b"b")], Ok(2 * LEAST_PART - 1));
        check(&[listed(1, b"a")], Ok(LEAST_PART));
        check(&[listed(9, b"")], Ok(0));
        check(&[listed(1, b"a"), listed(3, b"b"), listed(4, b"c")], Err(Code::EntityTooSmall));
        check(&[listed(1, b"a"), listed(2, b"b")], Err(Code::InvalidPart));
        check(&[listed(1, b"other")], Err(Code::InvalidPart));
        check(&[ListedPart { number: 1, etag: "\"no digest\"".to_owned() }], Err(Code::InvalidPart));
    }

    #[test]
    fn the_tag_is_the_one_that_s3_gives() {
        // md5sum of the two parts' digests, as bytes, one behind the other.
        let tag = whole_tag(&[listed(1, b"hello"), listed(2, b"world")]).unwrap();
        let mut bytes = Md5::digest(b"hello").to_vec();
        bytes.extend(Md5::digest(b"world"));
        assert_eq!(tag, format!("\"{}-2\"", hex(&Md5::digest(&bytes))));
    }
}
