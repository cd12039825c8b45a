//! The WebDAV dialect, as much of it as sccache speaks, and with it the plain HTTP of ccache, Gradle and Bazel. Its collections are virtual: each that is asked for exists, so a
//! store costs two requests and not seven. The check object and collections are answered here from memory, before
//! rights, quota and disk, because any other answer makes sccache refuse to start, which fails the build.

use std::borrow::Cow;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::time::timeout;

use super::inflow::Inflow;
use super::reply::{self, Reply, ReplyBody};
use crate::config::Limits;
use crate::counts::Traffic;
use crate::keys::{Malformed, ObjectKey, Place, place};
use crate::uploads::Taken;

/// What sccache's check object holds.
pub(crate) const CHECK_BODY: &[u8] = b"Hello, World!";
/// Bodies that are read and dropped: the check object, the properties that a PROPFIND asks for.
const SMALL_BODY: u64 = 64 * 1024;
const METHODS: &str = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, MKCOL";

/// Where objects come from and go to: a node with a job's claims, or a far node.
pub(crate) trait Objects: Send + Sync {
    fn get(&self, key: &ObjectKey) -> impl Future<Output = Option<ReplyBody>> + Send;
    fn length(&self, key: &ObjectKey) -> impl Future<Output = Option<u64>> + Send;
    fn put(&self, key: &ObjectKey, body: Inflow) -> impl Future<Output = Taken> + Send;
    fn remove(&self, key: &ObjectKey) -> impl Future<Output = Removal> + Send;
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    Removed,
    /// There was nothing that the caller might remove.
    Absent,
    Refused,
}

impl Removal {
    /// The word for it in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Absent => "absent",
            Self::Refused => "refused",
        }
    }
}

/// What the dialect needs of the server around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) traffic: &'a Arc<Traffic>,
}

/// Answers one request. `objects` is `None` when the caller may not touch any.
pub(crate) async fn answer(request: Request<Incoming>, objects: Option<impl Objects>, around: Around<'_>) -> Reply {
    let (head, body) = request.into_parts();
    let place = match head.uri.query() {
        None => place(head.uri.path()),
        Some(_) => Err(Malformed),
    };
    match head.method {
        Method::GET | Method::HEAD => read(&head.method, place, objects).await,
        Method::PUT => {
            let Some(objects) = objects else {
                return reply::status(StatusCode::FORBIDDEN);
            };
            let Ok(length) = length_of(&head.headers) else {
                return reply::status(StatusCode::LENGTH_REQUIRED);
            };
            let inflow = Inflow::new(body, length, around.limits, Arc::clone(around.traffic));
            // Apart, because it is much bigger than a read, and every connection keeps room for an answer.
            Box::pin(write(place, objects, inflow)).await
        }
        Method::DELETE => {
            skip(body, around.limits).await;
            match (place, objects) {
                (Ok(Place::Object(key)), Some(objects)) => remove(&key, objects).await,
                (_, None) => reply::status(StatusCode::FORBIDDEN),
                (Ok(Place::Check | Place::Collection), _) => reply::status(StatusCode::METHOD_NOT_ALLOWED),
                (Err(Malformed), _) => reply::status(StatusCode::BAD_REQUEST),
            }
        }
        Method::OPTIONS => {
            let mut reply = reply::status(StatusCode::OK);
            reply.headers_mut().insert("dav", HeaderValue::from_static("1"));
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
            reply
        }
        ref method => match method.as_str() {
            "PROPFIND" => {
                skip(body, around.limits).await;
                properties(head.uri.path(), &place)
            }
            "MKCOL" => reply::status(match place {
                Ok(Place::Collection) => StatusCode::CREATED,
                Ok(Place::Check | Place::Object(_)) => StatusCode::METHOD_NOT_ALLOWED,
                Err(Malformed) => StatusCode::BAD_REQUEST,
            }),
            _ => {
                let mut reply = reply::status(StatusCode::METHOD_NOT_ALLOWED);
                reply.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
                reply
            }
        },
    }
}

/// Whatever is wrong with a read, it is a miss: sccache takes any other word at its start for a reason to fail.
async fn read(method: &Method, place: Result<Place, Malformed>, objects: Option<impl Objects>) -> Reply {
    let Some(objects) = objects else {
        return reply::status(StatusCode::NOT_FOUND);
    };
    let found = match (place, method) {
        (Ok(Place::Check), &Method::HEAD) => Some(reply::head(CHECK_BODY.len() as u64)),
        (Ok(Place::Check), _) => Some(reply::object(ReplyBody::text(CHECK_BODY))),
        (Ok(Place::Object(key)), &Method::HEAD) => objects.length(&key).await.map(reply::head),
        (Ok(Place::Object(key)), _) => objects.get(&key).await.map(reply::object),
        (Ok(Place::Collection) | Err(Malformed), _) => None,
    };
    found.unwrap_or_else(|| reply::status(StatusCode::NOT_FOUND))
}

async fn write(place: Result<Place, Malformed>, objects: impl Objects, mut inflow: Inflow) -> Reply {
    reply::status(match place {
        Ok(Place::Check) if inflow.length() > SMALL_BODY => StatusCode::PAYLOAD_TOO_LARGE,
        Ok(Place::Check) => match inflow.drain().await {
            Ok(()) => StatusCode::CREATED,
            Err(_) => StatusCode::BAD_REQUEST,
        },
        Ok(Place::Object(key)) => match put(&key, objects, inflow).await {
            Taken::Stored | Taken::Duplicate | Taken::Divergent | Taken::Discarded | Taken::Malformed => {
                StatusCode::CREATED
            }
            Taken::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Taken::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
            Taken::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
            Taken::Aborted => StatusCode::BAD_REQUEST,
        },
        Ok(Place::Collection) => StatusCode::METHOD_NOT_ALLOWED,
        Err(Malformed) => StatusCode::BAD_REQUEST,
    })
}

async fn put(key: &ObjectKey, objects: impl Objects, mut inflow: Inflow) -> Taken {
    if let Some(digest) = key.content_digest() {
        inflow.must_hash_to(digest);
    }
    objects.put(key, inflow).await
}

async fn remove(key: &ObjectKey, objects: impl Objects) -> Reply {
    reply::status(match objects.remove(key).await {
        Removal::Removed => StatusCode::NO_CONTENT,
        Removal::Absent => StatusCode::NOT_FOUND,
        Removal::Refused => StatusCode::FORBIDDEN,
    })
}

/// A collection exists as soon as somebody asks for it.
fn properties(path: &str, place: &Result<Place, Malformed>) -> Reply {
    match place {
        Ok(Place::Collection) => {}
        Ok(_) => return reply::status(StatusCode::NOT_FOUND),
        Err(Malformed) => return reply::status(StatusCode::BAD_REQUEST),
    }
    let path = escaped(path);
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>{path}</D:href>\
         <D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype>\
         <D:getlastmodified>Thu, 01 Jan 1970 00:00:00 GMT</D:getlastmodified></D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"
    );
    let mut reply = reply::object(ReplyBody::text(text));
    *reply.status_mut() = StatusCode::MULTI_STATUS;
    let xml = HeaderValue::from_static("application/xml; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, xml);
    reply
}

/// A path as text in XML.
fn escaped(path: &str) -> Cow<'_, str> {
    if !path.contains(['&', '<', '>']) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(path.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// The length that the head promises, once and in plain digits. hyper has refused the heads that contradict themselves.
fn length_of(headers: &HeaderMap) -> Result<u64, Malformed> {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .ok_or(Malformed)
}

/// Reads a small body and drops it, so that the connection can go on; a big or a stalled one ends the connection.
async fn skip(mut body: Incoming, limits: &Limits) {
    let mut skipped = 0;
    while skipped < SMALL_BODY {
        match timeout(limits.client_stall, body.frame()).await {
            Ok(Some(Ok(frame))) => skipped += frame.data_ref().map_or(0, |bytes| bytes.len() as u64),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}
