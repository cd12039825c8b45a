//! A listener's connections: accepted, bounded in number, each served by a task of its own, and let finish when the
//! server stops.
//!
//! hyper by itself and no framework: every answer has to come within a deadline, and the limits on heads, connections
//! and stalls are the point; a router would only stand in front of them.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::connection::converse;
use super::crowd::{Crowd, Room};
use super::reply::Reply;
use super::stop::{Stop, stop_pair};
use crate::config::Limits;
use crate::transport::Listener;

/// After a failed accept (no file descriptors left, say): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers requests. One value serves all connections of a listener.
pub(crate) trait Service: Send + Sync + 'static {
    /// What is remembered of whoever is at the other end of a connection, from one of his requests to the next.
    type Visitor: Default + Send + Sync + 'static;

    fn limits(&self) -> &Limits;
    /// Whom all listeners of this service together have room for.
    fn crowd(&self) -> &Arc<Crowd>;
    fn answer(&self, visitor: &Self::Visitor, request: Request<Incoming>) -> impl Future<Output = Reply> + Send;
}

/// Serves until `stop`, then waits for the requests that are under way, but not longer than the limit.
pub(crate) async fn serve<S: Service>(listener: Listener, service: Arc<S>, mut stop: Stop) {
    let (closing, close) = stop_pair();
    let limits = service.limits();
    let room = Room { in_all: limits.connections, per_peer: limits.connections_per_peer };
    let mut connections = JoinSet::new();
    loop {
        // A dropped accept loses no connection: it stays in the queue of the listener.
        tokio::select! {
            () = stop.stopped() => break,
            accepted = listener.accept() => match accepted {
                Ok(arrival) => {
                    while connections.try_join_next().is_some() {}
                    if let Some(seat) = service.crowd().seat(arrival.peer, room) {
                        connections.spawn(converse(arrival, Arc::clone(&service), close.clone(), seat));
                    }
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
    if timeout(limits.stop, all).await.is_err() {
        debug!("requests were still under way at the end of the stop");
    }
}
