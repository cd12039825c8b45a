//! A session and its queue. A scale set has one session at a time; who holds it hears of the jobs.

use std::time::Duration;

use hearth_daemon::secrets::Secret;
use hearth_model::Millis;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};

use super::{Ask, ScaleSetService};
use crate::call::CallError;
use crate::credentials::{expiry, header};
use crate::endpoint::extended;
use crate::http::{Answer, Repeat, Request, renewal};
use crate::ids::{MessageId, RequestId};
use crate::wire::{self, JobMessage, List, Message, Statistics};

/// The queue's token is renewed this long before its end.
const EARLY: Duration = Duration::from_mins(10);
/// For a token that does not tell its end.
const ASSUMED_LIFETIME: Millis = Millis::from_minutes(30);
/// The service answers a poll after about 50 seconds; more is silence.
const POLL_DEADLINE: Duration = Duration::from_secs(90);

/// A session that is ours.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) set: i64,
    queue: Url,
    token: Secret,
    /// On the clock that only goes forward.
    renew: Duration,
}

/// What a poll gave.
pub(crate) enum Polled {
    Nothing,
    Message(Message),
}

impl ScaleSetService {
    /// Opens a session. Sent once: the answer to a second one would only say that there is one.
    pub(crate) async fn open_session(&self, owner: &str) -> Result<(Session, Option<Statistics>), CallError> {
        let set = self.set_id().await?;
        let id = set.to_string();
        let path = ["_apis", "runtime", "runnerscalesets", &id, "sessions"];
        let what = format!("open a session of scale set {}", self.name());
        let body = wire::SessionRequest { owner_name: owner };
        let answer = self.call(Ask::new(what, Method::POST, &path, Repeat::Never).with_body(&body)).await;
        if matches!(answer, Err(CallError::NotFound { .. })) {
            self.forget_set().await;
        }
        let answer = answer?;
        let session: wire::Session = answer.json()?;
        let statistics = session.statistics;
        Ok((self.session(set, session, &answer)?, statistics))
    }

    /// A new token for the queue.
    pub(crate) async fn refresh_session(&self, session: &mut Session) -> Result<(), CallError> {
        let set = session.set.to_string();
        let path = ["_apis", "runtime", "runnerscalesets", &set, "sessions", &session.id];
        let what = format!("refresh the session of scale set {}", self.name());
        let answer = self.call(Ask::new(what, Method::PATCH, &path, Repeat::Harmless)).await?;
        let refreshed: wire::Session = answer.json()?;
        *session = self.session(session.set, refreshed, &answer)?;
        Ok(())
    }

    /// Ends a session. One that is not there has ended.
    pub(crate) async fn close_session(&self, set: i64, id: &str) -> Result<(), CallError> {
        let set = set.to_string();
        let path = ["_apis", "runtime", "runnerscalesets", &set, "sessions", id];
        let what = format!("close a session of scale set {}", self.name());
        match self.call(Ask::new(what, Method::DELETE, &path, Repeat::Harmless)).await {
            Ok(_) | Err(CallError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the queue's token should be renewed before it is used.
    pub(crate) fn is_due(&self, session: &Session) -> bool {
        session.renew <= self.github().clock().monotonic()
    }

    /// One long poll. `last` is the last message that was acknowledged.
    pub(crate) async fn poll(
        &self,
        session: &Session,
        capacity: u32,
        last: Option<MessageId>,
    ) -> Result<Polled, CallError> {
        let mut url = session.queue.clone();
        if let Some(last) = last.filter(|last| last.0 > 0) {
            url.query_pairs_mut().append_pair("lastMessageId", &last.to_string());
        }
        let what = format!("hear what scale set {} is asked for", self.name());
        // Repeated by the next wait, which looks at the watchdog first.
        let request = Request::new(what, Method::GET, url, Repeat::Never)
            .within(POLL_DEADLINE)
            .with_header("x-scalesetmaxcapacity", HeaderValue::from(capacity));
        let answer = self.at_queue(session, request).await?;
        if answer.status == 202 {
            return Ok(Polled::Nothing);
        }
        answer.json().map(Polled::Message)
    }

    /// Takes a message out of the queue. One that is not there was taken out before.
    pub(crate) async fn acknowledge(&self, session: &Session, message: MessageId) -> Result<(), CallError> {
        let what = format!("acknowledge message {message} of scale set {}", self.name());
        let url = extended(&session.queue, &[&message.to_string()]);
        match self.at_queue(session, Request::new(what, Method::DELETE, url, Repeat::Harmless)).await {
            Ok(_) | Err(CallError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks for jobs; answers with those that are ours. Sent once: jobs of a lost answer come as assigned ones.
    pub(crate) async fn acquire(&self, session: &Session, requests: &[RequestId]) -> Result<Vec<RequestId>, CallError> {
        let what = format!("acquire {} jobs for scale set {}", requests.len(), self.name());
        let base = self.connection(&what).await?.base;
        let set = session.set.to_string();
        let mut url = extended(&base, &["_apis", "runtime", "runnerscalesets", &set, "acquirejobs"]);
        url.query_pairs_mut().append_pair("api-version", super::API_VERSION);
        let request = Request::new(what, Method::POST, url, Repeat::Never).with_body(&requests);
        let list: List<RequestId> = self.at_queue(session, request).await?.json()?;
        Ok(list.value)
    }

    /// The jobs that are offered to this scale set and not acquired.
    pub(crate) async fn acquirable(&self, session: &Session) -> Result<Vec<JobMessage>, CallError> {
        let set = session.set.to_string();
        let path = ["_apis", "runtime", "runnerscalesets", &set, "acquirablejobs"];
        let what = format!("list the jobs that scale set {} may acquire", self.name());
        let answer = self.call(Ask::new(what, Method::GET, &path, Repeat::Harmless)).await?;
        if answer.status == 204 {
            return Ok(Vec::new());
        }
        answer.json().map(|list: List<JobMessage>| list.value)
    }

    /// A call with the queue's own token.
    async fn at_queue(&self, session: &Session, request: Request) -> Result<Answer, CallError> {
        let header = header("Bearer", &session.token)
            .map_err(|cause| CallError::Credentials { call: request.call(), cause: Box::new(cause) })?;
        let answer = self.github().outside().send(&self.dressed(request, header)).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.into_error()) }
    }

    fn session(&self, set: i64, session: wire::Session, answer: &Answer) -> Result<Session, CallError> {
        let queue = Url::parse(&session.message_queue_url).ok();
        let queue = queue.filter(|queue| self.github().endpoint().may_lead_to(queue)).ok_or_else(|| {
            CallError::Moved { call: answer.call.clone(), to: "a queue that is no https:// URL".to_owned() }
        })?;
        let now = self.github().outside().github_time();
        let lifetime = expiry(&session.message_queue_access_token).map_or(ASSUMED_LIFETIME, |ends| ends.since(now));
        let renew = self.github().clock().monotonic() + renewal(lifetime, EARLY);
        let token = Secret::new(session.message_queue_access_token);
        Ok(Session { id: session.session_id, set, queue, token, renew })
    }
}
