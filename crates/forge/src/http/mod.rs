//! One HTTP exchange at a time, with a deadline, a limit on the answer, and the few repetitions that can do no harm.
//! Knows no operation of GitHub's; never follows a redirect to another host, and never reads the environment.

mod answer;
mod client;
mod etags;
mod limits;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hearth_model::{Bytes, Clock, Millis, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Url};
use tracing::debug;
use zeroize::Zeroizing;

use limits::Limits;

use crate::call::{Call, CallError};
use crate::settings::NetworkSettings;

pub(crate) use answer::Answer;
pub(crate) use client::PeekExposure;
pub use client::{NetworkError, Surroundings};
pub(crate) use etags::Etags;
pub(crate) use limits::Resource;
pub use limits::{Bucket, LimitState};

/// Nothing that we read is near this; a listing page is about a hundred KiB.
const ANSWER_LIMIT: Bytes = Bytes::mib(8);
const DEADLINE: Duration = Duration::from_secs(30);
const API_VERSION: &str = "2022-11-28";
const REDIRECTS: u32 = 3;
/// How often a call that may be repeated is tried in all.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What to say to GitHub.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What this does, for messages: an infinitive.
    pub(crate) what: String,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) repeat: Repeat,
    pub(crate) deadline: Duration,
}

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Harmless,
    /// Only when it certainly was not sent.
    Never,
}

impl Request {
    pub(crate) fn get(what: impl Into<String>, url: Url) -> Self {
        Self::new(what, Method::GET, url, Repeat::Harmless)
    }

    pub(crate) fn new(what: impl Into<String>, method: Method, url: Url, repeat: Repeat) -> Self {
        let (headers, body, deadline) = (HeaderMap::new(), None, DEADLINE);
        Self { what: what.into(), method, url, headers, body, repeat, deadline }
    }

    pub(crate) fn with_body(mut self, body: &impl serde::Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).expect("our own types are plain JSON"));
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    pub(crate) fn call(&self) -> Call {
        Call::new(&self.what)
    }
}

/// The way to GitHub, shared by everything that speaks to one place.
#[derive(Debug)]
pub(crate) struct Outside {
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    /// GitHub's clock minus ours, in milliseconds.
    skew_ms: AtomicI64,
    limits: Limits,
}

/// `skew_ms` before the first answer.
const UNKNOWN: i64 = i64::MIN;

impl Outside {
    pub(crate) fn new(network: &NetworkSettings, surroundings: &Surroundings) -> Result<Self, NetworkError> {
        let client = client::build(network, surroundings)?;
        let (clock, skew_ms) = (Arc::clone(&surroundings.clock), AtomicI64::new(UNKNOWN));
        Ok(Self { client, clock, skew_ms, limits: Limits::default() })
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// How far GitHub's clock is ahead of ours, in milliseconds, once it has spoken.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        let skew = self.skew_ms.load(Ordering::Relaxed);
        (skew != UNKNOWN).then_some(skew)
    }

    /// The time by GitHub's clock, as far as we know it.
    pub(crate) fn github_time(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millis(now.as_millis().saturating_add(self.skew_ms().unwrap_or(0)))
    }

    /// What GitHub's limits leave us.
    pub(crate) fn limits(&self) -> LimitState {
        self.limits.state(self.clock())
    }

    /// A REST call: as [`Outside::send`], and within GitHub's limits.
    pub(crate) async fn rest(&self, request: Request, resource: Resource) -> Result<Answer, CallError> {
        self.limits.check(&request.call(), resource, self.clock())?;
        let request = request
            .with_header("accept", HeaderValue::from_static("application/vnd.github+json"))
            .with_header("x-github-api-version", HeaderValue::from_static(API_VERSION));
        let answer = self.send(&request).await?;
        self.limits.note(&answer, resource, self.clock())?;
        Ok(answer)
    }

    /// Sends the request until it is answered, or may not be repeated, or was tried often enough. Any status that is
    /// not a failure of GitHub's own is an answer.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, CallError> {
        let mut attempt = 1;
        loop {
            let failure = match self.exchange(request).await {
                Ok(answer) if answer.status.is_server_error() => answer.into_error(),
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let never_sent = matches!(failure, CallError::Unreachable { .. });
            let helps = !matches!(failure, CallError::TooLarge { .. } | CallError::Moved { .. });
            if attempt == ATTEMPTS || !helps || !(never_sent || request.repeat == Repeat::Harmless) {
                return Err(failure);
            }
            let pause = backoff(attempt, FIRST_PAUSE, DEADLINE);
            debug!(attempt, "cannot {} yet, trying again in {} ms", request.what, pause.as_millis());
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, CallError> {
        let timeout = || CallError::Timeout { call: request.call(), after: request.deadline };
        tokio::time::timeout(request.deadline, self.follow(request)).await.map_err(|_| timeout())?
    }

    /// Follows redirects on the same host, which is how GitHub answers by the old name of a repository: 301 to a GET, 307
    /// to anything else. Another host would be shown our credentials; a method that changes something is repeated only
    /// where the status says that it stays the same.
    async fn follow(&self, request: &Request) -> Result<Answer, CallError> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.once(request, &url).await?;
            let status = answer.status.as_u16();
            let Some(to) = answer.headers.get(LOCATION).filter(|_| matches!(status, 301 | 302 | 307 | 308)) else {
                let moved_to = (url != request.url).then_some(url);
                return Ok(Answer { moved_to, ..answer });
            };
            let keeps_method = request.method == Method::GET || matches!(status, 307 | 308);
            let next = to.to_str().ok().and_then(|to| url.join(to).ok());
            match next {
                Some(next) if keeps_method && next.origin() == url.origin() => url = next,
                Some(next) => {
                    let to = next.origin().ascii_serialization();
                    return Err(CallError::Moved { call: answer.call, to });
                }
                None => return Err(CallError::Moved { call: answer.call, to: "nowhere".to_owned() }),
            }
        }
        Err(CallError::Moved { call: request.call(), to: "one place after the other".to_owned() })
    }

    async fn once(&self, request: &Request, url: &Url) -> Result<Answer, CallError> {
        let mut builder = self.client.request(request.method.clone(), url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let mut response = builder.send().await.map_err(|cause| lost(request.call(), cause))?;
        let headers = std::mem::take(response.headers_mut());
        let status = response.status();
        self.learn_skew(&headers);
        let call = answer::identified(request.call(), &headers);
        let expected = response.content_length().unwrap_or(0).min(ANSWER_LIMIT.0);
        let mut body = Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or(0)));
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|cause| lost_half_way(call.clone(), cause))? else { break };
            if (body.len() + chunk.len()) as u64 > ANSWER_LIMIT.0 {
                return Err(CallError::TooLarge { call, limit: ANSWER_LIMIT });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body, call, moved_to: None })
    }

    fn learn_skew(&self, headers: &HeaderMap) {
        if let Some(theirs) = answer::date(headers) {
            let skew = theirs.as_millis().saturating_sub(self.clock.now().as_millis());
            // The header counts whole seconds.
            self.skew_ms.store(if skew.abs() < 1_000 { 0 } else { skew }, Ordering::Relaxed);
        }
    }
}

fn lost(call: Call, cause: reqwest::Error) -> CallError {
    // URLs of queues carry what lets one read them.
    let cause = cause.without_url();
    if cause.is_connect() { CallError::Unreachable { call, cause } } else { CallError::Broken { call, cause } }
}

fn lost_half_way(call: Call, cause: reqwest::Error) -> CallError {
    CallError::Broken { call, cause: cause.without_url() }
}

/// The pause after attempt number `attempt`: twice as long each time, half of it by chance, so that many machines do
/// not come back at once.
pub(crate) fn backoff(attempt: u32, first: Duration, most: Duration) -> Duration {
    let full = first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX)).min(most);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// How long before the end of a lifetime something is renewed: `early`, but never more than half of it.
pub(crate) fn renewal(lifetime: Millis, early: Duration) -> Duration {
    let lifetime = lifetime.to_duration();
    lifetime.saturating_sub(early.min(lifetime / 2))
}

#[cfg(test)]
mod tests;
