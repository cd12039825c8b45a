//! One connection, from its first byte to its last: what it may take, and when it is let go.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, interval, timeout};
use tracing::debug;

use super::crowd::Seat;
use super::patient::{Patience, Patient, Stage};
use super::reply::ReplyBody;
use super::server::Service;
use super::stop::Stop;
use super::turn::after_the_others;
use crate::config::Limits;
use crate::reads::Broken;
use crate::transport::{Arrival, Protocol, Way, open};

/// A job token of 8 KiB, a path, and room for what a proxy adds.
const MAX_HEAD: u16 = 24 * 1024;
const MAX_HEADERS: usize = 64;
/// Read and write buffer of one connection: big enough for the pieces in which bodies travel.
const BUFFER: usize = 256 * 1024;
/// What one stream of HTTP/2 may hold back on either way; a connection has some dozens of them.
const STREAM_BUFFER: u32 = 128 * 1024;
/// What all streams of a connection together may have under way to us.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Serves one connection until it ends, breaks, or is told to close.
pub(super) async fn converse<S: Service>(arrival: Arrival, service: Arc<S>, mut close: Stop, seat: Seat) {
    let peer = arrival.peer;
    let limits = service.limits();
    // Nothing was asked yet, so nothing is lost when the stop comes first.
    let opened = tokio::select! {
        opened = timeout(limits.head, Box::pin(open(arrival))) => opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        () = close.stopped() => return,
    };
    let ended: Ended = match opened {
        Ok((stream, protocol)) => {
            let (stage, way) = (Stage::default(), stream.way());
            let patience = Patience { stall: limits.client_stall, head: limits.head };
            match protocol {
                Protocol::Http1 => {
                    let stream = TokioIo::new(Patient::new(stream, patience, stage.clone()));
                    http1(stream, stage, way, &service, &mut close).await
                }
                Protocol::Http2 => {
                    // Frames of all streams alternate; there is never only a head to wait for.
                    stage.begin();
                    let stream = TokioIo::new(Patient::new(stream, patience, stage));
                    // Apart, because it is much bigger than a connection of HTTP/1, which all of sccache's are.
                    Box::pin(http2(stream, way, &service, &mut close)).await
                }
            }
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = ended {
        debug!(client.address = %peer, error, "a connection broke");
    }
    drop(seat);
}

async fn http1<S: Service, I>(stream: I, stage: Stage, way: Way, service: &Arc<S>, close: &mut Stop) -> Ended
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(service.limits().idle)
        .max_headers(MAX_HEADERS)
        .max_header_size(usize::from(MAX_HEAD))
        .max_buf_size(BUFFER);
    let visitor = S::Visitor::default();
    let (service, visitor, stage) = (&**service, &visitor, &stage);
    let answer = service_fn(|mut request| async move {
        stage.begin();
        request.extensions_mut().insert(way);
        let reply = service.answer(visitor, request).await;
        // A far answer is handed on while it lasts.
        if reply.body().is_here() {
            after_the_others().await;
        }
        stage.end();
        Ok::<_, Infallible>(reply)
    });
    let mut connection = pin!(builder.serve_connection(stream, answer));
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(Into::into),
        () = close.stopped() => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(Into::into)
}

async fn http2<S: Service, I>(stream: I, way: Way, service: &Arc<S>, close: &mut Stop) -> Ended
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let limits = service.limits();
    let activity = Arc::new(Activity::default());
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::from(MAX_HEAD))
        .max_send_buf_size(STREAM_BUFFER as usize)
        .initial_stream_window_size(STREAM_BUFFER)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // A client that is gone without a word, and one that never ends a head, do not answer.
        .keep_alive_interval(limits.client_stall)
        .keep_alive_timeout(limits.client_stall);
    // Each request has a task of its own.
    let visitor = Arc::new(S::Visitor::default());
    let answer = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(way);
        let (service, visitor) = (Arc::clone(service), Arc::clone(&visitor));
        let under_way = UnderWay::begin(&activity);
        async move {
            let reply = service.answer(&visitor, request).await;
            // A far answer is handed on while it lasts.
            if reply.body().is_here() {
                after_the_others().await;
            }
            Ok::<_, Infallible>(reply.map(|body| Watched { body, under_way }))
        }
    });
    let mut connection = pin!(builder.serve_connection(stream, answer));
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(Into::into),
        why = activity.stands_still(limits) => match why {
            Still::Idle => connection.as_mut().graceful_shutdown(),
            Still::Stalled => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        },
        () = close.stopped() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = connection => ended.map_err(Into::into),
        Still::Stalled = activity.stands_still(limits) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        else => Ok(()),
    }
}

/// What happens on a connection of HTTP/2, over all its streams.
#[derive(Debug, Default)]
struct Activity {
    under_way: AtomicU64,
    /// Grows with every request that begins or ends and every piece of a body that leaves.
    steps: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Still {
    /// Nothing is asked.
    Idle,
    /// Something was asked, and its answer is not taken.
    Stalled,
}

impl Activity {
    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Comes back when nothing has moved for as long as the limits allow.
    async fn stands_still(&self, limits: &Limits) -> Still {
        // Answers themselves have deadlines, and uploads a stall of their own: what stands still that long waits for
        // the client to take something.
        let stall = limits.client_stall + limits.read.max(limits.write);
        let mut looks = interval((stall.min(limits.idle) / 4).max(Duration::from_millis(1)));
        let (mut seen, mut since) = (self.steps.load(Ordering::Relaxed), Instant::now());
        loop {
            looks.tick().await;
            let steps = self.steps.load(Ordering::Relaxed);
            if steps != seen {
                (seen, since) = (steps, Instant::now());
            }
            match self.under_way.load(Ordering::Relaxed) {
                0 if since.elapsed() >= limits.idle => return Still::Idle,
                1.. if since.elapsed() >= stall => return Still::Stalled,
                _ => {}
            }
        }
    }
}

/// A request, from its head to the end of its answer.
#[derive(Debug)]
struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.under_way.fetch_add(1, Ordering::Relaxed);
        activity.step();
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.step();
    }
}

/// An answer's body, each piece of which is a step.
struct Watched {
    body: ReplyBody,
    under_way: UnderWay,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.under_way.0.step();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
