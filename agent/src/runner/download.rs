//! Fetching an archive over the network: streamed into a file, hashed on the way, within a deadline and a size. Never
//! over plain HTTP, except from this very machine, and the token of the list is for its first host only.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_daemon::secrets::Secret;
use hearth_model::Bytes;
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode, Url};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::checksum::{Hashing, Sha256};
use super::version::ArchiveName;

/// Releases of the runner redirect once, to a store of files.
const MOST_REDIRECTS: usize = 5;

/// An archive on GitHub's list of downloads.
#[derive(Debug)]
pub struct Offered {
    pub name: ArchiveName,
    pub url: String,
    /// Some servers of companies want one.
    pub token: Option<Secret>,
    pub sha256: Option<Sha256>,
}

/// How long a download may take, and how large it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// Until the answer begins, and between any two pieces of it.
    pub(super) silence: Duration,
    pub(super) whole: Duration,
    pub(super) size: Bytes,
}

/// The archives have some 200 MB; a slow line is no reason to give up, a dead one is.
pub(super) const ALLOWANCE: Allowance =
    Allowance { silence: Duration::from_mins(1), whole: Duration::from_hours(1), size: Bytes::gib(1) };

#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("`{url}` is no address to download from; it must begin with https://")]
    Address { url: String },
    #[error("cannot download {url}")]
    Request {
        url: ShownUrl,
        #[source]
        cause: reqwest::Error,
    },
    #[error("cannot download {url}: the server answered {status}")]
    Status { url: ShownUrl, status: StatusCode },
    #[error("cannot download {url}: it redirects to {to}, which is not safe to download from")]
    UnsafeRedirect { url: ShownUrl, to: ShownUrl },
    #[error("cannot download {url}: it redirects too often")]
    TooManyRedirects { url: ShownUrl },
    #[error("cannot download {url}: nothing came for {} seconds", after.as_secs())]
    Silence { url: ShownUrl, after: Duration },
    #[error("cannot download {url} within {} minutes", limit.as_secs() / 60)]
    TooSlow { url: ShownUrl, limit: Duration },
    #[error("cannot download {url}: it is larger than {limit}")]
    TooLarge { url: ShownUrl, limit: Bytes },
    #[error("cannot write the download to {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
}

/// An address without its query, in which stores of files put their signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownUrl(String);

impl ShownUrl {
    fn of(url: &Url) -> Self {
        Self(without_query(url.as_str()).to_owned())
    }
}

impl fmt::Display for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: Bytes,
    /// As the server says.
    pub total: Option<Bytes>,
}

/// Fetches archives.
#[derive(Debug, Clone)]
pub struct Downloads {
    client: reqwest::Client,
    allowance: Allowance,
}

impl Downloads {
    /// `client` knows the network, its proxies and certificates, and follows no redirects: that is done here.
    pub fn new(client: reqwest::Client) -> Self {
        Self { client, allowance: ALLOWANCE }
    }

    /// Writes what is offered to `path`, which must not be there yet; gives its checksum. Whether it is the right one is
    /// the caller's question. After an error the caller removes the file.
    pub async fn fetch(
        &self,
        offered: &Offered,
        path: &Path,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Sha256, DownloadError> {
        let invalid = || DownloadError::Address { url: without_query(&offered.url).to_owned() };
        let address = Url::parse(&offered.url).ok().filter(is_safe).ok_or_else(invalid)?;
        let url = ShownUrl::of(&address);
        let limit = self.allowance.whole;
        let fetched = async {
            let answer = self.ask(offered.token.as_ref(), address, &url).await?;
            self.save(answer, &url, path, on_progress).await
        };
        timeout(limit, fetched).await.map_err(|_| DownloadError::TooSlow { url: url.clone(), limit })?
    }

    /// Goes where it is sent, and gives the answer of where it ends.
    async fn ask(&self, token: Option<&Secret>, address: Url, url: &ShownUrl) -> Result<Response, DownloadError> {
        let after = self.allowance.silence;
        let (first, mut next) = (address.origin(), address);
        for _redirect in 0..=MOST_REDIRECTS {
            let mut request = self.client.get(next.clone());
            if let Some(token) = token.filter(|_| next.origin() == first) {
                request = request.bearer_auth(token.expose());
            }
            let answer = timeout(after, request.send()).await;
            let answer = answer.map_err(|_| DownloadError::Silence { url: url.clone(), after })?;
            let answer = answer.map_err(|cause| request_failed(url, cause))?;
            let status = answer.status();
            if status == StatusCode::OK {
                return Ok(answer);
            }
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let Some(to) = location.filter(|_| status.is_redirection()).and_then(|to| next.join(to).ok()) else {
                return Err(DownloadError::Status { url: url.clone(), status });
            };
            if !is_safe(&to) {
                return Err(DownloadError::UnsafeRedirect { url: url.clone(), to: ShownUrl::of(&to) });
            }
            next = to;
        }
        Err(DownloadError::TooManyRedirects { url: url.clone() })
    }

    async fn save(
        &self,
        mut answer: Response,
        url: &ShownUrl,
        path: &Path,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Sha256, DownloadError> {
        let after = self.allowance.silence;
        let silence = |_| DownloadError::Silence { url: url.clone(), after };
        let limit = self.allowance.size;
        let too_large = || DownloadError::TooLarge { url: url.clone(), limit };
        let total = answer.content_length().map(Bytes);
        if total.is_some_and(|total| total > limit) {
            return Err(too_large());
        }
        let write = |cause| DownloadError::Write { path: path.to_owned(), cause };
        let mut file = tokio::fs::File::create_new(path).await.map_err(write)?;
        let (mut hashing, mut done) = (Hashing::default(), Bytes(0));
        while let Some(piece) =
            timeout(after, answer.chunk()).await.map_err(silence)?.map_err(|cause| request_failed(url, cause))?
        {
            done += Bytes(piece.len() as u64);
            if done > limit {
                return Err(too_large());
            }
            hashing.take(&piece);
            file.write_all(&piece).await.map_err(write)?;
            on_progress(Progress { done, total });
        }
        // Errors of writes that went on in the background come out here.
        file.flush().await.map_err(write)?;
        Ok(hashing.finish())
    }
}

fn request_failed(url: &ShownUrl, cause: reqwest::Error) -> DownloadError {
    // Its own text would name the address with everything in it.
    DownloadError::Request { url: url.clone(), cause: cause.without_url() }
}

/// TLS, or no network at all.
fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(|host| {
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }),
        _ => false,
    }
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

#[cfg(test)]
mod tests;
