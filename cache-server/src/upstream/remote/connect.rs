//! From what an operator has written to something that can be asked. Nothing is asked yet.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_daemon::secrets::SecretError;
use opendal::services::{Azblob, Gcs, S3};
use opendal::{HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use reqwest::Url;

use super::{AnyRemote, ObjectStore, Peer};
use crate::upstream::UpstreamPlace;

/// Why an upstream cannot be used as it is written.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("`{endpoint}` is not the address of an upstream; it looks like https://cache.example:8900/")]
    Address { endpoint: String },
    #[error(transparent)]
    Secret(SecretError),
    #[error("cannot read {path}")]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} holds no certificates in PEM form")]
    Certificates {
        path: PathBuf,
        #[source]
        cause: reqwest::Error,
    },
    #[error("cannot make a client for the upstream")]
    Client(#[source] reqwest::Error),
    #[error("cannot use the object store as it is described")]
    Store(#[source] opendal::Error),
    #[error("cannot keep the list of what has to go up at {path}")]
    Queue {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Until a connection stands. What comes after it has its own limits.
const CONNECT: Duration = Duration::from_millis(700);

pub(crate) fn connect(place: &UpstreamPlace) -> Result<AnyRemote, UpstreamError> {
    match place {
        UpstreamPlace::Peer { endpoint, token, ca } => {
            Ok(AnyRemote::Peer(Peer::new(client(ca.as_deref())?, peer_address(endpoint)?, token.clone())))
        }
        UpstreamPlace::S3 { bucket, region, endpoint, prefix, credentials, ca } => {
            let mut service = S3::default().bucket(bucket).region(region).root(prefix);
            if let Some(endpoint) = endpoint {
                service = service.endpoint(endpoint);
            }
            if let Some(credentials) = credentials {
                // What else the machine may know of credentials is not meant.
                service = service
                    .disable_config_load()
                    .disable_ec2_metadata()
                    .access_key_id(&credentials.access_key_id)
                    .secret_access_key(credentials.secret_access_key.expose());
            }
            objects(Operator::new(service), ca.as_deref())
        }
        UpstreamPlace::Gcs { bucket, prefix, credentials } => {
            let mut service = Gcs::default().bucket(bucket).root(prefix);
            if let Some(path) = credentials {
                service = service.disable_config_load().credential_path(&path.to_string_lossy());
            }
            objects(Operator::new(service), None)
        }
        UpstreamPlace::Azure { container, endpoint, prefix, account, key } => {
            let service = Azblob::default().container(container).endpoint(endpoint).root(prefix);
            objects(Operator::new(service.account_name(account).account_key(key.expose())), None)
        }
    }
}

/// Where another node is, when it can be an address at all.
pub(crate) fn peer_address(endpoint: &str) -> Result<Url, UpstreamError> {
    let address = || UpstreamError::Address { endpoint: endpoint.to_owned() };
    let base = Url::parse(endpoint).map_err(|_| address())?;
    let is_one = matches!(base.scheme(), "http" | "https") && base.query().is_none() && base.fragment().is_none();
    if is_one { Ok(base) } else { Err(address()) }
}

fn objects(operator: opendal::Result<Operator>, ca: Option<&Path>) -> Result<AnyRemote, UpstreamError> {
    let transport = HttpTransporter::new(ReqwestTransport::new(client(ca)?));
    let context = OperationContext::new().with_http_transport(transport);
    let operator = operator.map_err(UpstreamError::Store)?.with_context(context);
    Ok(AnyRemote::Objects(ObjectStore::new(operator)))
}

/// No proxy: reqwest would send even a loopback address through the one in the environment. No redirects: they would
/// carry a credential to a place that nobody configured.
fn client(ca: Option<&Path>) -> Result<reqwest::Client, UpstreamError> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .tcp_nodelay(true);
    if let Some(path) = ca {
        let pem = std::fs::read(path).map_err(|cause| UpstreamError::File { path: path.to_owned(), cause })?;
        let bad = |cause| UpstreamError::Certificates { path: path.to_owned(), cause };
        for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(bad)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(UpstreamError::Client)
}
