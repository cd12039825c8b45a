//! Which dialect a request speaks. All of them share one port: what a client cannot help sending (its signature, its
//! path) tells them apart, so an operator gives every client the same address.

use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderValue};

use crate::keys::Reserved;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// WebDAV and plain HTTP.
    Plain,
    S3,
    /// GitHub's cache and artifact services, and the addresses that they hand out for uploads and downloads.
    Github,
    /// Another node.
    Peer,
}

impl Dialect {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::S3, Self::Github, Self::Peer];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::S3 => "s3",
            Self::Github => "github",
            Self::Peer => "peer",
        }
    }
}

/// How the signatures of S3 begin. Those of version 2, which we do not take, are known so that their clients hear why.
const SIGNED_HEADS: [&[u8]; 2] = [b"AWS4-HMAC-SHA256", b"AWS "];
const SIGNED_QUERIES: [&str; 2] = ["X-Amz-Signature=", "AWSAccessKeyId="];

pub(crate) fn dialect<B>(request: &Request<B>) -> Dialect {
    let begins = |value: &HeaderValue| SIGNED_HEADS.iter().any(|head| value.as_bytes().starts_with(head));
    let signed_head = request.headers().get(AUTHORIZATION).is_some_and(begins);
    let mut pairs = request.uri().query().into_iter().flat_map(|query| query.split('&'));
    let signed_query = pairs.any(|pair| SIGNED_QUERIES.iter().any(|part| pair.starts_with(part)));
    if signed_head || signed_query {
        return Dialect::S3;
    }
    let path = request.uri().path();
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if first == Reserved::Peers.segment() {
        return Dialect::Peer;
    }
    let handed_out = |own: Reserved| own.segment() == first;
    if first == "twirp" || Reserved::ALL.into_iter().any(handed_out) { Dialect::Github } else { Dialect::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, authorization: Option<&str>, expected: Dialect) {
        let mut request = Request::builder().uri(uri);
        if let Some(text) = authorization {
            request = request.header(AUTHORIZATION, text);
        }
        assert_eq!(dialect(&request.body(()).unwrap()), expected, "{uri} {authorization:?}");
    }

    #[test]
    fn a_dialect_is_known_by_what_its_clients_cannot_help_sending() {
        check("/0/1/2/012", Some("Bearer x"), Dialect::Plain);
        check("/bucket/key", None, Dialect::Plain);
        check("/bucket/key", Some("AWS4-HMAC-SHA256 Credential=x"), Dialect::S3);
        check("/bucket/key?x-id=GetObject&X-Amz-Signature=12", None, Dialect::S3);
        check("/bucket/key", Some("AWS id:signature"), Dialect::S3);
        check("/bucket/key?AWSAccessKeyId=id&Signature=12&Expires=1", None, Dialect::S3);
        check("/bucket/key?list-type=2", None, Dialect::Plain);
        check("/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry", Some("Bearer x"), Dialect::Github);
        check("/.gha/0190?sig=1", None, Dialect::Github);
        check("//.artifacts/0190?sig=1", None, Dialect::Github);
        check("/.gha/0190", Some("AWS4-HMAC-SHA256 Credential=x"), Dialect::S3);
        check("/twirpy", None, Dialect::Plain);
        check("/.peer/v1/012", Some("Bearer x"), Dialect::Peer);
    }
}
