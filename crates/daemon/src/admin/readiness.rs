//! Whether the daemon can do its work now: named checks, asked together, each with a reason when it says no.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::stop::Stop;

/// Load balancers give up after a few seconds; a check that takes longer is a check that failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

type Asking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Box<dyn Fn() -> Asking + Send + Sync>;

/// The checks of one daemon.
pub struct Readiness {
    stop: Stop,
    checks: Vec<(&'static str, Check)>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

#[derive(Serialize)]
struct Answer {
    ready: bool,
    checks: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Readiness {
    /// A daemon that was asked to stop is not ready, whatever the checks say.
    pub fn new(stop: Stop) -> Self {
        Self { stop, checks: Vec::new() }
    }

    /// Adds a check; its error is the reason that people read.
    #[must_use]
    pub fn with<F>(mut self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Box::new(move || Box::pin(check()))));
        self
    }

    pub(super) async fn answer(&self) -> Response {
        let mut checks = self.ask().await;
        if self.stop.is_requested() {
            checks.push(Line { name: "running", ready: false, reason: Some("the daemon is stopping".to_owned()) });
        }
        let ready = checks.iter().all(|line| line.ready);
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match serde_json::to_string(&Answer { ready, checks }) {
            Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    async fn ask(&self) -> Vec<Line> {
        let mut asked = JoinSet::new();
        for (index, (_, check)) in self.checks.iter().enumerate() {
            let asking = check();
            asked.spawn(async move { (index, asking.await) });
        }
        let silence = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
        let mut answers: Vec<_> = self.checks.iter().map(|_| Err(silence.clone())).collect();
        let deadline = Instant::now() + ANSWER_WITHIN;
        while let Ok(Some(ended)) = timeout_at(deadline, asked.join_next()).await {
            // A check that panicked gave no answer either; its panic is in the log.
            if let Ok((index, answer)) = ended {
                answers[index] = answer;
            }
        }
        let lines = self.checks.iter().zip(answers);
        lines.map(|((name, _), answer)| Line { name, ready: answer.is_ok(), reason: answer.err() }).collect()
    }
}
