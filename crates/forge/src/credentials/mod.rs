//! What we show GitHub to be let in: a GitHub App's installation token, or a token that a person made. Secrets stay in
//! this room and in the one header that needs them.

mod app;
mod error;
mod jwt;
mod token;

use std::collections::BTreeMap;

use hearth_daemon::secrets::Secret;
use reqwest::header::HeaderValue;

use crate::endpoint::{Endpoint, Scope};
use crate::http::{Outside, Surroundings};
use crate::settings::{CredentialFiles, DemandSettings, GithubSettings};
use crate::wire::Installation;

pub use error::CredentialError;
pub(crate) use jwt::expiry;

use app::AppCredentials;
use token::FileToken;

/// What to put into the `Authorization` header, and which generation of it this is.
pub(crate) struct Bearer {
    pub(crate) header: HeaderValue,
    pub(crate) generation: u64,
}

#[derive(Debug)]
pub(crate) enum Credentials {
    App(AppCredentials),
    Token(FileToken),
}

impl Credentials {
    pub(crate) fn open(settings: &GithubSettings, surroundings: &Surroundings) -> Result<Self, CredentialError> {
        match &settings.credentials {
            CredentialFiles::App { client_id, private_key, installation } => {
                let key = private_key.read(surroundings.exposure).map_err(CredentialError::Secret)?;
                let permissions = permissions(settings.endpoint.scope(), &settings.demand);
                AppCredentials::new(client_id, &key, *installation, permissions).map(Self::App)
            }
            CredentialFiles::Token(file) => FileToken::read(file.clone(), surroundings.exposure).map(Self::Token),
        }
    }

    pub(crate) async fn bearer(&self, endpoint: &Endpoint, outside: &Outside) -> Result<Bearer, CredentialError> {
        match self {
            Self::App(app) => app.bearer(endpoint, outside).await,
            Self::Token(token) => token.bearer(),
        }
    }

    /// GitHub refused this generation. Whether there is another one to try.
    pub(crate) async fn refused(&self, generation: u64) -> bool {
        match self {
            Self::App(app) => app.refused(generation).await,
            Self::Token(token) => token.refused(generation),
        }
    }

    /// The installation as GitHub describes it; `None` for a person's token.
    pub(crate) async fn installation(
        &self,
        endpoint: &Endpoint,
        outside: &Outside,
    ) -> Result<Option<Installation>, CredentialError> {
        match self {
            Self::App(app) => app.describe(endpoint, outside).await.map(Some),
            Self::Token(_) => Ok(None),
        }
    }
}

/// The least that an App must be allowed, by GitHub's names.
pub(crate) fn permissions(scope: &Scope, demand: &DemandSettings) -> BTreeMap<&'static str, &'static str> {
    let mut needed = BTreeMap::new();
    match scope {
        Scope::Repository(_) => {
            needed.insert("administration", "write");
        }
        Scope::Organization(_) => {
            needed.insert("organization_self_hosted_runners", "write");
        }
        // GitHub has no name for it: an App's token goes there with all that it may.
        Scope::Enterprise(_) => return needed,
    }
    if matches!(demand, DemandSettings::Polling { .. }) {
        needed.insert("actions", "read");
    }
    needed
}

/// A header that no log shows.
pub(crate) fn header(scheme: &str, secret: &Secret) -> Result<HeaderValue, CredentialError> {
    let text = zeroize::Zeroizing::new(format!("{scheme} {}", secret.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| CredentialError::NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_asked_for() {
        let organization = Scope::Organization("acme".to_owned());
        let pushed = DemandSettings::ScaleSet { name: None };
        let polled = DemandSettings::Polling { repositories: Vec::new(), interval: std::time::Duration::ZERO };
        let check = |scope, demand| permissions(scope, demand).into_iter().collect::<Vec<_>>();
        assert_eq!(check(&organization, &pushed), [("organization_self_hosted_runners", "write")]);
        assert_eq!(check(&organization, &polled), [("actions", "read"), ("organization_self_hosted_runners", "write")]);
        let repository = Scope::Repository(crate::endpoint::RepositoryName::parse("a/b").unwrap());
        assert_eq!(check(&repository, &pushed), [("administration", "write")]);
    }

    #[test]
    fn a_header_with_a_secret_does_not_show_it() {
        let value = header("Bearer", &Secret::new("s3cret".to_owned())).unwrap();
        assert!(value.is_sensitive() && !format!("{value:?}").contains("s3cret"));
        assert!(header("Bearer", &Secret::new("two\nlines".to_owned())).is_err());
    }
}
