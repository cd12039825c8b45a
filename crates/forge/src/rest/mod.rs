//! GitHub's REST API, as far as runners need it. One handle for one place; its files are the families of calls.

mod actions;
mod groups;
mod labels;
mod runners;
mod versions;

use std::sync::Arc;

use hearth_model::Clock;
use reqwest::header::{AUTHORIZATION, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};

use crate::call::CallError;
use crate::credentials::{CredentialError, Credentials};
use crate::endpoint::Endpoint;
use crate::http::{Answer, Etags, LimitState, NetworkError, Outside, Request, Resource, Surroundings};
use crate::settings::GithubSettings;
use crate::wire::Installation;

pub use groups::RunnerGroup;

/// A listing is read so far and no farther: a thousand entries.
const PAGES: u32 = 10;
const PER_PAGE: usize = 100;
/// The call, once more with new credentials, and once more without what we forgot.
const ROUNDS: u32 = 3;

/// A place at GitHub, with the credentials for it. Clones share connections, tokens and limits.
#[derive(Debug, Clone)]
pub struct Github(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    endpoint: Endpoint,
    outside: Outside,
    credentials: Credentials,
    etags: Etags,
}

/// Why a place at GitHub cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot set up the way to {url}")]
    Network {
        url: String,
        #[source]
        cause: NetworkError,
    },
    #[error("cannot use the credentials for {url}")]
    Credentials {
        url: String,
        #[source]
        cause: CredentialError,
    },
}

impl Github {
    /// Reads secrets and certificates; sends nothing.
    pub fn open(settings: &GithubSettings, surroundings: &Surroundings) -> Result<Self, OpenError> {
        let url = || settings.endpoint.web().to_string();
        let outside =
            Outside::new(&settings.network, surroundings).map_err(|cause| OpenError::Network { url: url(), cause })?;
        let credentials =
            Credentials::open(settings, surroundings).map_err(|cause| OpenError::Credentials { url: url(), cause })?;
        let inner = Inner { endpoint: settings.endpoint.clone(), outside, credentials, etags: Etags::default() };
        Ok(Self(Arc::new(inner)))
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// What GitHub's limits leave us, for the metrics.
    pub fn limits(&self) -> LimitState {
        self.0.outside.limits()
    }

    /// How far GitHub's clock is ahead of ours, in milliseconds, once it has spoken.
    pub fn clock_skew_ms(&self) -> Option<i64> {
        self.0.outside.skew_ms()
    }

    /// A client with the operator's certificates and proxy, for downloads. It follows no redirects and carries no
    /// credentials.
    pub fn downloads_client(&self) -> reqwest::Client {
        self.0.outside.client().clone()
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.0.outside
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.outside.clock()
    }

    pub(crate) async fn installation(&self) -> Result<Option<Installation>, CredentialError> {
        self.0.credentials.installation(&self.0.endpoint, &self.0.outside).await
    }

    /// Reads; unchanged answers come from memory and cost nothing.
    pub(crate) async fn get(&self, request: Request) -> Result<Answer, CallError> {
        self.call(request, Resource::Core).await
    }

    /// One call with our credentials; once more with new ones when GitHub refuses them.
    pub(crate) async fn call(&self, request: Request, resource: Resource) -> Result<Answer, CallError> {
        let inner = &*self.0;
        let reads = request.method == Method::GET;
        let mut rounds = 0;
        loop {
            rounds += 1;
            let bearer = inner
                .credentials
                .bearer(&inner.endpoint, &inner.outside)
                .await
                .map_err(|cause| CallError::Credentials { call: request.call(), cause: Box::new(cause) })?;
            let mut attempt = request.clone().with_header(AUTHORIZATION.as_str(), bearer.header);
            if let Some(tag) = inner.etags.tag(&request.url, bearer.generation).filter(|_| reads) {
                attempt = attempt.with_header(IF_NONE_MATCH.as_str(), tag);
            }
            let mut answer = inner.outside.rest(attempt, resource).await?;
            let status = answer.status;
            if status == StatusCode::NOT_MODIFIED && inner.etags.complete(&request.url, &mut answer) {
                return Ok(answer);
            }
            if status.is_success() {
                if reads {
                    inner.etags.keep(&request.url, bearer.generation, &answer);
                }
                return Ok(answer);
            }
            // What GitHub confirms and we forgot meanwhile is asked for in full.
            let forgotten = status == StatusCode::NOT_MODIFIED;
            let refused = status == StatusCode::UNAUTHORIZED && rounds == 1;
            if !(rounds < ROUNDS && (forgotten || (refused && inner.credentials.refused(bearer.generation).await))) {
                return Err(answer.into_error());
            }
        }
    }

    /// All pages of a listing, up to a thousand entries. `take` takes the entries out of a page.
    pub(crate) async fn pages<T>(
        &self,
        request: Request,
        take: impl Fn(&Answer) -> Result<Vec<T>, CallError>,
    ) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let mut request = request.clone();
            let (page, per_page) = (page.to_string(), PER_PAGE.to_string());
            request.url.query_pairs_mut().append_pair("per_page", &per_page).append_pair("page", &page);
            let answer = self.get(request).await?;
            let entries = take(&answer)?;
            let empty = entries.is_empty();
            all.extend(entries);
            if empty || !answer.has_next() {
                break;
            }
        }
        Ok(all)
    }
}
