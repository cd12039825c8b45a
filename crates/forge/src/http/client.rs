//! The client with the operator's certificates and proxy. The environment's proxies are not used: what a daemon does
//! stands in its configuration.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::secrets::{Exposure, SecretError};
use hearth_model::Clock;
use reqwest::{Certificate, NoProxy, Proxy, redirect};

use crate::settings::NetworkSettings;

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Shorter than the idle limits of load balancers, so that we close first.
const IDLE_LIMIT: Duration = Duration::from_mins(1);
const USER_AGENT: &str = concat!("hearth/", env!("CARGO_PKG_VERSION"));

/// This system's way to ask who may read an open file.
pub(crate) type PeekExposure = fn(&File) -> io::Result<Exposure>;

/// What this room does not get by itself.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    /// Who may read an open file, as this system tells.
    pub exposure: PeekExposure,
}

/// Why there is no way to GitHub.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("cannot read the certificates in {}", path.display())]
    ReadCertificates {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{} holds no certificate in PEM form", path.display())]
    NoCertificates { path: PathBuf },
    #[error("cannot use the certificates in {}", path.display())]
    Certificates {
        path: PathBuf,
        #[source]
        cause: reqwest::Error,
    },
    #[error("cannot use the proxy {proxy}")]
    Proxy {
        proxy: String,
        #[source]
        cause: reqwest::Error,
    },
    #[error("cannot use the credentials for proxy {proxy}")]
    ProxySecret {
        proxy: String,
        #[source]
        cause: SecretError,
    },
    #[error("the credentials for proxy {proxy} are not of the form NAME:PASSWORD")]
    ProxyCredentials { proxy: String },
    #[error("cannot set up TLS")]
    Tls(#[source] reqwest::Error),
}

pub(super) fn build(network: &NetworkSettings, surroundings: &Surroundings) -> Result<reqwest::Client, NetworkError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_DEADLINE)
        .pool_idle_timeout(IDLE_LIMIT)
        // Takes the environment's proxies away, so it stands before ours.
        .no_proxy();
    if let Some(path) = &network.ca_file {
        let pem = std::fs::read(path).map_err(|cause| NetworkError::ReadCertificates { path: path.clone(), cause })?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .map_err(|cause| NetworkError::Certificates { path: path.clone(), cause })?;
        if certificates.is_empty() {
            return Err(NetworkError::NoCertificates { path: path.clone() });
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(proxy) = proxy(network, surroundings)? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(NetworkError::Tls)
}

fn proxy(network: &NetworkSettings, surroundings: &Surroundings) -> Result<Option<Proxy>, NetworkError> {
    let Some(url) = &network.proxy else { return Ok(None) };
    let shown = || url.to_string();
    let mut proxy = Proxy::all(url.clone()).map_err(|cause| NetworkError::Proxy { proxy: shown(), cause })?;
    if let Some(file) = &network.proxy_credentials {
        let secret =
            file.read(surroundings.exposure).map_err(|cause| NetworkError::ProxySecret { proxy: shown(), cause })?;
        let parts = secret.expose().split_once(':');
        let (name, password) = parts.ok_or_else(|| NetworkError::ProxyCredentials { proxy: shown() })?;
        proxy = proxy.basic_auth(name, password);
    }
    Ok(Some(proxy.no_proxy(NoProxy::from_string(&network.no_proxy.join(",")))))
}
