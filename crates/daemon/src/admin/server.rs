//! Accepts connections and serves them within limits. Not `axum::serve`, which waits without limit for the head of a
//! request, so that a handful of silent clients could hold every connection.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::stop::Stop;

/// Enough for a browser, a scraper and a person with curl, each several times.
const CONNECTION_LIMIT: usize = 64;
/// How long a connection may stay silent before and between requests.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// When the system has no descriptor left for a new connection, asking again at once only burns time.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// How long a client may take to fetch its last answer while we stop.
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn serve(listener: TcpListener, router: Router, stop: Stop) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        // Nothing is lost when a branch is dropped: `accept` and `join_next` are cancel safe.
        let accepted = tokio::select! {
            () = stop.requested() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTION_LIMIT => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(cause) => {
                warn!(error = &cause as &dyn std::error::Error, "cannot accept an admin connection");
                // Elapsed is the usual end of this pause; the stop is seen at the top of the loop.
                let _ = tokio::time::timeout(PAUSE_AFTER_REFUSAL, stop.requested()).await;
                continue;
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(cause) = connection.await {
                debug!(error = &cause as &dyn std::error::Error, "an admin connection broke");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(LAST_ANSWER_WITHIN, graceful.shutdown()).await.is_err() {
        debug!("admin clients did not fetch their last answers");
    }
}
