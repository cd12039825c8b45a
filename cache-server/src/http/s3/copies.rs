//! Copies: what the caller sees under one key, stored under another, or as a part of an upload.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use super::attributes::Attributes;
use super::conditions::{Creation, Verdict, conditions, creation};
use super::error::Code;
use super::multipart;
use super::objects::{etag, modified_s, stored};
use super::xml::Document;
use crate::http::dates::in_document;
use crate::http::inflow::Inflow;
use crate::http::range::part;
use crate::http::reply::Reply;
use crate::keys::ObjectKey;
use crate::objects::NodeObjects;
use crate::reads::{Found, Part};

/// The conditions that a copy makes of its source, and what they are called where a read makes them.
const CONDITIONS: [(&str, HeaderName); 4] = [
    ("x-amz-copy-source-if-match", IF_MATCH),
    ("x-amz-copy-source-if-none-match", IF_NONE_MATCH),
    ("x-amz-copy-source-if-modified-since", IF_MODIFIED_SINCE),
    ("x-amz-copy-source-if-unmodified-since", IF_UNMODIFIED_SINCE),
];

pub(super) async fn object(
    objects: &NodeObjects,
    key: &ObjectKey,
    source: &ObjectKey,
    headers: &HeaderMap,
) -> Result<Reply, Code> {
    let creation = creation(headers);
    if creation == Creation::Foreign {
        return Err(Code::NotImplemented);
    }
    let found = find(objects, source, headers, Part::Whole).await?;
    let attributes = match headers.get("x-amz-metadata-directive") {
        Some(directive) if directive == "REPLACE" => Attributes::of(headers)?,
        _ => Attributes::from_text(&found.info.attributes).without_tag(),
    };
    let inflow = objects.inflow_of(found);
    stored(objects.store(key, attributes.to_text(), inflow).await, key, creation)?;
    // Who stores nothing is told that all is well, and what he would see is what he has copied.
    let kept = match objects.look(key).await {
        Some(kept) => kept,
        None => objects.look(source).await.ok_or(Code::NoSuchKey)?,
    };
    let mut document = Document::new("CopyObjectResult");
    document.put("LastModified", in_document(kept.stored_at)).put("ETag", etag(&kept));
    Ok(document.reply())
}

pub(super) async fn part_of_upload(
    objects: &NodeObjects,
    place: (&ObjectKey, &str, u16),
    source: &ObjectKey,
    headers: &HeaderMap,
) -> Result<Reply, Code> {
    let range = headers.get("x-amz-copy-source-range").map(|value| value.to_str().unwrap_or_default());
    let wanted = part(range);
    // For a copy, unlike for a read, a range that is none is a mistake.
    if range.is_some() && !matches!(wanted, Part::Between(..)) {
        return Err(Code::InvalidArgument);
    }
    let found = find(objects, source, headers, wanted).await?;
    if let Part::Between(_, last) = wanted
        && last >= found.info.length
    {
        return Err(Code::InvalidRange);
    }
    let inflow: Inflow = objects.inflow_of(found);
    multipart::copy_part(objects, place, inflow).await
}

async fn find(objects: &NodeObjects, source: &ObjectKey, headers: &HeaderMap, part: Part) -> Result<Found, Code> {
    let found = objects.find(source, part).await.ok_or(Code::NoSuchKey)?;
    let info = Arc::clone(&found.info);
    let asked = CONDITIONS.into_iter().filter_map(|(theirs, ours)| Some((ours, headers.get(theirs)?.clone())));
    match conditions(&asked.collect(), &etag(&info), modified_s(&info)) {
        Verdict::Send => Ok(found),
        Verdict::NotModified | Verdict::Failed => Err(Code::PreconditionFailed),
    }
}
