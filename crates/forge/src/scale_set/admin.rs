//! The admin connection: where the service of this place is, and the token for it. Renewed before it ends.

use std::time::Duration;

use hearth_daemon::secrets::Secret;
use hearth_model::Millis;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use tracing::debug;

use super::ScaleSetService;
use crate::call::{Call, CallError};
use crate::credentials::{expiry, header};
use crate::http::{Repeat, Request, Resource, backoff, renewal};
use crate::wire::{AdminConnection, AdminRequest};

/// The official client renews this long before the end.
const EARLY: Duration = Duration::from_mins(1);
/// For a token that does not tell its end.
const ASSUMED_LIFETIME: Millis = Millis::from_minutes(10);
/// A registration token is unknown for a moment wherever GitHub's databases lag behind.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Admin {
    connection: Option<Kept>,
    generation: u64,
}

#[derive(Debug)]
struct Kept {
    base: Url,
    token: Secret,
    /// On the clock that only goes forward.
    renew: Duration,
}

pub(super) struct Connection {
    pub(super) base: Url,
    pub(super) header: HeaderValue,
    pub(super) generation: u64,
}

impl ScaleSetService {
    /// The connection, opened or renewed when need be; everybody else waits for it. `what` it is needed for.
    pub(super) async fn connection(&self, what: &str) -> Result<Connection, CallError> {
        let mut admin = self.0.admin.lock().await;
        let now = self.github().clock().monotonic();
        if admin.connection.as_ref().is_none_or(|kept| kept.renew <= now) {
            admin.connection = Some(self.connect().await?);
            admin.generation += 1;
        }
        let kept = admin.connection.as_ref().expect("it was made just now, or is still good");
        let unusable = |cause| CallError::Credentials { call: Call::new(what), cause: Box::new(cause) };
        let header = header("Bearer", &kept.token).map_err(unusable)?;
        Ok(Connection { base: kept.base.clone(), header, generation: admin.generation })
    }

    /// The service refused this connection's token.
    pub(super) async fn disconnect(&self, generation: u64) {
        let mut admin = self.0.admin.lock().await;
        if admin.generation == generation {
            admin.connection = None;
        }
    }

    async fn connect(&self) -> Result<Kept, CallError> {
        let mut attempt = 1;
        loop {
            match self.connect_once().await {
                Err(error @ (CallError::Unauthorized { .. } | CallError::Forbidden { .. })) if attempt < ATTEMPTS => {
                    debug!(attempt, "the scale set service is not open to us yet: {error}");
                    tokio::time::sleep(backoff(attempt, FIRST_PAUSE, FIRST_PAUSE * 8)).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn connect_once(&self) -> Result<Kept, CallError> {
        let github = self.github();
        let endpoint = github.endpoint();
        let token = github.registration_token().await?;
        let what = format!("open the scale set service of {}", endpoint.scope());
        let body = AdminRequest { url: endpoint.web().as_str(), runner_event: "register" };
        let url = endpoint.api(&["actions", "runner-registration"]);
        let request = Request::new(what, Method::POST, url, Repeat::Harmless).with_body(&body);
        let call = request.call();
        let header = header("RemoteAuth", &token)
            .map_err(|cause| CallError::Credentials { call: call.clone(), cause: Box::new(cause) })?;
        let answer = github.outside().rest(request.with_header("authorization", header), Resource::Core).await?;
        if !answer.status.is_success() {
            return Err(answer.into_error());
        }
        let connection: AdminConnection = answer.json()?;
        let base = Url::parse(&connection.url).ok().filter(|base| endpoint.may_lead_to(base));
        let base = base.ok_or_else(|| CallError::Moved { call, to: "a place that is no https:// URL".to_owned() })?;
        let now = github.outside().github_time();
        let lifetime = expiry(&connection.token).map_or(ASSUMED_LIFETIME, |ends| ends.since(now));
        let renew = github.clock().monotonic() + renewal(lifetime, EARLY);
        Ok(Kept { base, token: Secret::new(connection.token), renew })
    }
}
