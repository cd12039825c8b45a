//! Signature version 4: what a request claims about who signed it, and whether that is so. Pure: the clock's reading and
//! the secret are handed in.
//!
//! ```text
//! head or query ─▶ Claim ─ access key id ─▶ (secret) ─▶ verified ─▶ Seal, with which chunks of the body are checked
//! ```
//!
//! Stricter than it could be in two places, as S3 is: the host and every `x-amz-` header must be among what was signed,
//! so that nobody between client and node adds a word.

use hearth_model::{Millis, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{AUTHORIZATION, HOST, HeaderName};
use hyper::{HeaderMap, Method};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::error::Code;
use super::query::{Query, encoded_path};
use crate::http::dates::signed_at;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a client's clock may be from ours.
const SKEW: Millis = Millis::from_minutes(15);
const MAX_EXPIRY_S: u64 = 7 * 24 * 60 * 60;
const MAX_SIGNED_HEADERS: usize = 64;
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
pub(crate) const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// The parts of a request that a signature covers, decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    /// The host of HTTP/2, which has no header for it.
    pub(crate) authority: Option<&'a str>,
}

/// What a request says about its signature. Nothing of it is proved yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim<'a> {
    pub(crate) access_key: &'a str,
    /// Day and region, as they stand in the credential.
    day: &'a str,
    region: &'a str,
    /// The time as it was signed.
    date: &'a str,
    headers: Vec<&'a str>,
    signature: [u8; 32],
    /// How the body was signed: its digest, or words that say that it was not, or that its chunks are.
    pub(crate) payload: &'a str,
}

/// What makes and checks the signatures of a body's chunks.
#[derive(Clone)]
pub(crate) struct Seal {
    key: Zeroizing<[u8; 32]>,
    date: String,
    scope: String,
    /// Each chunk is signed together with the signature before it.
    previous: String,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(****)")
    }
}

/// The claim that a request makes, when its form, its time and its region leave any hope.
pub(crate) fn claim(request: Signable<'_>, now: Timestamp) -> Result<Claim<'_>, Code> {
    let in_query = request.query.has("X-Amz-Signature") || request.query.has("X-Amz-Algorithm");
    let mut heads = request.headers.get_all(AUTHORIZATION).iter();
    if request.query.has("AWSAccessKeyId") {
        return Err(Code::OldSignature);
    }
    match (heads.next(), heads.next(), in_query) {
        (Some(head), None, false) => in_head(request, head.to_str().map_err(|_| Code::AuthorizationMalformed)?, now),
        (None, None, true) => presigned(request, now),
        // Two answers to one question.
        _ => Err(Code::InvalidArgument),
    }
}

fn in_head<'a>(request: Signable<'a>, head: &'a str, now: Timestamp) -> Result<Claim<'a>, Code> {
    const MALFORMED: Code = Code::AuthorizationMalformed;
    if head.starts_with("AWS ") {
        return Err(Code::OldSignature);
    }
    let parts = head.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' ')).ok_or(MALFORMED)?;
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for part in parts.split(',') {
        let (name, value) = part.trim().split_once('=').ok_or(MALFORMED)?;
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed,
            "Signature" => &mut signature,
            _ => return Err(MALFORMED),
        };
        if place.replace(value).is_some() {
            return Err(MALFORMED);
        }
    }
    let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature) else {
        return Err(MALFORMED);
    };
    let text = |name: &HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
    let payload = text(&CONTENT_SHA256).ok_or(Code::InvalidArgument)?;
    let date = text(&DATE).ok_or(Code::AccessDenied)?;
    let claim = Claim::new(credential, date, signed, signature, payload, MALFORMED)?;
    let at = signed_at(date).ok_or(Code::AccessDenied)?;
    if at - SKEW <= now && now <= at + SKEW { Ok(claim) } else { Err(Code::RequestTimeTooSkewed) }
}

fn presigned(request: Signable<'_>, now: Timestamp) -> Result<Claim<'_>, Code> {
    const MALFORMED: Code = Code::AuthorizationQueryParametersError;
    let part = |name| request.query.get(name).ok_or(MALFORMED);
    if part("X-Amz-Algorithm")? != ALGORITHM {
        return Err(MALFORMED);
    }
    let (credential, date, signed) = (part("X-Amz-Credential")?, part("X-Amz-Date")?, part("X-Amz-SignedHeaders")?);
    // A digest that the client promised with the address binds the body; without one, anybody who has the address
    // chooses the body, which is what such an address is for.
    let header = request.headers.get(CONTENT_SHA256).filter(|_| signed.split(';').any(|name| name == CONTENT_SHA256));
    let payload = match header {
        Some(value) => value.to_str().map_err(|_| Code::InvalidArgument)?,
        None => UNSIGNED,
    };
    let claim = Claim::new(credential, date, signed, part("X-Amz-Signature")?, payload, MALFORMED)?;
    let at = signed_at(date).ok_or(MALFORMED)?;
    let seconds = part("X-Amz-Expires")?;
    let plain = seconds.len() <= 6 && seconds.bytes().all(|b| b.is_ascii_digit());
    let seconds: u64 = seconds.parse().ok().filter(|n| plain && (1..=MAX_EXPIRY_S).contains(n)).ok_or(MALFORMED)?;
    if now + SKEW < at {
        return Err(Code::RequestTimeTooSkewed);
    }
    let end = at + Millis(seconds * 1000);
    if now <= end { Ok(claim) } else { Err(Code::ExpiredAddress) }
}

impl<'a> Claim<'a> {
    fn new(
        credential: &'a str,
        date: &'a str,
        signed: &'a str,
        signature: &str,
        payload: &'a str,
        malformed: Code,
    ) -> Result<Self, Code> {
        // From the end: nobody promises that an access key id has no slash.
        let mut parts = credential.rsplitn(5, '/');
        let terminator = parts.next();
        let (service, region, day) = (parts.next(), parts.next(), parts.next());
        let (Some("aws4_request"), Some("s3"), Some(region), Some(day), Some(access_key)) =
            (terminator, service, region, day, parts.next())
        else {
            return Err(malformed);
        };
        let signature = signature_bytes(signature).ok_or(malformed)?;
        let headers: Vec<_> = signed.split(';').collect();
        let in_order = headers.is_sorted_by(|one, next| one < next);
        if !date.starts_with(day) || day.len() != 8 || !in_order || headers.len() > MAX_SIGNED_HEADERS {
            return Err(malformed);
        }
        Ok(Self { access_key, day, region, date, headers, signature, payload })
    }

    /// Whether whoever has `secret` signed this very request.
    pub(crate) fn verified(&self, request: Signable<'_>, secret: &str) -> Result<Seal, Code> {
        let signed = |name: &str| self.headers.contains(&name);
        let must_be = |name: &&HeaderName| name.as_str().starts_with("x-amz-") || **name == HOST;
        if !signed("host") || !request.headers.keys().filter(must_be).all(|name| signed(name.as_str())) {
            return Err(Code::UnsignedHeaders);
        }
        let digest = Sha256::digest(self.canonical(request)?);
        let scope = format!("{}/{}/s3/aws4_request", self.day, self.region);
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.date, hex(&digest));
        let key = signing_key(secret, self.day, self.region);
        keyed(&*key, &to_sign).verify_slice(&self.signature).map_err(|_| Code::SignatureDoesNotMatch)?;
        Ok(Seal { key, date: self.date.to_owned(), scope, previous: hex(&self.signature) })
    }

    fn canonical(&self, request: Signable<'_>) -> Result<String, Code> {
        let mut text = format!("{}\n{}\n{}\n", request.method, encoded_path(request.path), request.query.canonical());
        for name in &self.headers {
            text.push_str(name);
            text.push(':');
            let mut values = request.headers.get_all(*name).iter().peekable();
            match (values.peek(), request.authority) {
                (None, Some(authority)) if *name == "host" => text.push_str(authority),
                (None, _) => return Err(Code::SignatureDoesNotMatch),
                (Some(_), _) => {}
            }
            for (n, value) in values.enumerate() {
                if n > 0 {
                    text.push(',');
                }
                push_trimmed(&mut text, value.to_str().map_err(|_| Code::SignatureDoesNotMatch)?);
            }
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.headers.join(";"));
        text.push('\n');
        text.push_str(self.payload);
        Ok(text)
    }
}

impl Seal {
    /// Checks the signature of the next chunk, whose digest this is.
    pub(crate) fn chunk(&mut self, digest: &[u8], signature: &str) -> Result<(), Code> {
        let empty = hex(&Sha256::digest(b""));
        self.next("PAYLOAD", &format!("{empty}\n{}", hex(digest)), signature)
    }

    /// Checks the signature of the trailer, whose digest this is.
    pub(crate) fn trailer(&mut self, digest: &[u8], signature: &str) -> Result<(), Code> {
        self.next("TRAILER", &hex(digest), signature)
    }

    fn next(&mut self, what: &str, digests: &str, signature: &str) -> Result<(), Code> {
        let to_sign = format!("{ALGORITHM}-{what}\n{}\n{}\n{}\n{digests}", self.date, self.scope, self.previous);
        let claimed = signature_bytes(signature).ok_or(Code::SignatureDoesNotMatch)?;
        keyed(&*self.key, &to_sign).verify_slice(&claimed).map_err(|_| Code::SignatureDoesNotMatch)?;
        signature.clone_into(&mut self.previous);
        Ok(())
    }
}

fn signing_key(secret: &str, day: &str, region: &str) -> Zeroizing<[u8; 32]> {
    let secret = Zeroizing::new(format!("AWS4{secret}"));
    let mut key = Zeroizing::new(<[u8; 32]>::from(keyed(secret.as_bytes(), day).finalize().into_bytes()));
    for part in [region, "s3", "aws4_request"] {
        *key = keyed(&*key, part).finalize().into_bytes().into();
    }
    key
}

fn keyed(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac
}

/// 64 lower-case hex digits.
fn signature_bytes(text: &str) -> Option<[u8; 32]> {
    let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    blake3::Hash::from_hex(text).ok().filter(|_| lower).map(|bytes| *bytes.as_bytes())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
    digits.map(char::from).collect()
}

/// Without spaces at its ends, and with one where there were several.
fn push_trimmed(text: &mut String, value: &str) {
    for (n, word) in value.split_ascii_whitespace().enumerate() {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(word);
    }
}
