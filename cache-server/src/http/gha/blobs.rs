//! Bytes in and out, in the dialect of Azure's block blobs. The address has said who may do what; nothing here asks for
//! a token. What is uploaded is seen by nobody until the call that finalizes it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    LAST_MODIFIED,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::debug;

use super::Around;
use super::artifacts;
use super::blocks::{self, InvalidPut, MAX_LIST_LENGTH, Put};
use super::entries::{self, on_disk};
use super::grants::{self, BadAddress, Download, Errand, File, Upload};
use crate::disk::Patience;
use crate::http::dates::in_head;
use crate::http::inflow::Inflow;
use crate::http::range::part;
use crate::http::reply::{self, Reply, ReplyBody};
use crate::http::webdav::CHECK_BODY;
use crate::keys::Address;
use crate::parts::{self, Intake, PartId, Summed, UploadId};
use crate::reads::{Part, find_named};
use crate::uploads::{Failure, Taken};

/// Names an answer, in Azure's dialect; some clients insist on it.
const REQUEST_ID: &str = "x-ms-request-id";
const BLOB_TYPE: &str = "x-ms-blob-type";
const BLOCK_BLOB: &str = "BlockBlob";

/// What is wrong with a request, in Azure's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    AuthenticationFailed(BadAddress),
    NotFound,
    AlreadyExists,
    Invalid(InvalidPut),
    UnknownBlock,
    NoLength,
    NoBlockBlob,
    TooLarge,
    NoRoom,
    TooSlow,
    CutOff,
    Range(u64),
    Method,
}

pub(super) async fn answer(head: Parts, body: Incoming, around: Around<'_>) -> Reply {
    let now = around.store.clock.now();
    let query = head.uri.query().unwrap_or_default();
    let id = blake3::hash(format!("{} {} {}", head.method, head.uri, now.as_millis()).as_bytes()).to_hex();
    let answered = match grants::errand(around.gate.signer(), head.uri.path(), query, now) {
        Ok(errand) => carry_out(&head, body, &errand, around).await,
        Err(bad) => Err(Fault::AuthenticationFailed(bad)),
    };
    let mut reply = answered.unwrap_or_else(|fault| {
        debug!(http.fault = ?fault, "refused a request for a blob");
        fault.reply()
    });
    reply.headers_mut().insert(REQUEST_ID, text(&id[..32]));
    reply
}

async fn carry_out(head: &Parts, body: Incoming, errand: &Errand, around: Around<'_>) -> Result<Reply, Fault> {
    match (&head.method, errand) {
        (&Method::PUT, Errand::Upload(upload)) => put(head, body, upload, around).await,
        (&Method::PUT, Errand::Discard) => {
            let mut inflow = inflow(head, body, around)?;
            inflow.drain().await.map_err(|_| Fault::CutOff)?;
            if blocks::put(head.uri.query().unwrap_or_default())? == Put::Whole {
                around.store.counts.discarded.one();
            }
            Ok(created(around))
        }
        (&Method::GET, Errand::Check) => Ok(reply::object(ReplyBody::text(CHECK_BODY))),
        (&Method::HEAD, Errand::Check) => Ok(reply::head(CHECK_BODY.len() as u64)),
        (&Method::GET | &Method::HEAD, Errand::Download(download)) => get(head, download, around).await,
        _ => Err(Fault::Method),
    }
}

async fn put(head: &Parts, body: Incoming, upload: &Upload, around: Around<'_>) -> Result<Reply, Fault> {
    let wanted = blocks::put(head.uri.query().unwrap_or_default())?;
    if wanted == Put::Whole && head.headers.get(BLOB_TYPE).is_none_or(|kind| kind != BLOCK_BLOB) {
        return Err(Fault::NoBlockBlob);
    }
    let mut inflow = inflow(head, body, around)?;
    // Once it is an entry its address is worth nothing: a replay changes nothing and takes no room.
    if entries::look(around.store, &upload.address()).await.map_err(|_| Fault::TooSlow)?.is_some() {
        inflow.drain().await.map_err(|_| Fault::CutOff)?;
        return Err(Fault::AlreadyExists);
    }
    match wanted {
        Put::List => {
            set_order(upload.id(), &mut inflow, around).await?;
        }
        Put::Whole => {
            if take(upload, PartId::whole(), &mut inflow, around).await? == Fate::Kept {
                let id = upload.id();
                let order = on_disk(around.store, move |store| store.parts.set_order(id, &[PartId::whole()]));
                order.await.map_err(|_| Fault::TooSlow)?.map_err(|_| Fault::NoRoom)?;
            }
        }
        Put::Block(id) => {
            let part = PartId::new(id.as_bytes()).ok_or(InvalidPut::BlockId)?;
            take(upload, part, &mut inflow, around).await?;
        }
    }
    Ok(created(around))
}

/// What became of bytes that were uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    /// There is no quota left for them. The client is told that all is well; only finalizing says otherwise.
    Discarded,
}

async fn take(upload: &Upload, part: PartId, inflow: &mut Inflow, around: Around<'_>) -> Result<Fate, Fault> {
    let store = around.store;
    let Address { space, .. } = upload.address();
    if store.take_from_account(Some(&space), upload.writer, upload.quota, inflow.length()).is_err() {
        store.counts.discarded.one();
        inflow.drain().await.map_err(|_| Fault::CutOff)?;
        return Ok(Fate::Discarded);
    }
    let intake = Intake { upload: upload.id(), writer: upload.writer, part, summed: Summed::Not };
    let (count, fault) = match parts::receive(store, intake, inflow).await {
        Ok(Ok(_)) => return Ok(Fate::Kept),
        Ok(Err(failure)) => (Taken::from(failure), failure.into()),
        Err(_) => (Taken::Aborted, Fault::CutOff),
    };
    store.counts.of_write(count).one();
    Err(fault)
}

/// Puts the blocks of a list in order. All of them must be there.
async fn set_order(id: UploadId, inflow: &mut Inflow, around: Around<'_>) -> Result<(), Fault> {
    if inflow.length() > MAX_LIST_LENGTH {
        return Err(Fault::TooLarge);
    }
    let mut xml = BytesMut::new();
    while let Some(bytes) = inflow.next().await.map_err(|_| Fault::CutOff)? {
        xml.extend_from_slice(&bytes);
    }
    let order = blocks::list(&xml)?;
    let order: Option<Vec<PartId>> = order.iter().map(|block| PartId::new(block.as_bytes())).collect();
    let order = order.ok_or(InvalidPut::BlockId)?;
    let setting = on_disk(around.store, move |store| -> std::io::Result<bool> {
        for part in &order {
            if store.parts.length(id, part)?.is_none() {
                return Ok(false);
            }
        }
        store.parts.set_order(id, &order).map(|()| true)
    });
    match setting.await.map_err(|_| Fault::TooSlow)? {
        Ok(true) => Ok(()),
        Ok(false) => Err(Fault::UnknownBlock),
        Err(_) => Err(Fault::NoRoom),
    }
}

async fn get(head: &Parts, download: &Download, around: Around<'_>) -> Result<Reply, Fault> {
    let store = around.store;
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let wanted = part(header("x-ms-range").or_else(|| header("range")));
    let mut patience = Patience::new(store.config.limits.read);
    let found = store
        .counts
        .read(find_named(store, vec![download.name], wanted, &mut patience).await)
        .ok_or(Fault::NotFound)?;
    let (info, range) = (Arc::clone(&found.info), found.range.clone());
    // An address may be good for longer than what it leads to.
    if artifacts::end(&info.attributes).is_some_and(|end| end <= store.clock.now()) {
        return Err(Fault::NotFound);
    }
    if range.is_empty() && wanted != Part::Whole {
        return Err(Fault::Range(info.length));
    }
    let body = if head.method == Method::HEAD {
        ReplyBody::EMPTY
    } else {
        ReplyBody::found(found, Arc::clone(&store.traffic))
    };
    let mut reply = reply::object(body);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert("x-ms-blob-type", HeaderValue::from_static(BLOCK_BLOB));
    headers.insert(ETAG, text(&format!("\"0x{}\"", &info.name.to_hex().to_hex()[..16])));
    headers.insert(LAST_MODIFIED, text(&in_head(info.stored_at)));
    if let Some(file) = &download.file {
        headers.insert(CONTENT_TYPE, text(&file.media_type));
        headers.insert(CONTENT_DISPOSITION, text(&disposition(file)));
    }
    if wanted != Part::Whole {
        headers.insert(CONTENT_RANGE, text(&format!("bytes {}-{}/{}", range.start, range.end - 1, info.length)));
        *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(reply)
}

fn inflow(head: &Parts, body: Incoming, around: Around<'_>) -> Result<Inflow, Fault> {
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse().ok()).ok_or(Fault::NoLength)?;
    let store = around.store;
    Ok(Inflow::new(body, length, &store.config.limits, Arc::clone(&store.traffic)))
}

fn created(around: Around<'_>) -> Reply {
    let mut reply = reply::status(StatusCode::CREATED);
    let now = around.store.clock.now();
    reply.headers_mut().insert(ETAG, text(&format!("\"0x{:X}\"", now.as_millis())));
    reply.headers_mut().insert(LAST_MODIFIED, text(&in_head(now)));
    reply
}

/// Texts of our own are headers; a client's are escaped before.
fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// How a download is to be named, for every client: plainly where the name is plain, and escaped beside it.
fn disposition(file: &File) -> String {
    let plain: String = file.name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect();
    let plain = plain.replace(['"', '\\'], "_");
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(&file.name, NON_ALPHANUMERIC))
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge => Self::TooLarge,
            Failure::NoRoom => Self::NoRoom,
            Failure::TooSlow => Self::TooSlow,
            // Parts are looked at when they are one object.
            Failure::Short | Failure::Malformed => Self::CutOff,
        }
    }
}

impl From<InvalidPut> for Fault {
    fn from(invalid: InvalidPut) -> Self {
        Self::Invalid(invalid)
    }
}

impl Fault {
    fn status(self) -> StatusCode {
        match self {
            Self::AuthenticationFailed(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::Invalid(_) | Self::UnknownBlock | Self::NoBlockBlob | Self::CutOff => StatusCode::BAD_REQUEST,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
            Self::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::AuthenticationFailed(_) => "AuthenticationFailed",
            Self::NotFound => "BlobNotFound",
            Self::AlreadyExists => "BlobAlreadyExists",
            Self::Invalid(InvalidPut::Comp | InvalidPut::BlockId) => "InvalidQueryParameterValue",
            Self::Invalid(InvalidPut::Xml) => "InvalidXmlDocument",
            Self::Invalid(InvalidPut::TooMany | InvalidPut::Twice) | Self::UnknownBlock => "InvalidBlockList",
            Self::NoLength => "MissingContentLengthHeader",
            Self::NoBlockBlob => "InvalidHeaderValue",
            Self::TooLarge => "RequestBodyTooLarge",
            Self::NoRoom => "InsufficientAccountQuota",
            Self::TooSlow => "ServerBusy",
            Self::CutOff => "InvalidInput",
            Self::Range(_) => "InvalidRange",
            Self::Method => "UnsupportedHttpVerb",
        }
    }

    fn message(self) -> String {
        match self {
            Self::AuthenticationFailed(bad) => bad.to_string(),
            Self::NotFound => "there is no such blob".to_owned(),
            Self::AlreadyExists => "the upload is over, and what it made does not change".to_owned(),
            Self::Invalid(invalid) => invalid.to_string(),
            Self::UnknownBlock => "a block of the list has not been uploaded".to_owned(),
            Self::NoLength => "the request must say how long its body is".to_owned(),
            Self::NoBlockBlob => format!("{BLOB_TYPE} must be {BLOCK_BLOB}"),
            Self::TooLarge => "the body is longer than what is taken".to_owned(),
            Self::NoRoom => "there is no room for it".to_owned(),
            Self::TooSlow => "the disk does not answer".to_owned(),
            Self::CutOff => "the body did not come whole".to_owned(),
            Self::Range(length) => format!("the range begins behind the end: there are {length} bytes"),
            Self::Method => "an address for uploads takes PUT, one for downloads GET and HEAD".to_owned(),
        }
    }

    fn reply(self) -> Reply {
        // None of these texts holds a character that XML would take for its own.
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}</Message></Error>",
            self.code(),
            self.message().replace('`', "'")
        );
        let mut reply = Reply::new(ReplyBody::text(Bytes::from(xml)));
        *reply.status_mut() = self.status();
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert("x-ms-error-code", HeaderValue::from_static(self.code()));
        match self {
            Self::Range(length) => drop(headers.insert(CONTENT_RANGE, text(&format!("bytes */{length}")))),
            Self::Method => drop(headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT"))),
            _ => {}
        }
        reply
    }
}
