//! Who calls: the secret in a request's head, as a bearer token or as the password of Basic authorization. It only
//! takes it out; whether it is good is decided elsewhere.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};

/// The line that carries a secret, when there is exactly one.
pub(crate) fn line(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(line), None) => Some(line),
        _ => None,
    }
}

/// The secret that the request carries, when it carries exactly one.
pub(crate) fn presented(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let (scheme, secret) = line(headers)?.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Cow::Borrowed(secret));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(secret).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(Cow::Owned(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, line.parse().unwrap());
        }
        assert_eq!(presented(&headers).as_deref(), expected, "{lines:?}");
    }

    #[test]
    fn bearer_and_the_password_of_basic_are_taken() {
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer  abc "], Some("abc"));
        check(&[&format!("Basic {}", STANDARD.encode("user:a:b"))], Some("a:b"));
        check(&[&format!("basic {}", STANDARD.encode(":abc"))], Some("abc"));
    }

    #[test]
    fn everything_else_is_nobody() {
        check(&[], None);
        check(&["abc"], None);
        check(&["Digest abc"], None);
        check(&["Basic !!!"], None);
        check(&[&format!("Basic {}", STANDARD.encode("no colon"))], None);
        check(&[&format!("Basic {}", STANDARD.encode([0xff, b':', 0xff]))], None);
        check(&["Bearer abc", "Bearer def"], None);
    }
}
