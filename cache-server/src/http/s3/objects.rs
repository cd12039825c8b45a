//! Objects one by one: read, looked at, stored, removed.

use std::ops::Range;
use std::sync::Arc;

use hearth_model::{Timestamp, WriterId};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderValue, LAST_MODIFIED, RANGE};
use hyper::{HeaderMap, StatusCode};

use super::answer::inflow;
use super::attributes::Attributes;
use super::conditions::{Creation, Verdict, conditions, creation};
use super::error::Code;
use super::operation::Bucket;
use super::payload::Payload;
use super::signature::hex;
use super::xml::{Document, Removals, Verbosity, removals};
use crate::http::dates::in_head;
use crate::http::range::part;
use crate::http::reply::{self, Reply, ReplyBody};
use crate::http::webdav::{Around, Objects, Removal};
use crate::keys::{ObjectKey, ObjectName};
use crate::objects::NodeObjects;
use crate::reads::Part;
use crate::store::Info;
use crate::uploads::Taken;

pub(super) async fn get(
    objects: &NodeObjects,
    key: &ObjectKey,
    headers: &HeaderMap,
    around: Around<'_>,
) -> Result<Reply, Code> {
    let part = part(headers.get(RANGE).and_then(|value| value.to_str().ok()));
    let found = objects.find(key, part).await.ok_or(Code::NoSuchKey)?;
    let info = Arc::clone(&found.info);
    if let Some(reply) = unconditional(&info, headers)? {
        return Ok(reply);
    }
    let Range { start, end } = found.range;
    if part == Part::Whole {
        return Ok(described(reply::object(ReplyBody::found(found, Arc::clone(around.traffic))), &info));
    }
    if start == end {
        return Err(Code::InvalidRange);
    }
    let mut reply = described(reply::object(ReplyBody::found(found, Arc::clone(around.traffic))), &info);
    *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
    let range = format!("bytes {start}-{}/{}", end - 1, info.length);
    reply.headers_mut().insert(CONTENT_RANGE, range.parse().expect("digits are a header's value"));
    Ok(reply)
}

pub(super) async fn head(objects: &NodeObjects, key: &ObjectKey, headers: &HeaderMap) -> Result<Reply, Code> {
    let info = objects.describe(key).await.ok_or(Code::NoSuchKey)?;
    if let Some(reply) = unconditional(&info, headers)? {
        return Ok(reply);
    }
    Ok(described(reply::head(info.length), &info))
}

pub(super) async fn put(
    objects: &NodeObjects,
    key: &ObjectKey,
    headers: &HeaderMap,
    payload: Payload,
    body: Incoming,
    around: Around<'_>,
) -> Result<Reply, Code> {
    let creation = creation(headers);
    if creation == Creation::Foreign {
        return Err(Code::NotImplemented);
    }
    let attributes = Attributes::of(headers)?.to_text();
    let verdict = payload.verdict();
    let mut inflow = inflow(payload, body, around);
    if let Some(digest) = key.content_digest() {
        inflow.must_hash_to(digest);
    }
    let taken = objects.store(key, attributes, inflow).await;
    // Why a body was cut, its own checks know better.
    stored(taken, key, creation).map_err(|code| if taken == Taken::Aborted { verdict.code() } else { code })?;
    let mut reply = reply::status(StatusCode::OK);
    // What was discarded has a tag too: some clients take an answer without one for no answer.
    let tag = objects.look(key).await.map_or_else(|| tag(""), |info| etag(&info));
    reply.headers_mut().insert(ETAG, header(&tag));
    Ok(reply)
}

/// What a client hears of a write, however its bytes came.
pub(super) fn stored(taken: Taken, key: &ObjectKey, creation: Creation) -> Result<(), Code> {
    match (taken, creation) {
        (Taken::Duplicate | Taken::Divergent, Creation::New) => Err(Code::PreconditionFailed),
        // A compiler that is not reproducible is none of the build's business.
        (Taken::Divergent, _) if !key.is_compilation() => Err(Code::ObjectExists),
        // A digest that the key promises, on the other hand, is a promise.
        (Taken::Malformed, _) if !key.is_compilation() => Err(Code::BadDigest),
        (Taken::Stored | Taken::Duplicate | Taken::Divergent | Taken::Discarded | Taken::Malformed, _) => Ok(()),
        (Taken::TooLarge, _) => Err(Code::EntityTooLarge),
        (Taken::NoRoom, _) => Err(Code::InsufficientStorage),
        (Taken::TooSlow, _) => Err(Code::SlowDown),
        (Taken::Aborted, _) => Err(Code::IncompleteBody),
    }
}

pub(super) async fn delete(objects: &NodeObjects, key: &ObjectKey) -> Result<Reply, Code> {
    match objects.remove(key).await {
        // To S3, what is not there was removed.
        Removal::Removed | Removal::Absent => Ok(reply::status(StatusCode::NO_CONTENT)),
        Removal::Refused => Err(Code::AccessDenied),
    }
}

/// Removes many at once. Each key is answered for by itself.
pub(super) async fn delete_all(objects: &NodeObjects, bucket: &Bucket, list: &[u8]) -> Result<Reply, Code> {
    let Removals { keys, answer } = removals(list)?;
    let mut document = Document::new("DeleteResult");
    for text in keys {
        let result = match bucket.key(&text) {
            Ok(key) => delete(objects, &key).await,
            Err(code) => Err(code),
        };
        match (result, answer) {
            (Ok(_), Verbosity::All) => {
                document.within("Deleted", |deleted| {
                    deleted.put("Key", &text);
                });
            }
            (Ok(_), Verbosity::Errors) => {}
            (Err(code), _) => {
                document.within("Error", |error| {
                    error.put("Key", &text).put("Code", code.name()).put("Message", code.message());
                });
            }
        }
    }
    Ok(document.reply())
}

/// The answer to a read whose conditions spare it the object.
fn unconditional(info: &Info, headers: &HeaderMap) -> Result<Option<Reply>, Code> {
    match conditions(headers, &etag(info), modified_s(info)) {
        Verdict::Send => Ok(None),
        Verdict::Failed => Err(Code::PreconditionFailed),
        Verdict::NotModified => Ok(Some(described(reply::status(StatusCode::NOT_MODIFIED), info))),
    }
}

fn described(mut reply: Reply, info: &Info) -> Reply {
    let headers = reply.headers_mut();
    Attributes::from_text(&info.attributes).put_into(headers);
    headers.insert(ETAG, header(&etag(info)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(LAST_MODIFIED, header(&in_head(info.stored_at)));
    reply
}

/// When the object was stored, by the second, as HTTP tells times.
pub(super) fn modified_s(info: &Info) -> i64 {
    info.stored_at.as_millis().div_euclid(1000)
}

pub(super) fn etag(info: &Info) -> String {
    if let Some(tag) = Attributes::from_text(&info.attributes).tag() {
        return tag.to_owned();
    }
    identity(info.name, info.writer, info.length, info.stored_at)
}

/// Names this very object: the same name stored anew later has another one.
pub(super) fn identity(name: ObjectName, writer: WriterId, length: u64, stored_at: Timestamp) -> String {
    tag(&format!("{} {writer} {length} {}", name.to_hex(), stored_at.as_millis()))
}

/// It ends like that of an upload in parts, so that no client takes it for an MD5 of the bytes.
fn tag(identity: &str) -> String {
    let digest = blake3::hash(identity.as_bytes());
    format!("\"{}-1\"", hex(&digest.as_bytes()[..16]))
}

pub(super) fn header(text: &str) -> HeaderValue {
    text.parse().expect("tags and times are made of visible characters")
}
