//! Certificates: read from files, exchanged for newer ones while the server runs. Connections that exist keep what they
//! were made with; a set of files that does not fit together changes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use hearth_daemon::secrets::{self, SecretError, SecretFile};
use hearth_model::Timestamp;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::opening::ALPN;
use crate::counts::Count;

/// What a client has to show of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing is asked for.
    No,
    /// One that an authority of this file has signed.
    Required(PathBuf),
    /// The same, or none. What may be done is decided by tokens either way.
    Optional(PathBuf),
}

/// Where a server's certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's own certificate first, then those between it and its root.
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub clients: ClientCertificates,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot read the private key")]
    Key(#[source] SecretError),
    #[error("{path} holds no {what} that can be used")]
    Pem {
        path: PathBuf,
        what: &'static str,
        #[source]
        cause: pem::Error,
    },
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    #[error("the authorities of {path} cannot be used for clients")]
    Authorities {
        path: PathBuf,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the certificate {certificate} and the key {key} cannot be used together")]
    Pair {
        certificate: PathBuf,
        key: PathBuf,
        #[source]
        cause: rustls::Error,
    },
}

/// The certificates in force.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    current: RwLock<Current>,
    pub(crate) reloads: Reloads,
}

/// How often newer certificates were looked at.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    pub(crate) done: Count,
    /// What was there could not be used.
    pub(crate) failed: Count,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// When the first certificate of the chain expires, as far as can be told.
    expires_at: Option<Timestamp>,
    version: Version,
}

/// What tells one state of the files from another without reading them.
type Version = Vec<Option<(u64, i64, i64, u64)>>;

impl Certificates {
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let version = files.version();
        let (config, expires_at) = files.read()?;
        let current = RwLock::new(Current { config: Arc::new(config), expires_at, version });
        Ok(Self { files, current, reloads: Reloads::default() })
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).expires_at
    }

    /// Whether the files are others than those that were looked at last.
    pub(crate) fn have_changed(&self) -> bool {
        self.files.version() != self.current.read().unwrap_or_else(PoisonError::into_inner).version
    }

    /// Takes what the files hold now, or keeps what is in force. Either way this state of the files was looked at.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let version = self.files.version();
        let read = self.files.read();
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.version = version;
        let outcome = if read.is_ok() { &self.reloads.done } else { &self.reloads.failed };
        outcome.one();
        let (config, expires_at) = read?;
        (current.config, current.expires_at) = (Arc::new(config), expires_at);
        Ok(())
    }
}

impl TlsFiles {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let clients = match &self.clients {
            ClientCertificates::No => None,
            ClientCertificates::Required(path) | ClientCertificates::Optional(path) => Some(path),
        };
        [&self.certificate, &self.key].into_iter().chain(clients).map(PathBuf::as_path)
    }

    fn version(&self) -> Version {
        let one = |path: &Path| {
            let there = path.metadata().ok()?;
            Some((there.ino(), there.mtime(), there.mtime_nsec(), there.size()))
        };
        self.paths().map(one).collect()
    }

    fn read(&self) -> Result<(ServerConfig, Option<Timestamp>), TlsError> {
        let chain = certificates(&self.certificate)?;
        let expires_at = chain.iter().filter_map(expiry).min();
        let text = SecretFile::new(&self.key).read(secrets::exposure).map_err(TlsError::Key)?;
        let key = PrivateKeyDer::from_pem_slice(text.expose().as_bytes());
        let key = key.map_err(|cause| TlsError::Pem { path: self.key.clone(), what: "private key", cause })?;
        let pair = |cause| TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), cause };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(pair)?;
        let builder = match self.verifier()? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        Ok((config, expires_at))
    }

    fn verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (path, must) = match &self.clients {
            ClientCertificates::No => return Ok(None),
            ClientCertificates::Required(path) => (path, true),
            ClientCertificates::Optional(path) => (path, false),
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(path)? {
            let added = roots.add(authority);
            added.map_err(|cause| TlsError::Authorities { path: path.clone(), cause: Box::new(cause) })?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = if must { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build();
        verifier.map(Some).map_err(|cause| TlsError::Authorities { path: path.clone(), cause: Box::new(cause) })
    }
}

/// When a certificate expires. One that TLS can use and this reader cannot is no reason not to serve.
fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let end = parsed.tbs_certificate.validity.not_after.to_unix_duration();
    Some(Timestamp::from_millis(i64::try_from(end.as_millis()).ok()?))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).map_err(|cause| TlsError::Read { path: path.to_owned(), cause })?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|cause| TlsError::Pem { path: path.to_owned(), what: "certificate", cause })?;
    if all.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(all) }
}
