//! A GitHub App: its key claims who it is, the claim finds its installation and gets a token for it, the token gets us
//! in. One task renews, the others wait for it.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_daemon::secrets::Secret;
use hearth_model::Millis;
use reqwest::{Method, Url};
use tokio::sync::Mutex;
use tracing::warn;

use super::jwt::SigningKey;
use super::{Bearer, CredentialError, header};
use crate::Remedy;
use crate::call::{CallError, chain};
use crate::endpoint::{Endpoint, Scope};
use crate::http::{Answer, Outside, Repeat, Request, Resource, renewal};
use crate::times::instant;
use crate::wire::{AccessToken, AccessTokenRequest, Installation};

/// A token is renewed this long before its end, so that no call meets a dying one.
const EARLY: Duration = Duration::from_mins(5);
/// After a renewal that failed while the old token is still good.
const AGAIN: Duration = Duration::from_secs(30);
/// A clock that is off by less cannot make GitHub refuse our claim.
const TOLERATED_SKEW_MS: u64 = 30_000;

#[derive(Debug)]
pub(crate) struct AppCredentials {
    id: String,
    key: SigningKey,
    permissions: BTreeMap<&'static str, &'static str>,
    configured: Option<i64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    installation: Option<i64>,
    /// GitHub's number of the repository that we serve, once its name has turned out to be an old one.
    renamed: Option<i64>,
    token: Option<Token>,
    generation: u64,
}

/// Times are on the clock that only goes forward.
#[derive(Debug)]
struct Token {
    secret: Secret,
    renew: Duration,
    ends: Duration,
}

impl AppCredentials {
    pub(crate) fn new(
        id: &str,
        pem: &Secret,
        installation: Option<i64>,
        permissions: BTreeMap<&'static str, &'static str>,
    ) -> Result<Self, CredentialError> {
        let key = SigningKey::from_pem(pem)?;
        let state = Mutex::new(State { installation, ..State::default() });
        Ok(Self { id: id.to_owned(), key, permissions, configured: installation, state })
    }

    pub(crate) async fn bearer(&self, endpoint: &Endpoint, outside: &Outside) -> Result<Bearer, CredentialError> {
        let mut state = self.state.lock().await;
        let now = outside.clock().monotonic();
        if state.token.as_ref().is_none_or(|token| token.renew <= now) {
            match self.renew(&mut state, endpoint, outside).await {
                Ok(token) => {
                    state.token = Some(token);
                    state.generation += 1;
                }
                Err(error) => match &mut state.token {
                    Some(token) if token.ends > now && error.remedy() != Remedy::Person => {
                        warn!(error = %chain(&error), "cannot renew the token for {} yet", endpoint.scope());
                        token.renew = now + AGAIN;
                    }
                    _ => return Err(error),
                },
            }
        }
        let token = state.token.as_ref().expect("it was made just now, or is still good");
        Ok(Bearer { header: header("Bearer", &token.secret)?, generation: state.generation })
    }

    /// A token can be revoked before its end. A new one is worth one try.
    pub(crate) async fn refused(&self, generation: u64) -> bool {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.token = None;
        }
        true
    }

    /// The installation, asked for anew.
    pub(crate) async fn describe(
        &self,
        endpoint: &Endpoint,
        outside: &Outside,
    ) -> Result<Installation, CredentialError> {
        let url = match (self.configured, endpoint.scope()) {
            (Some(id), _) => endpoint.api(&["app", "installations", &id.to_string()]),
            (None, _) => endpoint.scoped(&["installation"]),
        };
        let answer = self.find(url, endpoint, outside).await?;
        let installation: Installation = answer.json().map_err(|cause| self.failed(endpoint, cause))?;
        if installation.suspended_at.is_some() {
            return Err(CredentialError::Suspended { app: self.id.clone(), target: endpoint.scope().to_string() });
        }
        Ok(installation)
    }

    async fn renew(&self, state: &mut State, endpoint: &Endpoint, outside: &Outside) -> Result<Token, CredentialError> {
        let installation = match state.installation {
            Some(id) => id,
            None => self.describe(endpoint, outside).await?.id,
        };
        state.installation = Some(installation);
        let mut answer = self.mint(installation, state.renamed, endpoint, outside).await;
        // Names of repositories in a request's body are not redirected.
        if state.renamed.is_none()
            && matches!(answer, Err(CredentialError::PermissionMissing { .. }))
            && let Some(number) = self.renamed(endpoint, outside).await?
        {
            warn!("GitHub has another name for {} now; write it into the configuration", endpoint.scope());
            state.renamed = Some(number);
            answer = self.mint(installation, state.renamed, endpoint, outside).await;
        }
        if matches!(answer, Err(CredentialError::NotInstalled { .. })) {
            // Installed anew, it has another number.
            state.installation = self.configured;
        }
        let answer = answer?;
        let token: AccessToken = answer.json().map_err(|cause| self.failed(endpoint, cause))?;
        // By GitHub's clock on both sides; ours may be minutes off.
        let lifetime = instant(&token.expires_at).map_or(Millis(0), |ends| ends.since(outside.github_time()));
        let now = outside.clock().monotonic();
        Ok(Token {
            secret: Secret::new(token.token),
            renew: now + renewal(lifetime, EARLY),
            ends: now + lifetime.to_duration(),
        })
    }

    /// Asks for a token that is good for our place only. `renamed` is the number of the repository where its name is not
    /// known any more.
    async fn mint(
        &self,
        installation: i64,
        renamed: Option<i64>,
        endpoint: &Endpoint,
        outside: &Outside,
    ) -> Result<Answer, CredentialError> {
        let url = endpoint.api(&["app", "installations", &installation.to_string(), "access_tokens"]);
        let what = format!("get a token of app {} for {}", self.id, endpoint.scope());
        let (repositories, repository_ids) = match (endpoint.scope(), renamed) {
            (Scope::Repository(_), Some(number)) => (Vec::new(), vec![number]),
            (Scope::Repository(repository), None) => (vec![repository.name()], Vec::new()),
            (Scope::Organization(_) | Scope::Enterprise(_), _) => (Vec::new(), Vec::new()),
        };
        let body = AccessTokenRequest { permissions: self.permissions.clone(), repositories, repository_ids };
        // A token more than needed does no harm; it ends by itself.
        let request = Request::new(what, Method::POST, url, Repeat::Harmless).with_body(&body);
        self.claim(request, endpoint, outside).await
    }

    /// The number of our repository, when GitHub redirects from its name.
    async fn renamed(&self, endpoint: &Endpoint, outside: &Outside) -> Result<Option<i64>, CredentialError> {
        let Scope::Repository(_) = endpoint.scope() else { return Ok(None) };
        let answer = self.find(endpoint.scoped(&["installation"]), endpoint, outside).await?;
        Ok(answer.moved_to.as_ref().and_then(repository_number))
    }

    async fn find(&self, url: Url, endpoint: &Endpoint, outside: &Outside) -> Result<Answer, CredentialError> {
        let what = format!("find the installation of app {} at {}", self.id, endpoint.scope());
        self.claim(Request::get(what, url), endpoint, outside).await
    }

    /// Asks as the App itself. A claim that is refused while our clock is off is made once more with GitHub's time.
    async fn claim(&self, request: Request, endpoint: &Endpoint, outside: &Outside) -> Result<Answer, CredentialError> {
        let before = outside.skew_ms().unwrap_or(0);
        let mut answer = self.claim_once(&request, endpoint, outside).await?;
        let moved = outside.skew_ms().unwrap_or(0).abs_diff(before) > TOLERATED_SKEW_MS;
        if answer.status == 401 && moved {
            answer = self.claim_once(&request, endpoint, outside).await?;
        }
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(endpoint, answer.into_error())) }
    }

    async fn claim_once(
        &self,
        request: &Request,
        endpoint: &Endpoint,
        outside: &Outside,
    ) -> Result<Answer, CredentialError> {
        let claim = self.key.claim(&self.id, outside.github_time())?;
        let request = request.clone().with_header("authorization", header("Bearer", &claim)?);
        outside.rest(request, Resource::Core).await.map_err(|cause| self.failed(endpoint, cause))
    }

    fn failed(&self, endpoint: &Endpoint, cause: CallError) -> CredentialError {
        let (app, target) = (self.id.clone(), endpoint.scope().to_string());
        CredentialError::Token { app, target, cause: Box::new(cause) }
    }

    /// What it means that a call of the App itself was refused.
    fn refusal(&self, endpoint: &Endpoint, cause: CallError) -> CredentialError {
        let (app, target) = (self.id.clone(), endpoint.scope().to_string());
        match cause {
            CallError::Unauthorized { .. } => CredentialError::KeyRefused { app, cause: Box::new(cause) },
            CallError::NotFound { .. } => CredentialError::NotInstalled { app, target, cause: Box::new(cause) },
            CallError::Forbidden { ref message, .. } if message.to_lowercase().contains("suspended") => {
                CredentialError::Suspended { app, target }
            }
            CallError::Invalid { .. } => {
                let needed = self.permissions.iter().map(|(name, level)| format!("{name}: {level}"));
                let permissions = needed.collect::<Vec<_>>().join(", ");
                CredentialError::PermissionMissing { app, target, permissions, cause: Box::new(cause) }
            }
            _ => self.failed(endpoint, cause),
        }
    }
}

/// Of `…/repositories/3001/installation`, which is where GitHub redirects to from the old name of a repository.
fn repository_number(url: &Url) -> Option<i64> {
    let mut segments = url.path_segments()?.skip_while(|segment| *segment != "repositories");
    segments.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_the_repository_by_its_number() {
        let number = |url| repository_number(&Url::parse(url).unwrap());
        assert_eq!(number("https://api.github.com/repositories/3001/installation"), Some(3001));
        assert_eq!(number("https://git.acme.example/api/v3/repositories/7/installation"), Some(7));
        assert_eq!(number("https://api.github.com/repos/acme/widgets/installation"), None);
        assert_eq!(number("https://api.github.com/repositories"), None);
    }
}
