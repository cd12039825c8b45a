//! Another node of the fleet, asked over HTTP: `/.peer/v1/<64 digits>` for a record, `/.peer/v1/?after=…&most=…` for
//! names. The token is one with the right of a peer.

use std::io;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use tokio::time::timeout;

use super::{Pieces, Remote, RemoteError};
use crate::keys::ObjectName;
use crate::secret::Secret;

/// Names of one page, one line each.
const MAX_PAGE: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Peer {
    client: reqwest::Client,
    base: Url,
    token: Secret,
}

impl Peer {
    pub(crate) fn new(client: reqwest::Client, mut base: Url, token: Secret) -> Self {
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Self { client, base, token }
    }

    fn record(&self, name: ObjectName) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}.peer/v1/{}", self.base.path(), name.to_hex()));
        url
    }

    fn page(&self, after: Option<ObjectName>, most: usize) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}.peer/v1/", self.base.path()));
        let mut query = url.query_pairs_mut();
        query.append_pair("most", &most.to_string());
        if let Some(after) = after {
            query.append_pair("after", after.to_hex().to_hex().as_str());
        }
        drop(query);
        url
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).bearer_auth(self.token.expose())
    }
}

fn lost(cause: reqwest::Error) -> RemoteError {
    if cause.is_timeout() { RemoteError::TooSlow } else { RemoteError::failed(cause.without_url()) }
}

/// Only a no to this one record is final; everything else, a stranger's answer before all, may be better the next time.
fn refusal(status: StatusCode) -> RemoteError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::INSUFFICIENT_STORAGE => {
            RemoteError::Declined { status: status.as_u16() }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RemoteError::Shut { status: status.as_u16() },
        _ => RemoteError::failed(format!("it answered {status}")),
    }
}

impl Remote for Peer {
    async fn get(&self, name: ObjectName, patience: Duration) -> Result<Option<Pieces>, RemoteError> {
        let send = self.request(Method::GET, self.record(name)).send();
        let answer = timeout(patience, send).await.map_err(|_| RemoteError::TooSlow)?.map_err(lost)?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer.bytes_stream().map_err(io::Error::other).boxed())),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(refusal(status)),
        }
    }

    async fn put(&self, name: ObjectName, size: u64, record: Pieces) -> Result<(), RemoteError> {
        let body = reqwest::Body::wrap_stream(record);
        let answer = self.request(Method::PUT, self.record(name)).header(CONTENT_LENGTH, size).body(body).send();
        let answer = answer.await.map_err(lost)?;
        if answer.status().is_success() { Ok(()) } else { Err(refusal(answer.status())) }
    }

    async fn list(&self, after: Option<ObjectName>, most: usize) -> Result<Vec<ObjectName>, RemoteError> {
        let answer = self.request(Method::GET, self.page(after, most)).send().await.map_err(lost)?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer.status()));
        }
        let mut pieces = answer.bytes_stream();
        let mut text = Vec::new();
        while let Some(piece) = pieces.try_next().await.map_err(lost)? {
            text.extend_from_slice(&piece);
            if text.len() > MAX_PAGE {
                return Err(RemoteError::failed("its page of names is too long"));
            }
        }
        let text = String::from_utf8(text).map_err(RemoteError::failed)?;
        let names = text.lines().map(|line| ObjectName::from_hex(line).ok_or(line));
        names.collect::<Result<_, _>>().map_err(|_| RemoteError::failed("its page has something else than names"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_no_to_one_record_lets_it_go() {
        for (status, expected) in [
            (413, "declined"),
            (422, "declined"),
            (507, "declined"),
            (401, "shut"),
            (403, "shut"),
            (400, "failed"),
            (404, "failed"),
            (405, "failed"),
            (408, "failed"),
            (429, "failed"),
            (500, "failed"),
            (503, "failed"),
            (302, "failed"),
        ] {
            let said = match refusal(StatusCode::from_u16(status).unwrap()) {
                RemoteError::Declined { .. } => "declined",
                RemoteError::Shut { .. } => "shut",
                RemoteError::TooSlow | RemoteError::Failed { .. } => "failed",
            };
            assert_eq!(said, expected, "{status}");
        }
    }
}
