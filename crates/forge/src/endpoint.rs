//! Where the operator points us: one URL gives the host, its REST base, and what the runners will serve.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// GitHub's own limits on names.
const OWNER_LIMIT: usize = 100;
const REPOSITORY_LIMIT: usize = 100;

/// A place at GitHub that takes runners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    web: Url,
    api: Url,
    host: Host,
    scope: Scope,
}

/// Whose computers GitHub runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// github.com, or a tenant with data residency.
    Hosted,
    /// GitHub Enterprise Server.
    Server,
}

/// Whom the runners serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Repository(RepositoryName),
    Organization(String),
    Enterprise(String),
}

/// `owner/name`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName {
    owner: String,
    name: String,
}

/// Why a URL points to no place that takes runners.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    #[error("`{text}` is no URL; write one like https://github.com/ORGANIZATION")]
    NotAUrl { text: String },
    #[error("{url}: only https:// is spoken to other machines; tokens would travel in the open")]
    Scheme { url: String },
    #[error("the URL for {host} holds a name or password; credentials stand in files of their own")]
    Credentials { host: String },
    #[error("{url}: leave out everything after `?` or `#`")]
    Rest { url: String },
    #[error("{url}: expected /ORGANIZATION, /OWNER/REPOSITORY or /enterprises/ENTERPRISE after the host")]
    Path { url: String },
    #[error("`{name}` does not name {kind} at GitHub")]
    Name { kind: &'static str, name: String },
}

impl Endpoint {
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let mut web = Url::parse(text.trim()).map_err(|_| InvalidEndpoint::NotAUrl { text: text.to_owned() })?;
        let host = web.host_str().ok_or_else(|| InvalidEndpoint::NotAUrl { text: text.to_owned() })?.to_owned();
        if !web.username().is_empty() || web.password().is_some() {
            return Err(InvalidEndpoint::Credentials { host });
        }
        if !is_private_enough(&web) {
            return Err(InvalidEndpoint::Scheme { url: web.into() });
        }
        if web.query().is_some() || web.fragment().is_some() {
            return Err(InvalidEndpoint::Rest { url: web.into() });
        }
        let trimmed = web.path().trim_end_matches('/').to_owned();
        web.set_path(&trimmed);
        let scope = scope(&web)?;
        let kind = if is_hosted(&host) { Host::Hosted } else { Host::Server };
        let api = api(&web, &host, kind).ok_or_else(|| InvalidEndpoint::NotAUrl { text: text.to_owned() })?;
        Ok(Self { web, api, host: kind, scope })
    }

    /// The URL as the operator means it, in its one spelling.
    pub fn web(&self) -> &Url {
        &self.web
    }

    /// The host's name, with the port where it is not the usual one.
    pub fn host_name(&self) -> String {
        let host = self.web.host_str().unwrap_or_default();
        self.web.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    pub fn host(&self) -> Host {
        self.host
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// A REST URL; every segment is escaped.
    pub(crate) fn api(&self, segments: &[&str]) -> Url {
        extended(&self.api, segments)
    }

    /// A REST URL below this scope's own, like `orgs/acme`.
    pub(crate) fn scoped(&self, segments: &[&str]) -> Url {
        let base = match &self.scope {
            Scope::Repository(repository) => self.api(&["repos", &repository.owner, &repository.name]),
            Scope::Organization(name) => self.api(&["orgs", name]),
            Scope::Enterprise(name) => self.api(&["enterprises", name]),
        };
        extended(&base, segments)
    }

    /// Whether a URL that GitHub gave us may be spoken to: not in the open, unless this endpoint is on this machine.
    pub(crate) fn may_lead_to(&self, url: &Url) -> bool {
        url.scheme() == "https" || (self.web.scheme() == "http" && is_private_enough(url))
    }
}

/// A URL with more segments at the end of its path; every segment is escaped.
pub(crate) fn extended(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

fn is_private_enough(url: &Url) -> bool {
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => true,
        ("http", Some(host)) => is_loopback(host),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

fn is_hosted(host: &str) -> bool {
    matches!(host, "github.com" | "www.github.com" | "github.localhost") || host.ends_with(".ghe.com")
}

fn api(web: &Url, host: &str, kind: Host) -> Option<Url> {
    let mut api = web.clone();
    match kind {
        Host::Hosted => {
            let bare = host.strip_prefix("www.").unwrap_or(host);
            api.set_host(Some(&format!("api.{bare}"))).ok()?;
            api.set_path("");
        }
        Host::Server => api.set_path("/api/v3"),
    }
    Some(api)
}

fn scope(web: &Url) -> Result<Scope, InvalidEndpoint> {
    let segments: Vec<&str> = web.path().split('/').skip(1).collect();
    match segments[..] {
        ["enterprises", enterprise] => Ok(Scope::Enterprise(owner("an enterprise", enterprise)?)),
        ["orgs", organization] | [organization] if !organization.is_empty() => {
            Ok(Scope::Organization(owner("an organization", organization)?))
        }
        [owner, name] => RepositoryName::parse(&format!("{owner}/{name}")).map(Scope::Repository),
        _ => Err(InvalidEndpoint::Path { url: web.to_string() }),
    }
}

fn owner(kind: &'static str, name: &str) -> Result<String, InvalidEndpoint> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=OWNER_LIMIT).contains(&name.len()) && name.chars().all(good) {
        return Ok(name.to_owned());
    }
    Err(InvalidEndpoint::Name { kind, name: name.to_owned() })
}

impl RepositoryName {
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = || InvalidEndpoint::Name { kind: "a repository", name: text.to_owned() };
        let (by, name) = text.split_once('/').ok_or_else(invalid)?;
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let named = (1..=REPOSITORY_LIMIT).contains(&name.len()) && name.chars().all(good);
        if !named || matches!(name, "." | "..") || name.to_ascii_lowercase().ends_with(".git") {
            return Err(invalid());
        }
        Ok(Self { owner: owner("a repository", by).map_err(|_| invalid())?, name: name.to_owned() })
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl fmt::Display for Scope {
    /// As messages name it: `organization acme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(repository) => write!(f, "repository {repository}"),
            Self::Organization(name) => write!(f, "organization {name}"),
            Self::Enterprise(name) => write!(f, "enterprise {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scope and the URL of its runners.
    fn check(text: &str) -> Result<(String, String), InvalidEndpoint> {
        let endpoint = Endpoint::parse(text)?;
        Ok((endpoint.scope().to_string(), endpoint.scoped(&["actions", "runners"]).to_string()))
    }

    #[test]
    fn the_url_tells_host_and_scope() {
        for (text, scope, runners) in [
            ("https://github.com/acme", "organization acme", "https://api.github.com/orgs/acme/actions/runners"),
            ("https://github.com/acme/", "organization acme", "https://api.github.com/orgs/acme/actions/runners"),
            ("https://github.com/orgs/acme", "organization acme", "https://api.github.com/orgs/acme/actions/runners"),
            (
                "https://www.github.com/acme/w.x",
                "repository acme/w.x",
                "https://api.github.com/repos/acme/w.x/actions/runners",
            ),
            (
                "https://github.com/enterprises/big",
                "enterprise big",
                "https://api.github.com/enterprises/big/actions/runners",
            ),
            ("https://acme.ghe.com/team", "organization team", "https://api.acme.ghe.com/orgs/team/actions/runners"),
            (
                "https://git.acme.example:8443/team/app",
                "repository team/app",
                "https://git.acme.example:8443/api/v3/repos/team/app/actions/runners",
            ),
            ("http://127.0.0.1:4711/o", "organization o", "http://127.0.0.1:4711/api/v3/orgs/o/actions/runners"),
            ("http://[::1]:4711/o", "organization o", "http://[::1]:4711/api/v3/orgs/o/actions/runners"),
            ("http://github.localhost/o", "organization o", "http://api.github.localhost/orgs/o/actions/runners"),
        ] {
            assert_eq!(check(text), Ok((scope.to_owned(), runners.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_url_that_points_nowhere_is_refused_with_the_reason() {
        for (text, message) in [
            ("github.com/acme", "`github.com/acme` is no URL; write one like https://github.com/ORGANIZATION"),
            (
                "http://github.com/acme",
                "http://github.com/acme: only https:// is spoken to other machines; tokens would travel in the open",
            ),
            (
                "https://me:secret@github.com/acme",
                "the URL for github.com holds a name or password; credentials stand in files of their own",
            ),
            ("https://github.com/acme?tab=x", "https://github.com/acme?tab=x: leave out everything after `?` or `#`"),
            (
                "https://github.com/",
                "https://github.com/: expected /ORGANIZATION, /OWNER/REPOSITORY or /enterprises/ENTERPRISE after the host",
            ),
            (
                "https://github.com/a/b/settings",
                "https://github.com/a/b/settings: expected /ORGANIZATION, /OWNER/REPOSITORY or /enterprises/ENTERPRISE \
                 after the host",
            ),
            ("https://github.com/a/b.git", "`a/b.git` does not name a repository at GitHub"),
            ("https://github.com/a%20b", "`a%20b` does not name an organization at GitHub"),
        ] {
            assert_eq!(check(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn an_answer_may_not_lead_into_the_open() {
        let hosted = Endpoint::parse("https://github.com/acme").unwrap();
        let local = Endpoint::parse("http://127.0.0.1:1/acme").unwrap();
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(hosted.may_lead_to(&url("https://pipelines.example/x")));
        assert!(!hosted.may_lead_to(&url("http://127.0.0.1:1/x")));
        assert!(local.may_lead_to(&url("http://127.0.0.1:2/x")));
        assert!(!local.may_lead_to(&url("http://pipelines.example/x")));
    }
}
