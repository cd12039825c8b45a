//! The admin endpoints of a daemon: `/healthz`, `/readyz`, `/metrics`, and the pages that the binary adds. They have no
//! authentication, so they listen on loopback unless somebody asked for more, answer only to names that are ours
//! (a web page elsewhere can make a browser call loopback under a name of its own), and bound everything a client
//! may use up.

mod protection;
mod readiness;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tracing::error;

pub use readiness::Readiness;

use crate::metrics::{self, Metrics};
use crate::stop::Stop;

/// Why the admin endpoints cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(
        "the admin address {address} can be reached from other machines and needs no password; \
         choose a loopback address like 127.0.0.1, or allow the network explicitly"
    )]
    NotLoopback { address: SocketAddr },
    #[error("cannot listen on {address} for the admin endpoints")]
    Listen {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    ThisMachine,
    Network,
}

/// Where and to whom the endpoints answer.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub reach: Reach,
    /// Names, without port, under which clients may call beside `localhost`, `127.0.0.1` and `[::1]`.
    pub names: Vec<String>,
}

/// The admin endpoints before they listen.
#[derive(Debug)]
pub struct Admin {
    settings: AdminSettings,
    router: Router,
}

/// The admin endpoints with their port.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Admin {
    pub fn new(settings: AdminSettings, metrics: Metrics, readiness: Readiness) -> Self {
        let readiness = Arc::new(readiness);
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(async move || readiness.answer().await))
            .route("/metrics", get(async move || exposition(&metrics)));
        Self { settings, router }
    }

    /// Adds the binary's own pages. They get the same protection.
    #[must_use]
    pub fn with_pages(mut self, pages: Router) -> Self {
        self.router = self.router.merge(pages);
        self
    }

    /// Takes the port.
    pub async fn listen(self) -> Result<Listening, AdminError> {
        let address = self.settings.listen;
        if !address.ip().is_loopback() && self.settings.reach == Reach::ThisMachine {
            return Err(AdminError::NotLoopback { address });
        }
        let failed = |cause| AdminError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = protection::protect(self.router, self.settings.names);
        Ok(Listening { listener, address, router })
    }
}

impl Listening {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the stop is requested, then ends what it has begun.
    pub async fn serve(self, stop: Stop) {
        server::serve(self.listener, self.router, stop).await;
    }
}

fn exposition(metrics: &Metrics) -> Response {
    match metrics.encode() {
        Ok(page) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response(),
        Err(cause) => {
            error!(error = &cause as &dyn std::error::Error, "cannot write out the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
