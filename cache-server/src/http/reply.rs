//! The body of an answer: nothing, a short text, pieces from memory, an object from disk or from the far node. Its
//! length is always known, so clients can tell a broken-off answer from a whole one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use http_body::{Body, Frame, SizeHint};
use hyper::Response;
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

use crate::counts::Traffic;
use crate::far::FarStream;
use crate::reads::{Broken, Found, FoundBody, ObjectStream};
use crate::upstream::Arriving;

pub(crate) type Reply = Response<ReplyBody>;

pub(crate) struct ReplyBody {
    content: Content,
    /// Counts the bytes that leave; short texts are not counted.
    traffic: Option<Arc<Traffic>>,
}

enum Content {
    Empty,
    Pieces { pieces: vec::IntoIter<Bytes>, left: u64 },
    Object(Box<ObjectStream>),
    Arriving(Arriving),
    Far(Box<FarStream>),
    Stream { stream: BoxStream<'static, Result<Bytes, Broken>>, left: u64 },
}

impl ReplyBody {
    pub(crate) const EMPTY: Self = Self { content: Content::Empty, traffic: None };

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self { content: Content::pieces(vec![text.into()]), traffic: None }
    }

    pub(crate) fn found(found: Found, traffic: Arc<Traffic>) -> Self {
        Self {
            content: match found.body {
                FoundBody::Here(pieces) => Content::pieces(pieces),
                FoundBody::Streaming(stream) => Content::Object(stream),
                FoundBody::Arriving(stream) => Content::Arriving(stream),
            },
            traffic: Some(traffic),
        }
    }

    /// Bytes that are made while they are sent, `length` of them.
    pub(crate) fn stream(
        stream: BoxStream<'static, Result<Bytes, Broken>>,
        length: u64,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self { content: Content::Stream { stream, left: length }, traffic: Some(traffic) }
    }

    pub(crate) fn far(stream: FarStream, traffic: Arc<Traffic>) -> Self {
        Self { content: Content::Far(Box::new(stream)), traffic: Some(traffic) }
    }

    /// Whether no other machine is needed to send it to its end.
    pub(crate) fn is_here(&self) -> bool {
        !matches!(self.content, Content::Far(_))
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("left", &self.content.left()).finish_non_exhaustive()
    }
}

impl Content {
    fn pieces(pieces: Vec<Bytes>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        let pieces = pieces.into_iter();
        Self::Pieces { pieces, left }
    }

    fn left(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Pieces { left, .. } | Self::Stream { left, .. } => *left,
            Self::Object(stream) => stream.left(),
            Self::Arriving(stream) => stream.left(),
            Self::Far(stream) => stream.left(),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let next = match &mut self.content {
            Content::Empty => None,
            Content::Pieces { pieces, left } => {
                let piece = pieces.next();
                *left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
                piece.map(Ok)
            }
            Content::Object(stream) => ready!(stream.poll_next(cx)),
            Content::Arriving(stream) => ready!(stream.poll_next(cx)),
            Content::Far(stream) => ready!(stream.poll_next(cx)),
            Content::Stream { stream, left } => {
                let piece = ready!(stream.poll_next_unpin(cx));
                if let Some(Ok(bytes)) = &piece {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                piece
            }
        };
        if let (Some(Ok(bytes)), Some(traffic)) = (&next, &self.traffic) {
            traffic.sent.add(bytes.len() as u64);
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.content.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.content.left())
    }
}

/// An answer without a body.
pub(crate) fn status(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::EMPTY);
    *reply.status_mut() = status;
    reply
}

/// An object, or a text that stands for one.
pub(crate) fn object(body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    reply
}

/// The head of an object's answer.
pub(crate) fn head(length: u64) -> Reply {
    let mut reply = object(ReplyBody::EMPTY);
    reply.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    reply
}
