//! The runner scale set service: a public preview that GitHub documents by its client alone. It has its own host, its own
//! token and its own words; REST only opens its door.
//!
//! ```text
//! registration token ─▶ admin connection ─▶ scale set ─▶ session ─▶ queue: poll, acknowledge, acquire
//!                                              └▶ runners: configuration, look-up, removal
//! ```

mod admin;
mod agents;
mod session;
mod sets;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;
use tokio::sync::Mutex;

use crate::call::CallError;
use crate::endpoint::extended;
use crate::http::{Answer, Repeat, Request};
use crate::labels::Labels;
use crate::rest::Github;

use admin::Admin;

pub(crate) use session::{Polled, Session};

const API_VERSION: &str = "6.0-preview";
const ACCEPT: &str = "application/json; api-version=6.0-preview";

/// One scale set of one place. Clones share.
#[derive(Debug, Clone)]
pub(crate) struct ScaleSetService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    github: Github,
    wanted: WantedSet,
    admin: Mutex<Admin>,
    set: Mutex<Option<i64>>,
    /// The number in `set`, for the `User-Agent`; zero while there is none.
    set_number: AtomicI64,
}

/// The scale set that this machine wants to have.
#[derive(Debug, Clone)]
pub(crate) struct WantedSet {
    pub(crate) name: String,
    pub(crate) group: Option<String>,
    pub(crate) labels: Labels,
    pub(crate) work_folder: String,
}

/// A call to the service.
struct Ask<'a> {
    what: String,
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<Vec<u8>>,
    repeat: Repeat,
}

impl Ask<'_> {
    fn new<'a>(what: String, method: Method, path: &'a [&'a str], repeat: Repeat) -> Ask<'a> {
        Ask { what, method, path, query: &[], body: None, repeat }
    }

    fn with_body(mut self, body: &impl serde::Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).expect("our own types are plain JSON"));
        self
    }
}

impl ScaleSetService {
    pub(crate) fn new(github: Github, wanted: WantedSet) -> Self {
        let (admin, set) = (Mutex::new(Admin::default()), Mutex::new(None));
        Self(Arc::new(Inner { github, wanted, admin, set, set_number: AtomicI64::new(0) }))
    }

    pub(crate) fn github(&self) -> &Github {
        &self.0.github
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.wanted.name
    }

    /// One call as administrator; once more with a new connection when the service refuses the token.
    async fn call(&self, ask: Ask<'_>) -> Result<Answer, CallError> {
        let mut renewed = false;
        loop {
            let connection = self.connection(&ask.what).await?;
            let mut url = extended(&connection.base, ask.path);
            url.query_pairs_mut().extend_pairs(ask.query).append_pair("api-version", API_VERSION);
            let request = Request::new(ask.what.clone(), ask.method.clone(), url, ask.repeat);
            let request = self.dressed(request, connection.header);
            let request = match &ask.body {
                Some(body) => Request { body: Some(body.clone()), ..request }
                    .with_header("content-type", HeaderValue::from_static("application/json")),
                None => request,
            };
            let answer = self.github().outside().send(&request).await?;
            if answer.status == 401 && !renewed {
                renewed = true;
                self.disconnect(connection.generation).await;
                continue;
            }
            return if answer.status.is_success() { Ok(answer) } else { Err(as_meant(answer.into_error())) };
        }
    }

    /// The headers that every request to the service carries.
    fn dressed(&self, request: Request, authorization: HeaderValue) -> Request {
        let version = env!("CARGO_PKG_VERSION");
        let set = self.0.set_number.load(Ordering::Relaxed);
        let agent = json!({
            "system": "hearth", "version": version, "commit_sha": "", "scale_set_id": set, "subsystem": "forge",
            "build_version": version, "build_commit_sha": "", "kind": "scaleset",
        });
        let agent = HeaderValue::from_str(&agent.to_string()).expect("JSON of ASCII has only printable characters");
        request
            .with_header("authorization", authorization)
            .with_header("accept", HeaderValue::from_static(ACCEPT))
            .with_header("user-agent", agent)
    }
}

/// The service's exceptions say more than its statuses.
fn as_meant(error: CallError) -> CallError {
    match error {
        CallError::Invalid { call, exception, message, .. }
            if says(exception.as_deref(), &message, "NotFoundException") =>
        {
            CallError::NotFound { call, message }
        }
        CallError::Conflict { call, exception, message }
            if says(exception.as_deref(), &message, "NotFoundException") =>
        {
            CallError::NotFound { call, message }
        }
        CallError::Invalid { call, exception, message, .. }
            if says(exception.as_deref(), &message, "ExistsException")
                || says(exception.as_deref(), &message, "ConflictException") =>
        {
            CallError::Conflict { call, exception, message }
        }
        other => other,
    }
}

/// Whether the service named an exception that ends so. Some of its answers name it in the message alone, and in others
/// the name of a library follows.
fn says(exception: Option<&str>, message: &str, ending: &str) -> bool {
    let name = exception.and_then(|exception| exception.split(',').next());
    name.is_some_and(|name| name.trim_end().ends_with(ending)) || message.contains(ending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Call;

    fn refused(exception: Option<&str>, message: &str) -> CallError {
        let call = Call::new("try");
        let (exception, message) = (exception.map(str::to_owned), message.to_owned());
        CallError::Invalid { call, exception, message, errors: Vec::new() }
    }

    #[test]
    fn an_exception_says_more_than_the_status() {
        for (exception, message, meant) in [
            (Some("GitHub.AgentExistsException"), "", "conflict"),
            (Some("RunnerScaleSetExistsException"), "", "conflict"),
            (None, "GitHub.RunnerScaleSetSessionConflictException: taken", "conflict"),
            (Some("GitHub.WebApi.AgentNotFoundException, GitHub.WebApi"), "", "not found"),
            (Some("JobStillRunningException"), "", "invalid"),
            (None, "a label is too long", "invalid"),
        ] {
            let found = match as_meant(refused(exception, message)) {
                CallError::Conflict { .. } => "conflict",
                CallError::NotFound { .. } => "not found",
                CallError::Invalid { .. } => "invalid",
                other => unreachable!("{other}"),
            };
            assert_eq!(found, meant, "{exception:?} {message}");
        }
    }
}
