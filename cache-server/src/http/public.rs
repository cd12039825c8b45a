//! Where clients find the node, as far as its own answers have to say so: in addresses that they are handed out.

use std::fmt;
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::Uri;
use hyper::header::HOST;
use hyper::http::uri::{Authority, Scheme};

use crate::transport::Way;

/// Scheme and host that clients use, where a proxy stands between them and the node: `https://cache.example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Box<str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be http:// or https:// with a host, and nothing behind the host")]
pub struct NotPublic;

impl FromStr for PublicUrl {
    type Err = NotPublic;

    fn from_str(text: &str) -> Result<Self, NotPublic> {
        let uri: Uri = text.parse().map_err(|_| NotPublic)?;
        let scheme = uri.scheme().filter(|scheme| **scheme == Scheme::HTTP || **scheme == Scheme::HTTPS);
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        // Clients of GitHub's cache refuse addresses that have more in front of what we put there.
        let (Some(scheme), Some(authority), "/", None) = (scheme, authority, uri.path(), uri.query()) else {
            return Err(NotPublic);
        };
        Ok(Self(format!("{scheme}://{authority}").into()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Scheme and host as the client sees them, when nobody has said them in advance. Whoever lies in a header gets an
/// address that leads him astray, and nobody else does.
pub(crate) fn seen(uri: &Uri, headers: &HeaderMap, way: Way) -> Option<PublicUrl> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let named = text(HOST.as_str()).and_then(|text| text.parse().ok());
    let authority: Authority = uri.authority().cloned().or(named)?;
    let scheme = match (way, text("x-forwarded-proto")) {
        (Way::Encrypted, _) | (Way::Clear, Some("https")) => Scheme::HTTPS,
        (Way::Clear, _) => Scheme::HTTP,
    };
    Some(PublicUrl(format!("{scheme}://{authority}").into()))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn check(uri: &str, way: Way, headers: &[(&str, &str)], expected: Option<&str>) {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let seen = seen(&head.uri, &head.headers, way).map(|url| url.to_string());
        assert_eq!(seen.as_deref(), expected, "{uri} {way:?} {headers:?}");
    }

    #[test]
    fn addresses_lead_to_the_host_that_the_client_has_used() {
        let proxied = |scheme| [("host", "cache"), ("x-forwarded-proto", scheme)];
        check("/twirp", Way::Clear, &[("host", "cache.local:8080")], Some("http://cache.local:8080"));
        check("/twirp", Way::Encrypted, &[("host", "cache.local:8080")], Some("https://cache.local:8080"));
        check("/twirp", Way::Clear, &[("host", "[::1]:80")], Some("http://[::1]:80"));
        check("https://cache.local/twirp", Way::Encrypted, &[], Some("https://cache.local"));
        check("/twirp", Way::Clear, &proxied("https"), Some("https://cache"));
        check("/twirp", Way::Clear, &proxied("gopher"), Some("http://cache"));
        check("/twirp", Way::Encrypted, &proxied("http"), Some("https://cache"));
        for host in ["a b", "a/b", "", "a\"b"] {
            check("/twirp", Way::Encrypted, &[("host", host)], None);
        }
        check("/twirp", Way::Encrypted, &[], None);
    }

    #[test]
    fn a_public_address_is_a_scheme_and_a_host() {
        for (text, expected) in [
            ("https://cache.example.org", "https://cache.example.org"),
            ("https://cache.example.org/", "https://cache.example.org"),
            ("http://10.0.0.7:4227", "http://10.0.0.7:4227"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), expected);
        }
        for text in
            ["", "cache", "cache:80", "ftp://cache", "https://", "https://c/cache", "https://c?a", "https://u:p@c"]
        {
            assert_eq!(text.parse::<PublicUrl>(), Err(NotPublic), "{text}");
        }
    }
}
