//! The service's side of the runner, over HTTP: sessions, the one message, the life of the job. Every call has a deadline
//! and reads an answer of bounded size.

use std::time::Duration;

use fake_github::runner_protocol::{
    CompleteJob, JobMessage, OfSession, OpenSession, Refused, Renewed, Session, VERSION_TOO_OLD,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// A job message holds scripts and an event.
const LARGEST_ANSWER: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct Service {
    /// Ends without a slash.
    base: String,
    http: Client,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("cannot {what}")]
    Send {
        what: &'static str,
        #[source]
        cause: reqwest::Error,
    },
    #[error("the service refused to {what}: {status}")]
    Refused { what: &'static str, status: StatusCode },
    #[error("runner version is deprecated and cannot receive messages: {message}")]
    TooOld { message: String },
    #[error("the answer to {what} is longer than {LARGEST_ANSWER} bytes")]
    TooLong { what: &'static str },
    #[error("cannot understand the answer to {what}")]
    Decode {
        what: &'static str,
        #[source]
        cause: serde_json::Error,
    },
}

impl ServiceError {
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl Service {
    pub(crate) fn new(base: &str) -> Result<Self, reqwest::Error> {
        let http = Client::builder().timeout(ANSWERED_WITHIN).redirect(redirect::Policy::none()).build()?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http })
    }

    pub(crate) async fn open_session(&self, of: &OpenSession) -> Result<Session, ServiceError> {
        let request = self.with_body(Method::POST, "/sessions", of);
        decode("open a session", &ask("open a session", request).await?.1)
    }

    pub(crate) async fn close_session(&self, id: &str) -> Result<(), ServiceError> {
        ask("close the session", self.http.delete(self.url(&format!("/sessions/{id}")))).await.map(drop)
    }

    /// The job, or nothing when there was none in this time.
    pub(crate) async fn message(&self, session: &str, wait: Duration) -> Result<Option<JobMessage>, ServiceError> {
        let path = format!("/sessions/{session}/message?wait_ms={}", wait.as_millis());
        let request = self.http.get(self.url(&path)).timeout(wait + ANSWERED_WITHIN);
        let (status, body) = ask("ask for a job", request).await?;
        if status == StatusCode::ACCEPTED { Ok(None) } else { decode("ask for a job", &body).map(Some) }
    }

    pub(crate) async fn acquire(&self, job: &str, session: &str) -> Result<(), ServiceError> {
        let body = OfSession { session_id: session.to_owned() };
        let request = self.with_body(Method::POST, &format!("/jobs/{job}/acquire"), &body);
        ask("acquire the job", request).await.map(drop)
    }

    pub(crate) async fn renew(&self, job: &str, session: &str) -> Result<Renewed, ServiceError> {
        let body = OfSession { session_id: session.to_owned() };
        let request = self.with_body(Method::POST, &format!("/jobs/{job}/renew"), &body);
        decode("renew the job", &ask("renew the job", request).await?.1)
    }

    pub(crate) async fn complete(&self, job: &str, body: &CompleteJob) -> Result<(), ServiceError> {
        let request = self.with_body(Method::POST, &format!("/jobs/{job}/complete"), body);
        ask("complete the job", request).await.map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn with_body(&self, method: Method, path: &str, body: &impl Serialize) -> RequestBuilder {
        let body = serde_json::to_vec(body).expect("texts and numbers are JSON");
        self.http.request(method, self.url(path)).header("Content-Type", "application/json").body(body)
    }
}

/// Sends, and gives the body of an answer that is no refusal.
async fn ask(what: &'static str, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ServiceError> {
    let failed = |cause| ServiceError::Send { what, cause };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(ServiceError::TooLong { what });
        }
        body.extend_from_slice(&chunk);
    }
    match status {
        status if status.is_success() => Ok((status, body)),
        StatusCode::UPGRADE_REQUIRED => match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) if refused.error_kind == VERSION_TOO_OLD => {
                Err(ServiceError::TooOld { message: refused.message })
            }
            _ => Err(ServiceError::Refused { what, status }),
        },
        _ => Err(ServiceError::Refused { what, status }),
    }
}

fn decode<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, ServiceError> {
    serde_json::from_slice(body).map_err(|cause| ServiceError::Decode { what, cause })
}
