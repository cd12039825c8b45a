//! Twirp, the frame of both services: one POST for each call, its message as JSON or protobuf, the answer in the same
//! form, and errors always in JSON: GitHub's clients parse the body before they look at the status.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::http::reply::{Reply, ReplyBody};

/// No honest request comes near it: ten keys of 512 characters are the longest.
const MAX_MESSAGE: usize = 64 * 1024;
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/protobuf";

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Protobuf,
}

/// A call that is not carried out, in the words of Twirp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// No such service or method, or a form that it does not speak.
    BadRoute,
    /// The message cannot be read.
    Malformed,
    /// The message says what cannot be.
    InvalidArgument,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    /// What was uploaded and what is said of it differ.
    FailedPrecondition,
    /// No room. No code of Twirp says it with a status that clients do not answer by asking again and again.
    OutOfRange,
    /// The disk did not answer in time; the client may ask again.
    Unavailable,
}

impl Code {
    fn word(self) -> &'static str {
        match self {
            Self::BadRoute => "bad_route",
            Self::Malformed => "malformed",
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::FailedPrecondition => "failed_precondition",
            Self::OutOfRange => "out_of_range",
            Self::Unavailable => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadRoute | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Malformed | Self::InvalidArgument | Self::OutOfRange => StatusCode::BAD_REQUEST,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn reply(&self) -> Reply {
        let text = serde_json::json!({ "code": self.code.word(), "msg": self.message });
        let mut reply = with_type(text.to_string(), JSON);
        *reply.status_mut() = self.code.status();
        reply
    }
}

/// The form of a call, when it is one.
pub(super) fn form(method: &Method, headers: &HeaderMap) -> Result<Form, Refusal> {
    if *method != Method::POST {
        return Err(Refusal::new(Code::BadRoute, format!("unsupported method {method} (only POST is allowed)")));
    }
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(JSON) {
        Ok(Form::Json)
    } else if essence.eq_ignore_ascii_case(PROTOBUF) {
        Ok(Form::Protobuf)
    } else {
        Err(Refusal::new(Code::BadRoute, "unexpected content type: it is application/json or application/protobuf"))
    }
}

/// The message's bytes, when they come whole, in time, and are not too many.
pub(super) async fn message(mut body: Incoming, limits: &Limits) -> Result<Bytes, Refusal> {
    let deadline = Instant::now() + limits.client_stall;
    let mut all = BytesMut::new();
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing to us.
                let Ok(bytes) = frame.into_data() else { continue };
                if all.len() + bytes.len() > MAX_MESSAGE {
                    return Err(Refusal::new(
                        Code::Malformed,
                        format!("the message is longer than {MAX_MESSAGE} bytes"),
                    ));
                }
                all.extend_from_slice(&bytes);
            }
            Ok(None) => return Ok(all.freeze()),
            Ok(Some(Err(_))) | Err(_) => return Err(Refusal::new(Code::Malformed, "the message did not come whole")),
        }
    }
}

/// Reads a message of the cache service.
pub(super) fn read<M: prost::Message + Default + DeserializeOwned>(form: Form, bytes: &[u8]) -> Result<M, Refusal> {
    match form {
        Form::Json => read_json(bytes),
        Form::Protobuf => M::decode(bytes)
            .map_err(|error| Refusal::new(Code::Malformed, format!("the message cannot be read as protobuf: {error}"))),
    }
}

/// Reads a message of the artifact service.
pub(super) fn read_json<M: DeserializeOwned>(bytes: &[u8]) -> Result<M, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::new(Code::Malformed, format!("the message cannot be read as JSON: {error}")))
}

pub(super) fn reply<M: prost::Message + Serialize>(form: Form, message: &M) -> Reply {
    match form {
        Form::Json => reply_json(message),
        Form::Protobuf => with_type(message.encode_to_vec(), PROTOBUF),
    }
}

pub(super) fn reply_json(message: &impl Serialize) -> Reply {
    with_type(serde_json::to_vec(message).expect("messages hold only texts and integers"), JSON)
}

fn with_type(text: impl Into<Bytes>, kind: &'static str) -> Reply {
    let mut reply = Reply::new(ReplyBody::text(text));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

#[cfg(test)]
mod tests {
    use super::super::wire::{
        CreateCacheEntryRequest, FinalizeCacheEntryUploadRequest, FinalizeCacheEntryUploadResponse,
        GetCacheEntryDownloadUrlRequest, ListArtifactsRequest,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn check_form(method: &Method, kind: Option<&str>, expected: Option<Form>) {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        assert_eq!(form(method, &headers).ok(), expected, "{method} {kind:?}");
    }

    #[test]
    fn a_call_is_a_post_of_json_or_protobuf() {
        check_form(&Method::POST, Some("application/json"), Some(Form::Json));
        check_form(&Method::POST, Some("Application/JSON; charset=utf-8"), Some(Form::Json));
        check_form(&Method::POST, Some("application/protobuf"), Some(Form::Protobuf));
        check_form(&Method::POST, Some("text/plain"), None);
        check_form(&Method::POST, None, None);
        check_form(&Method::GET, Some("application/json"), None);
    }

    fn check_finalize(json: &str, expected: Option<i64>) {
        let read: Result<FinalizeCacheEntryUploadRequest, _> = read(Form::Json, json.as_bytes());
        assert_eq!(read.map(|request| request.size_bytes).map_err(|refusal| refusal.code).ok(), expected, "{json}");
    }

    #[test]
    fn integers_are_texts_or_numbers_and_never_anything_else() {
        for json in
            [r#"{"size_bytes":"100448"}"#, r#"{"sizeBytes":"100448"}"#, r#"{"size_bytes":100448,"metadata":{"x":[]}}"#]
        {
            check_finalize(json, Some(100_448));
        }
        check_finalize("{}", Some(0));
        for json in [
            r#"{"size_bytes":"1e3"}"#,
            r#"{"size_bytes":1.5}"#,
            r#"{"size_bytes":9223372036854775808}"#,
            r#"{"size_bytes":" 1"}"#,
            r#"{"size_bytes":[]}"#,
            "",
            "{",
        ] {
            check_finalize(json, None);
        }
    }

    #[test]
    fn both_spellings_and_null_wrappers_are_read() {
        let request: GetCacheEntryDownloadUrlRequest =
            read(Form::Json, br#"{"key":"k","restoreKeys":["a","b"],"version":"v"}"#).unwrap();
        assert_eq!(request.restore_keys, ["a", "b"]);
        for (json, expected) in [
            (r#"{"idFilter":"7"}"#, Some(7)),
            (r#"{"id_filter":7}"#, Some(7)),
            (r#"{"id_filter":null}"#, None),
            ("{}", None),
        ] {
            assert_eq!(read_json::<ListArtifactsRequest>(json.as_bytes()).unwrap().id_filter, expected, "{json}");
        }
    }

    #[test]
    fn protobuf_has_the_field_numbers_of_the_service() {
        // metadata { repository_id: 1 }, key "k", restore key "r", version "v"
        let bytes = b"\x0a\x02\x08\x01\x12\x01k\x1a\x01r\x22\x01v";
        let request: GetCacheEntryDownloadUrlRequest = read(Form::Protobuf, bytes).unwrap();
        let expected =
            GetCacheEntryDownloadUrlRequest { key: "k".into(), restore_keys: vec!["r".into()], version: "v".into() };
        assert_eq!(request, expected);
        let request: FinalizeCacheEntryUploadRequest = read(Form::Protobuf, b"\x12\x01k\x18\x96\x01\x22\x01v").unwrap();
        assert_eq!((request.key.as_str(), request.size_bytes, request.version.as_str()), ("k", 150, "v"));
        let answer = FinalizeCacheEntryUploadResponse { ok: true, entry_id: 5, message: String::new() };
        assert_eq!(answer.encode_to_vec(), b"\x08\x01\x10\x05");
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"ok":true,"entry_id":"5","message":""}"#);
    }

    #[test]
    fn garbage_is_malformed() {
        for bytes in [&b"\xff"[..], b"\x12\xff\xff\xff\xff\x0f", b"\x12\x02\xff\xfe", b"\x10\x01", &[0x0a; 4000]] {
            let refused = read::<CreateCacheEntryRequest>(Form::Protobuf, bytes).unwrap_err();
            assert_eq!(refused.code, Code::Malformed, "{bytes:.10x?}");
        }
        let deep = "[".repeat(MAX_MESSAGE);
        assert_eq!(read_json::<ListArtifactsRequest>(deep.as_bytes()).unwrap_err().code, Code::Malformed);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for form in [Form::Json, Form::Protobuf] {
                let _ = read::<GetCacheEntryDownloadUrlRequest>(form, &bytes);
                let _ = read::<FinalizeCacheEntryUploadRequest>(form, &bytes);
            }
            let _ = read_json::<ListArtifactsRequest>(&bytes);
        }
    }
}
