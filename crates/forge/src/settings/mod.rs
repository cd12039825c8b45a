//! The sections `[[github]]`: one for each place that this machine serves. `GithubFile` is what stands in the file,
//! `GithubSettings` what was checked; only the latter travels.

use std::path::PathBuf;
use std::time::Duration;

use hearth_daemon::config::TimeSpan;
use hearth_daemon::secrets::SecretFile;
use hearth_model::Millis;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, InvalidEndpoint, RepositoryName, Scope};
use crate::labels::{InvalidLabels, Labels};

/// GitHub's limit on the names of groups and scale sets.
const NAME_LIMIT: usize = 64;
/// Faster polling than this costs an hour's calls with a handful of runs; slower makes people wait.
const POLL_INTERVAL: (Millis, Millis) = (Millis::from_secs(10), Millis::from_secs(60));

/// One `[[github]]`, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GithubFile {
    /// Whom to serve: `https://github.com/ORGANIZATION`, `…/OWNER/REPOSITORY` or `…/enterprises/ENTERPRISE`, on
    /// github.com, a ghe.com tenant or an own server.
    pub url: String,
    /// A GitHub App; the narrower grant. Either this or `token_file`.
    pub app: Option<AppFile>,
    /// A file with a personal access token.
    pub token_file: Option<SecretFile>,
    /// Labels beside those that the machine proves by itself.
    pub labels: Vec<String>,
    /// The runner group, by name. Unset: the default group. Repositories have no groups.
    pub group: Option<String>,
    /// How to learn that a runner is wanted.
    pub demand: DemandKind,
    /// The scale set's name; one for each machine. Unset: the machine's name.
    pub scale_set: Option<String>,
    /// With polling: whose queues to look at. A repository's own URL needs none.
    pub repositories: Vec<String>,
    /// With polling: the time between two looks while jobs wait; longer, up to a minute, while none do.
    pub poll_interval: TimeSpan,
    /// Certificates to trust beside the system's, in PEM form.
    pub ca_file: Option<PathBuf>,
    /// An HTTP proxy, like `http://proxy.example:3128`. The environment's is not used.
    pub proxy: Option<String>,
    /// A file with `NAME:PASSWORD` for the proxy.
    pub proxy_credentials_file: Option<SecretFile>,
    /// Hosts that are spoken to without the proxy.
    pub no_proxy: Vec<String>,
    /// How much of the slots this place gets, compared to others, while all of them want more.
    #[schemars(range(min = 1, max = 1000))]
    pub share: u16,
    /// Places with a higher priority are served first.
    pub priority: i16,
    /// The most slots that this place may have at a time. Unset: all.
    #[schemars(range(min = 1, max = 256))]
    pub max: Option<u16>,
}

/// A GitHub App and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppFile {
    /// The client id (`Iv…`), or the app's number.
    pub client_id: String,
    /// The private key in PEM form.
    pub private_key_file: SecretFile,
    /// Unset: found by the URL.
    #[serde(default)]
    pub installation_id: Option<i64>,
}

/// How to learn that a runner is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DemandKind {
    /// GitHub tells, through the queue of a runner scale set. A public preview; needs an App or a classic token.
    #[default]
    ScaleSet,
    /// We look at the queued jobs of repositories again and again.
    Polling,
}

impl Default for GithubFile {
    fn default() -> Self {
        Self {
            url: String::new(),
            app: None,
            token_file: None,
            labels: Vec::new(),
            group: None,
            demand: DemandKind::default(),
            scale_set: None,
            repositories: Vec::new(),
            poll_interval: TimeSpan(POLL_INTERVAL.0),
            ca_file: None,
            proxy: None,
            proxy_credentials_file: None,
            no_proxy: Vec::new(),
            share: 1,
            priority: 0,
            max: None,
        }
    }
}

/// One place that this machine serves.
#[derive(Debug, Clone)]
pub struct GithubSettings {
    pub endpoint: Endpoint,
    pub credentials: CredentialFiles,
    /// What the operator adds; may be none.
    pub labels: Option<Labels>,
    pub group: Option<String>,
    pub demand: DemandSettings,
    pub network: NetworkSettings,
    pub share: u16,
    pub priority: i16,
    pub max: Option<u16>,
}

#[derive(Debug, Clone)]
pub enum CredentialFiles {
    App { client_id: String, private_key: SecretFile, installation: Option<i64> },
    Token(SecretFile),
}

#[derive(Debug, Clone)]
pub enum DemandSettings {
    ScaleSet { name: Option<String> },
    Polling { repositories: Vec<RepositoryName>, interval: Duration },
}

/// How this machine gets to GitHub.
#[derive(Debug, Clone, Default)]
pub struct NetworkSettings {
    pub ca_file: Option<PathBuf>,
    pub proxy: Option<Url>,
    pub proxy_credentials: Option<SecretFile>,
    pub no_proxy: Vec<String>,
}

/// Why a `[[github]]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    #[error("a [[github]] has no url; it says whom to serve, like https://github.com/ORGANIZATION")]
    NoUrl,
    #[error("github.url cannot be used")]
    Url(#[source] InvalidEndpoint),
    #[error("[[github]] {url}: give either app or token_file, not {found}")]
    Credentials { url: String, found: &'static str },
    #[error("[[github]] {url}: {key} is empty")]
    Empty { url: String, key: &'static str },
    #[error("[[github]] {url}: labels cannot be used")]
    Labels {
        url: String,
        #[source]
        cause: InvalidLabels,
    },
    #[error("[[github]] {url}: {key} `{name}` has more than 64 characters or one that does not print")]
    Name { url: String, key: &'static str, name: String },
    #[error("[[github]] {url}: a repository has no runner groups; serve its organization instead, or leave out group")]
    GroupOfRepository { url: String },
    #[error("[[github]] {url}: {key} is of no use with demand = \"{demand}\"")]
    OtherDemand { url: String, key: &'static str, demand: &'static str },
    #[error("[[github]] {url}: polling needs `repositories`, the list of those whose queues to look at")]
    NoRepositories { url: String },
    #[error("[[github]] {url}: repositories cannot be used")]
    Repository {
        url: String,
        #[source]
        cause: InvalidEndpoint,
    },
    #[error("[[github]] {url}: repository {repository} does not belong to {scope}")]
    Stranger { url: String, repository: RepositoryName, scope: Scope },
    #[error("[[github]] {url}: poll_interval must be between 10s and 60s")]
    PollInterval { url: String },
    #[error(
        "[[github]] {url}: proxy must be like http://proxy.example:3128, without a password; that stands in \
         proxy_credentials_file"
    )]
    Proxy { url: String },
    #[error("[[github]] {url}: {key} must be between 1 and {most}")]
    Range { url: String, key: &'static str, most: u16 },
}

impl GithubFile {
    /// Checks what the types cannot.
    pub fn check(self) -> Result<GithubSettings, InvalidSettings> {
        if self.url.is_empty() {
            return Err(InvalidSettings::NoUrl);
        }
        let endpoint = Endpoint::parse(&self.url).map_err(InvalidSettings::Url)?;
        let url = endpoint.web().to_string();
        for (key, value, most) in [("share", Some(self.share), 1000), ("max", self.max, 256)] {
            if value.is_some_and(|value| !(1..=most).contains(&value)) {
                return Err(InvalidSettings::Range { url, key, most });
            }
        }
        for (key, name) in [("group", &self.group), ("scale_set", &self.scale_set)] {
            check_name(&url, key, name.as_deref())?;
        }
        if self.group.is_some() && matches!(endpoint.scope(), Scope::Repository(_)) {
            return Err(InvalidSettings::GroupOfRepository { url });
        }
        let labels = if self.labels.is_empty() { None } else { Some(Labels::new(&self.labels)) };
        let labels = labels.transpose().map_err(|cause| InvalidSettings::Labels { url: url.clone(), cause })?;
        Ok(GithubSettings {
            credentials: self.credentials(&url)?,
            demand: self.demand(&url, endpoint.scope())?,
            network: self.network(&url)?,
            endpoint,
            labels,
            group: self.group,
            share: self.share,
            priority: self.priority,
            max: self.max,
        })
    }

    fn credentials(&self, url: &str) -> Result<CredentialFiles, InvalidSettings> {
        let wrong = |found| InvalidSettings::Credentials { url: url.to_owned(), found };
        match (&self.app, &self.token_file) {
            (Some(_), Some(_)) => Err(wrong("both")),
            (None, None) => Err(wrong("neither")),
            (None, Some(file)) => Ok(CredentialFiles::Token(file.clone())),
            (Some(app), None) if app.client_id.trim().is_empty() => {
                Err(InvalidSettings::Empty { url: url.to_owned(), key: "app.client_id" })
            }
            (Some(app), None) => Ok(CredentialFiles::App {
                client_id: app.client_id.trim().to_owned(),
                private_key: app.private_key_file.clone(),
                installation: app.installation_id,
            }),
        }
    }

    fn demand(&self, url: &str, scope: &Scope) -> Result<DemandSettings, InvalidSettings> {
        let url = || url.to_owned();
        match self.demand {
            DemandKind::ScaleSet if !self.repositories.is_empty() => {
                Err(InvalidSettings::OtherDemand { url: url(), key: "repositories", demand: "scale-set" })
            }
            DemandKind::ScaleSet => Ok(DemandSettings::ScaleSet { name: self.scale_set.clone() }),
            DemandKind::Polling if self.scale_set.is_some() => {
                Err(InvalidSettings::OtherDemand { url: url(), key: "scale_set", demand: "polling" })
            }
            DemandKind::Polling => {
                let interval = self.poll_interval.0;
                if !(POLL_INTERVAL.0..=POLL_INTERVAL.1).contains(&interval) {
                    return Err(InvalidSettings::PollInterval { url: url() });
                }
                let named = self.repositories.iter().map(|text| RepositoryName::parse(text));
                let named: Vec<RepositoryName> = named
                    .collect::<Result<_, _>>()
                    .map_err(|cause| InvalidSettings::Repository { url: url(), cause })?;
                let repositories = repositories(scope, named, &url)?;
                Ok(DemandSettings::Polling { repositories, interval: interval.to_duration() })
            }
        }
    }

    fn network(&self, url: &str) -> Result<NetworkSettings, InvalidSettings> {
        let wrong = || InvalidSettings::Proxy { url: url.to_owned() };
        let proxy = self.proxy.as_deref().map(Url::parse).transpose().map_err(|_| wrong())?;
        if let Some(proxy) = &proxy {
            let good = matches!(proxy.scheme(), "http" | "https") && proxy.has_host();
            if !good || !proxy.username().is_empty() || proxy.password().is_some() {
                return Err(wrong());
            }
        } else if self.proxy_credentials_file.is_some() {
            return Err(wrong());
        }
        Ok(NetworkSettings {
            ca_file: self.ca_file.clone(),
            proxy,
            proxy_credentials: self.proxy_credentials_file.clone(),
            no_proxy: self.no_proxy.clone(),
        })
    }
}

fn check_name(url: &str, key: &'static str, name: Option<&str>) -> Result<(), InvalidSettings> {
    let Some(name) = name else { return Ok(()) };
    if name.trim().is_empty() {
        return Err(InvalidSettings::Empty { url: url.to_owned(), key });
    }
    if name.chars().count() > NAME_LIMIT || name.contains(char::is_control) {
        return Err(InvalidSettings::Name { url: url.to_owned(), key, name: name.to_owned() });
    }
    Ok(())
}

/// The repositories whose queues to look at.
fn repositories(
    scope: &Scope,
    named: Vec<RepositoryName>,
    url: &dyn Fn() -> String,
) -> Result<Vec<RepositoryName>, InvalidSettings> {
    let ours = |repository: &RepositoryName| match scope {
        Scope::Repository(own) => own == repository,
        Scope::Organization(owner) => owner.eq_ignore_ascii_case(repository.owner()),
        // An enterprise's URL does not tell its organizations; GitHub refuses those that it does not have.
        Scope::Enterprise(_) => true,
    };
    if let Some(stranger) = named.iter().find(|repository| !ours(repository)) {
        return Err(InvalidSettings::Stranger { url: url(), repository: stranger.clone(), scope: scope.clone() });
    }
    match scope {
        Scope::Repository(own) => Ok(vec![own.clone()]),
        _ if named.is_empty() => Err(InvalidSettings::NoRepositories { url: url() }),
        _ => Ok(named),
    }
}

#[cfg(test)]
mod tests;
