//! Connections: accepted, bounded in number, given to hyper with tight limits, and let finish when the server stops.
//!
//! hyper by itself and no framework: there is one route, every answer has to come within a deadline, and the limits on
//! heads, connections and stalls are the point; a router would only stand in front of them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::patient::Patient;
use super::reply::Reply;
use super::turn::after_the_others;
use crate::config::Limits;

/// A job token of 8 KiB, a path, and room for what a proxy adds.
const MAX_HEAD: usize = 24 * 1024;
const MAX_HEADERS: usize = 64;
/// Read and write buffer of one connection: big enough for the pieces in which bodies travel.
const BUFFER: usize = 256 * 1024;
/// After a failed accept (no file descriptors left, say): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers requests. One value serves all connections of a listener.
pub(crate) trait Service: Send + Sync + 'static {
    /// What is remembered of whoever is at the other end of a connection, from one of his requests to the next.
    type Visitor: Default + Send + Sync;

    fn limits(&self) -> &Limits;
    fn answer(&self, visitor: &Self::Visitor, request: Request<Incoming>) -> impl Future<Output = Reply> + Send;
    /// A connection was closed at once because there were too many.
    fn crowded_out(&self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
}

/// Tells servers to stop. Dropping it stops them too.
#[derive(Debug)]
pub(crate) struct StopSender(watch::Sender<Phase>);

#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Phase>);

pub(crate) fn stop_pair() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (StopSender(sender), Stop(receiver))
}

impl StopSender {
    pub(crate) fn stop(&self) {
        self.0.send_replace(Phase::Stopping);
    }

    /// Ends when everybody who listens for the stop is gone.
    pub(crate) async fn all_gone(&self) {
        self.0.closed().await;
    }

    pub(crate) fn listen(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

impl Stop {
    pub(crate) async fn stopped(&mut self) {
        // An error says that the sender is gone, which is a stop as well.
        let _ = self.0.wait_for(|phase| *phase == Phase::Stopping).await;
    }
}

/// Serves until `stop`, then waits for the requests that are under way, but not longer than the limit.
pub(crate) async fn serve<S: Service>(listener: TcpListener, service: Arc<S>, mut stop: Stop) {
    let (closing, close) = stop_pair();
    let mut connections = JoinSet::new();
    loop {
        // A dropped accept loses no connection: it stays in the queue of the listener.
        tokio::select! {
            () = stop.stopped() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    while connections.try_join_next().is_some() {}
                    if connections.len() >= service.limits().connections {
                        service.crowded_out();
                        continue;
                    }
                    connections.spawn(converse(stream, peer, Arc::clone(&service), close.clone()));
                }
                Err(error) => {
                    warn!(error = %error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    closing.stop();
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(service.limits().stop, all).await.is_err() {
        debug!("requests were still under way at the end of the stop");
    }
}

async fn converse<S: Service>(stream: TcpStream, peer: SocketAddr, service: Arc<S>, mut close: Stop) {
    let limits = service.limits();
    // Without it, the end of an answer waits for the client's acknowledgement of its beginning.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Patient::new(stream, limits.client_stall));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(BUFFER);
    let visitor = S::Visitor::default();
    let (service, visitor) = (&*service, &visitor);
    let answer = service_fn(|request| async move {
        let reply = service.answer(visitor, request).await;
        // A far answer is handed on while it lasts.
        if reply.body().is_here() {
            after_the_others().await;
        }
        Ok::<_, Infallible>(reply)
    });
    let mut connection = std::pin::pin!(builder.serve_connection(stream, answer));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = close.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(client.address = %peer, error = %error, "a connection broke");
    }
}
