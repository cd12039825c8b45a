//! The relay's server: loopback only, one secret, one backend, for as long as its job lasts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::backend::{Backend, Counted};
use super::counts::{RelayCounts, Tally};
use crate::config::Limits;
use crate::counts::Traffic;
use crate::far::ProbeError;
use crate::http::auth::presented;
use crate::http::crowd::Crowd;
use crate::http::reply::Reply;
use crate::http::server::{self, Service};
use crate::http::stop::{StopSender, stop_pair};
use crate::http::webdav::{self, Around};
use crate::keys::{Place, place};
use crate::secret::Secret;

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("cannot listen on the loopback address")]
    Listen(#[source] io::Error),
}

/// A running relay. Dropped, it stops at once; [`Relay::stop`] lets requests finish.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    door: Arc<Door>,
    stop: StopSender,
    serving: JoinSet<()>,
}

#[derive(Debug)]
struct Door {
    backend: Backend,
    secret: Secret,
    limits: Limits,
    crowd: Arc<Crowd>,
    tally: Arc<Tally>,
    traffic: Arc<Traffic>,
}

impl Relay {
    /// Listens on a port of its own. `secret` is the bearer token that the job's sccache daemon must show.
    pub async fn start(backend: Backend, secret: Secret) -> Result<Self, RelayError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(RelayError::Listen)?;
        let addr = listener.local_addr().map_err(RelayError::Listen)?;
        let limits = match &backend {
            Backend::Node { node, .. } => node.limits().clone(),
            Backend::Far(_) => Limits::default(),
        };
        // Whoever calls is this machine.
        let limits = Limits { connections_per_peer: limits.connections, ..limits };
        let (crowd, tally, traffic) = (Arc::default(), Arc::default(), Arc::default());
        let door = Arc::new(Door { backend, secret, limits, crowd, tally, traffic });
        let (stop, stopping) = stop_pair();
        let mut serving = JoinSet::new();
        serving.spawn(server::serve(listener.into(), Arc::clone(&door), stopping));
        Ok(Self { addr, door, stop, serving })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether the side behind the relay can be used. Asked before a job is told to use it.
    pub async fn probe(&self) -> Result<(), ProbeError> {
        self.door.backend.probe().await
    }

    pub fn counts(&self) -> RelayCounts {
        let tally = &self.door.tally;
        let (hits, misses) = (tally.hits.get(), tally.misses.get());
        let (stored, discarded, failed) = (tally.stored.get(), tally.discarded.get(), tally.failed.get());
        RelayCounts {
            requests: tally.requests.get(),
            check_requests: tally.check.get(),
            propfind_requests: tally.propfind.get(),
            mkcol_requests: tally.mkcol.get(),
            other_requests: tally.other.get(),
            gets: hits + misses,
            hits,
            misses,
            puts: stored + discarded + failed,
            stored,
            discarded,
            failed,
            errors: tally.errors.get(),
            timeouts: tally.timeouts.get(),
            spared: tally.spared.get(),
            refused: tally.refused.get() + self.door.crowd.refused.get(),
            bytes_in: self.door.traffic.received.get(),
            bytes_out: self.door.traffic.sent.get(),
        }
    }

    /// Lets requests that are under way finish, and returns the last counts.
    pub async fn stop(mut self) -> RelayCounts {
        self.stop.stop();
        while self.serving.join_next().await.is_some() {}
        self.counts()
    }
}

impl Service for Door {
    type Visitor = ();

    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn answer(&self, (): &(), request: Request<Incoming>) -> Reply {
        self.tally.requests.one();
        if presented(request.headers()).is_some_and(|text| self.secret.is(&text)) {
            self.count(&request);
            let counted = Counted {
                backend: self.backend.clone(),
                tally: Arc::clone(&self.tally),
                traffic: Arc::clone(&self.traffic),
            };
            webdav::answer(request, Some(counted), self.around()).await
        } else {
            self.tally.refused.one();
            webdav::answer(request, None::<Counted>, self.around()).await
        }
    }

    fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }
}

impl Door {
    fn around(&self) -> Around<'_> {
        Around { limits: &self.limits, traffic: &self.traffic }
    }

    /// Counts what is not counted by its result.
    fn count(&self, request: &Request<Incoming>) {
        let place = place(request.uri().path());
        match (request.method(), place) {
            (&Method::GET | &Method::HEAD | &Method::PUT, Ok(Place::Object(_))) => {}
            (&Method::GET | &Method::HEAD | &Method::PUT, Ok(Place::Check)) => self.tally.check.one(),
            (method, _) if method.as_str() == "PROPFIND" => self.tally.propfind.one(),
            (method, _) if method.as_str() == "MKCOL" => self.tally.mkcol.one(),
            _ => self.tally.other.one(),
        }
    }
}
