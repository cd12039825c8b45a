//! The requests to a far node: one attempt each, a deadline on every wait, and a breaker that stops asking a node that
//! does not answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::stream::FarStream;
use crate::breaker::{Breaker, Rules, Verdict};
use crate::http::inflow::Inflow;
use crate::keys::ObjectKey;
use crate::secret::Secret;

/// What in a key cannot stand in a path as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
/// Pieces of a body between two connections.
const PIECES_IN_FLIGHT: usize = 8;

/// How a far node is reached and how long it may take.
#[derive(Debug, Clone)]
pub struct FarConfig {
    /// Like `http://cache.example:8900/`. For `https`, the program must be built with one of reqwest's TLS features.
    pub endpoint: String,
    /// The job token.
    pub token: Secret,
    pub connect: Duration,
    /// Until the first bytes of an answer, and between any two pieces of it.
    pub read: Duration,
    /// A node that says nothing for so long is asked for the check object, which it has in memory. One that does not
    /// have even that in the same time hangs, and is waited for no longer: a node that is slow has the time of `read`
    /// and `write`.
    pub awake: Duration,
    /// A whole write.
    pub write: Duration,
    /// A whole read, however steadily it trickles.
    pub whole_read: Duration,
    /// So many failures in a row, and the node is not asked for `breaker_pause`.
    pub breaker_failures: u32,
    pub breaker_pause: Duration,
}

impl FarConfig {
    pub fn new(endpoint: String, token: Secret) -> Self {
        Self {
            endpoint,
            token,
            connect: Duration::from_millis(300),
            read: Duration::from_secs(1),
            awake: Duration::from_millis(250),
            write: Duration::from_secs(2),
            whole_read: Duration::from_secs(30),
            breaker_failures: 3,
            breaker_pause: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FarError {
    #[error("`{endpoint}` is not the address of a cache node")]
    Address { endpoint: String },
    #[error("cannot make a client for {endpoint}")]
    Client {
        endpoint: String,
        #[source]
        cause: reqwest::Error,
    },
}

/// Why the far side should not be used for a job.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the cache node did not answer in time")]
    TooSlow,
    #[error("the cache node does not accept the token")]
    Refused,
    #[error("the cache node answered {status}")]
    Answer { status: u16 },
    #[error("cannot reach the cache node")]
    Unreachable {
        #[source]
        cause: reqwest::Error,
    },
}

/// A client of one far node with one token. Clones share the connections and the breaker.
#[derive(Debug, Clone)]
pub struct FarNode {
    client: reqwest::Client,
    base: Url,
    config: Arc<FarConfig>,
    health: Arc<Health>,
}

/// What is believed of the far node.
#[derive(Debug)]
pub(crate) struct Health {
    born: Instant,
    breaker: Mutex<Breaker>,
}

impl Health {
    fn ask(&self) -> Verdict {
        self.breaker().ask(self.born.elapsed())
    }

    fn succeeded(&self) {
        self.breaker().succeeded(self.born.elapsed());
    }

    pub(crate) fn failed(&self) {
        self.breaker().failed(self.born.elapsed());
    }

    pub(crate) fn silent(&self) {
        self.breaker().silent(self.born.elapsed());
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the far node answered a read.
#[derive(Debug)]
pub(crate) enum FarRead<T> {
    Hit(T),
    Miss,
    Failed,
    TooSlow,
    /// Not asked: the breaker is open.
    Spared,
}

/// How the far node answered a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FarPut {
    Stored,
    /// It has said no: no right, no room, too large.
    Declined,
    Failed,
    TooSlow,
    Spared,
    /// The near client broke off.
    Aborted,
}

/// Nothing came back in time.
#[derive(Debug)]
struct Silent;

pub(crate) type Probe = Result<(), ProbeError>;

impl FarNode {
    pub fn new(config: FarConfig) -> Result<Self, FarError> {
        let endpoint = &config.endpoint;
        let address = || FarError::Address { endpoint: endpoint.clone() };
        let mut base = Url::parse(endpoint).map_err(|_| address())?;
        if !matches!(base.scheme(), "http" | "https") || base.query().is_some() || base.fragment().is_some() {
            return Err(address());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // No proxy: reqwest would send even a loopback address through the one in the environment. No redirects:
        // they would carry the token to a place that nobody configured.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(config.connect)
            .tcp_nodelay(true)
            .build()
            .map_err(|cause| FarError::Client { endpoint: endpoint.clone(), cause })?;
        let rules = Rules { failures: config.breaker_failures, pause: config.breaker_pause };
        let health = Health { born: Instant::now(), breaker: Mutex::new(Breaker::new(rules)) };
        Ok(Self { client, base, config: Arc::new(config), health: Arc::new(health) })
    }

    /// Asks for the check object, whatever the breaker thinks: a node that answers is worth setting up. With patience,
    /// for the answer stands for the whole job.
    pub(crate) async fn probe(&self) -> Probe {
        let answer = timeout(self.config.read, self.check()).await.map_err(|_| ProbeError::TooSlow)?;
        match answer.map_err(|cause| ProbeError::Unreachable { cause })?.status() {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ProbeError::Refused),
            status => Err(ProbeError::Answer { status: status.as_u16() }),
        }
    }

    pub(crate) async fn get(&self, key: &ObjectKey) -> FarRead<FarStream> {
        let exchange = async {
            let answer = self.request(Method::GET, key.as_str()).send().await?;
            let (status, length) = (answer.status(), length_of(&answer));
            let mut body = reqwest::Body::from(answer);
            let mut first = None;
            if status == StatusCode::OK && length.is_some_and(|length| length > 0) {
                // The first bytes too, so that a node which breaks off at once is a miss and no broken answer.
                first = body.frame().await.transpose()?.and_then(|frame| frame.into_data().ok());
            }
            Ok((status, length, first, body))
        };
        let (status, length, first, body) = match self.bounded(exchange).await {
            Ok(answer) => answer,
            Err(failed) => return failed,
        };
        match (status, length) {
            (StatusCode::OK, Some(length)) if length == 0 || first.is_some() => {
                let (stall, whole) = (self.config.read, self.config.whole_read);
                self.health.succeeded();
                FarRead::Hit(FarStream::new(length, first, body, stall, whole, Arc::clone(&self.health)))
            }
            (status, _) => self.no_hit(status),
        }
    }

    pub(crate) async fn length(&self, key: &ObjectKey) -> FarRead<u64> {
        let exchange = async {
            let answer = self.request(Method::HEAD, key.as_str()).send().await?;
            Ok((answer.status(), length_of(&answer)))
        };
        match self.bounded(exchange).await {
            Ok((StatusCode::OK, Some(length))) => {
                self.health.succeeded();
                FarRead::Hit(length)
            }
            Ok((status, _)) => self.no_hit(status),
            Err(failed) => failed,
        }
    }

    /// Passes a body on. Whatever becomes of it over there, the near client's body is read to its end, so that it gets
    /// an answer and keeps its connection.
    pub(crate) async fn put(&self, key: &ObjectKey, mut inflow: Inflow) -> FarPut {
        if self.health.ask() == Verdict::Spare {
            return if inflow.drain().await.is_ok() { FarPut::Spared } else { FarPut::Aborted };
        }
        let (pieces, passing) = mpsc::channel(PIECES_IN_FLIGHT);
        let body = PassedOn { pieces: passing, left: inflow.length() };
        let send = self.request(Method::PUT, key.as_str()).body(reqwest::Body::wrap(body)).send();
        let mut send = std::pin::pin!(self.within(self.config.write, send));
        let pass = async {
            while let Some(bytes) = inflow.next().await? {
                if pieces.send(bytes).await.is_err() {
                    // Nobody listens over there any more.
                    break;
                }
            }
            drop(pieces);
            Ok::<_, crate::http::inflow::Cut>(())
        };
        // An answer before the body's end drops the passing; the piece in its hand was for nobody.
        let answer = {
            let mut pass = std::pin::pin!(pass);
            tokio::select! {
                answer = send.as_mut() => answer,
                passed = pass.as_mut() => match passed {
                    Ok(()) => send.await,
                    Err(_) => return FarPut::Aborted,
                },
            }
        };
        if inflow.drain().await.is_err() {
            return FarPut::Aborted;
        }
        match answer {
            Ok(Ok(answer)) if answer.status().is_success() => {
                self.health.succeeded();
                FarPut::Stored
            }
            Ok(Ok(answer)) if is_considered(answer.status()) => {
                self.health.succeeded();
                FarPut::Declined
            }
            Ok(_) => {
                self.health.failed();
                FarPut::Failed
            }
            Err(Silent) => {
                self.health.silent();
                FarPut::TooSlow
            }
        }
    }

    fn check(&self) -> impl Future<Output = Result<reqwest::Response, reqwest::Error>> {
        self.request(Method::GET, ".sccache_check").send()
    }

    /// The exchange, unless it takes longer than the limit, or the node turns out to hang.
    async fn within<T>(&self, limit: Duration, exchange: impl Future<Output = T>) -> Result<T, Silent> {
        let hangs = async {
            sleep(self.config.awake).await;
            if timeout(self.config.awake, self.check()).await.is_ok() {
                // Whatever it said, it is there, and the exchange has its time.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            done = timeout(limit, exchange) => done.map_err(|_elapsed| Silent),
            () = hangs => Err(Silent),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        let path = utf8_percent_encode(path, ESCAPED);
        url.set_path(&format!("{}{path}", self.base.path()));
        self.client.request(method, url).bearer_auth(self.config.token.expose())
    }

    async fn bounded<T, F>(&self, exchange: impl Future<Output = Result<T, reqwest::Error>>) -> Result<T, FarRead<F>> {
        if self.health.ask() == Verdict::Spare {
            return Err(FarRead::Spared);
        }
        match self.within(self.config.read, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                self.health.failed();
                Err(FarRead::Failed)
            }
            Err(Silent) => {
                self.health.silent();
                Err(FarRead::TooSlow)
            }
        }
    }

    fn no_hit<T>(&self, status: StatusCode) -> FarRead<T> {
        if is_considered(status) {
            self.health.succeeded();
            FarRead::Miss
        } else {
            self.health.failed();
            FarRead::Failed
        }
    }
}

/// Whether a status is a healthy node's considered no.
fn is_considered(status: StatusCode) -> bool {
    status == StatusCode::INSUFFICIENT_STORAGE
        || (status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
            && status != StatusCode::REQUEST_TIMEOUT)
}

fn length_of(answer: &reqwest::Response) -> Option<u64> {
    // Not the body's own opinion: it is zero for the answer to a HEAD.
    answer.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body of a request to the far node, fed by the request of the near client.
struct PassedOn {
    pieces: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Body for PassedOn {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pieces.poll_recv(cx).map(|piece| {
            let piece = piece?;
            self.left = self.left.saturating_sub(piece.len() as u64);
            Some(Ok(Frame::data(piece)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
