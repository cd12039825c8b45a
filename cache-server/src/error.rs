//! Why a node cannot be opened. Everything that goes wrong later is an answer to a client and a count, not an error.

use std::io;
use std::path::PathBuf;

use crate::access::AccessError;
use crate::upstream::UpstreamError;

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("cannot use the cache directory {path}")]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot tell who may use the cache")]
    Access(#[source] AccessError),
    #[error("cannot use the upstream")]
    Upstream(#[source] UpstreamError),
    #[error("the cache directory {path} is in use by another node")]
    InUse { path: PathBuf },
}
