//! What S3 calls its refusals, and how it words them: a status and a short XML that every client can read.

use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::xml::{DECLARATION, escaped};
use crate::http::reply::{self, Reply, ReplyBody};

/// A refusal. The names are S3's; its clients decide by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    AccessDenied,
    AuthorizationMalformed,
    AuthorizationQueryParametersError,
    BadDigest,
    EntityTooLarge,
    EntityTooSmall,
    /// A presigned address after its end.
    ExpiredAddress,
    /// A token after its end.
    ExpiredToken,
    IncompleteBody,
    InsufficientStorage,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidBucket,
    InvalidKey,
    InvalidPart,
    InvalidPartOrder,
    InvalidRange,
    MalformedXml,
    MetadataTooLarge,
    MethodNotAllowed,
    MissingContentLength,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    NotImplemented,
    ObjectExists,
    /// One of version 2, which some clients still make for addresses unless they are told otherwise.
    OldSignature,
    PreconditionFailed,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
    SlowDown,
    TooLong,
    UnsignedHeaders,
}

impl Code {
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::AccessDenied => ("AccessDenied", S::FORBIDDEN, "the caller may not do this"),
            Self::AuthorizationMalformed => (
                "AuthorizationHeaderMalformed",
                S::BAD_REQUEST,
                "the Authorization header is not one of AWS4-HMAC-SHA256",
            ),
            Self::AuthorizationQueryParametersError => (
                "AuthorizationQueryParametersError",
                S::BAD_REQUEST,
                "the query does not have each part of a signature once; it is good for 1 second to 7 days",
            ),
            Self::BadDigest => ("BadDigest", S::BAD_REQUEST, "the body does not have the checksum that came with it"),
            Self::EntityTooLarge => ("EntityTooLarge", S::BAD_REQUEST, "the body is larger than this server stores"),
            Self::EntityTooSmall => {
                ("EntityTooSmall", S::BAD_REQUEST, "every part but the last one must have at least 5 MiB")
            }
            Self::ExpiredAddress => ("AccessDenied", S::FORBIDDEN, "Request has expired"),
            Self::ExpiredToken => {
                ("ExpiredToken", S::BAD_REQUEST, "the token behind the access key id has expired, or was revoked")
            }
            Self::IncompleteBody => {
                ("IncompleteBody", S::BAD_REQUEST, "the body did not come as its head had promised")
            }
            Self::InsufficientStorage => {
                ("InsufficientStorage", S::INSUFFICIENT_STORAGE, "there is no room for this object now")
            }
            Self::InvalidAccessKeyId => {
                ("InvalidAccessKeyId", S::FORBIDDEN, "the access key id names no token of ours")
            }
            Self::InvalidArgument => {
                ("InvalidArgument", S::BAD_REQUEST, "a head or a parameter of the request has no sense")
            }
            Self::InvalidBucket => ("InvalidBucketName", S::BAD_REQUEST, "the path's first segment names no bucket"),
            Self::InvalidKey => (
                "InvalidArgument",
                S::BAD_REQUEST,
                "bucket and key together have at most 1024 bytes, no control characters, and no segment that is empty, `.` or `..`",
            ),
            Self::InvalidPart => {
                ("InvalidPart", S::BAD_REQUEST, "a part of the list is not there, or has another ETag")
            }
            Self::InvalidPartOrder => {
                ("InvalidPartOrder", S::BAD_REQUEST, "the numbers of the listed parts must ascend")
            }
            Self::InvalidRange => ("InvalidRange", S::RANGE_NOT_SATISFIABLE, "the object ends before the range begins"),
            Self::MalformedXml => {
                ("MalformedXML", S::BAD_REQUEST, "the body is not the XML that belongs to this request")
            }
            Self::MetadataTooLarge => {
                ("MetadataTooLarge", S::BAD_REQUEST, "what is to be kept beside the object has more than 2 KiB")
            }
            Self::MethodNotAllowed => ("MethodNotAllowed", S::METHOD_NOT_ALLOWED, "nothing here answers this method"),
            Self::MissingContentLength => ("MissingContentLength", S::LENGTH_REQUIRED, "the body's length is not said"),
            Self::NoSuchBucket => ("NoSuchBucket", S::NOT_FOUND, "there is no such bucket"),
            Self::NoSuchKey => ("NoSuchKey", S::NOT_FOUND, "there is no such object"),
            Self::NoSuchUpload => (
                "NoSuchUpload",
                S::NOT_FOUND,
                "this caller has no such upload under way: it is over, or nothing came for too long",
            ),
            Self::NotImplemented => {
                ("NotImplemented", S::NOT_IMPLEMENTED, "this server does not do what the request asks for")
            }
            Self::ObjectExists => (
                "PreconditionFailed",
                S::PRECONDITION_FAILED,
                "an object with other bytes has this key; objects do not change, remove it first",
            ),
            Self::OldSignature => (
                "InvalidRequest",
                S::BAD_REQUEST,
                "signatures of version 2 are not taken here: have the client sign with version 4, AWS4-HMAC-SHA256",
            ),
            Self::PreconditionFailed => {
                ("PreconditionFailed", S::PRECONDITION_FAILED, "a condition of the request does not hold")
            }
            Self::RequestTimeTooSkewed => {
                ("RequestTimeTooSkewed", S::FORBIDDEN, "the client's clock and ours are more than 15 minutes apart")
            }
            Self::SignatureDoesNotMatch => (
                "SignatureDoesNotMatch",
                S::FORBIDDEN,
                "the signature was not made over this request with the key's secret",
            ),
            Self::SlowDown => ("SlowDown", S::SERVICE_UNAVAILABLE, "the disk is too slow at the moment"),
            Self::TooLong => ("KeyTooLongError", S::BAD_REQUEST, "bucket and key together have at most 1024 bytes"),
            Self::UnsignedHeaders => {
                ("AccessDenied", S::FORBIDDEN, "the host and every x-amz- header must be among the signed headers")
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.parts().0
    }

    pub(crate) fn message(self) -> &'static str {
        self.parts().2
    }

    pub(crate) fn status(self) -> StatusCode {
        self.parts().1
    }

    /// The answer; `path` is the one that was asked for.
    pub(crate) fn reply(self, path: &str) -> Reply {
        let mut text = String::from(DECLARATION);
        let (name, status, message) = self.parts();
        write!(
            text,
            "<Error><Code>{name}</Code><Message>{}</Message><Resource>{}</Resource></Error>",
            escaped(message),
            escaped(path)
        )
        .expect("a text takes every text");
        let mut reply = reply::object(ReplyBody::text(text));
        *reply.status_mut() = status;
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        reply
    }

    /// The answer to a HEAD, which has no body.
    pub(crate) fn head(self) -> Reply {
        reply::status(self.status())
    }
}
