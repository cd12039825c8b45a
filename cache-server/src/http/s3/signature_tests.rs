//! Signatures against the examples that AWS publishes, and against everything that somebody could change.

use hearth_model::{Millis, Timestamp};
use hyper::header::HeaderName;
use hyper::{HeaderMap, Method};
use proptest::prelude::*;

use super::error::Code;
use super::query::Query;
use super::signature::{Seal, Signable, claim};
use crate::http::dates::signed_at;

pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A request that can be changed bit by bit.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) now: Timestamp,
    pub(super) secret: &'static str,
}

pub(super) fn then() -> Timestamp {
    signed_at("20130524T000000Z").unwrap()
}

impl Example {
    pub(super) fn new(method: Method, path: &str, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { method, path: path.to_owned(), query: String::new(), headers, now: then(), secret: SECRET }
    }

    pub(super) fn signed(mut self, headers: &str, signature: &str) -> Self {
        let text = format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={headers},Signature={signature}");
        self.headers.push(("authorization".to_owned(), text));
        self
    }

    pub(super) fn check(&self) -> Result<Seal, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let query = Query::parse(&self.query).map_err(|_| Code::InvalidArgument)?;
        let request =
            Signable { method: &self.method, path: &self.path, query: &query, headers: &headers, authority: None };
        let claim = claim(request, self.now)?;
        assert_eq!(claim.access_key, "AKIAIOSFODNN7EXAMPLE");
        claim.verified(request, self.secret)
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        match self.headers.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.headers.push((name.to_owned(), value.to_owned())),
        }
        self
    }
}

fn get_a_range() -> Example {
    let headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", NOTHING),
        ("x-amz-date", "20130524T000000Z"),
    ];
    let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    Example::new(Method::GET, "/test.txt", &headers).signed("host;range;x-amz-content-sha256;x-amz-date", signature)
}

fn put() -> Example {
    let headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
    ];
    let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    let signed = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class";
    Example::new(Method::PUT, "/test$file.text", &headers).signed(signed, signature)
}

fn list() -> Example {
    let headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("x-amz-content-sha256", NOTHING),
        ("x-amz-date", "20130524T000000Z"),
    ];
    let signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    let mut example = Example::new(Method::GET, "/", &headers);
    example.query = "max-keys=2&prefix=J".to_owned();
    example.signed("host;x-amz-content-sha256;x-amz-date", signature)
}

fn presigned() -> Example {
    let mut example = Example::new(Method::GET, "/test.txt", &[("host", "examplebucket.s3.amazonaws.com")]);
    example.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
                     aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                     aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        .to_owned();
    example
}

fn check(example: &Example, expected: Result<(), Code>) {
    assert_eq!(example.check().map(drop), expected, "{example:?}");
}

#[test]
fn published_examples_are_good() {
    for example in [get_a_range(), put(), list(), presigned()] {
        check(&example, Ok(()));
    }
}

#[test]
fn whatever_is_changed_is_another_request() {
    const FORGED: Result<(), Code> = Err(Code::SignatureDoesNotMatch);
    for example in [get_a_range(), put(), list(), presigned()] {
        check(&Example { secret: "another", ..example.clone() }, FORGED);
        check(&Example { path: "/other.txt".to_owned(), ..example.clone() }, FORGED);
        check(&Example { path: format!("/bucket{}", example.path), ..example.clone() }, FORGED);
        check(&Example { method: Method::DELETE, ..example.clone() }, FORGED);
        check(&Example { query: format!("{}&versionId=1", example.query), ..example.clone() }, FORGED);
        check(&example.clone().header("host", "elsewhere"), FORGED);
    }
    let query = presigned().query.replace("X-Amz-Expires=86400", "X-Amz-Expires=86401");
    check(&Example { query, ..presigned() }, FORGED);
    check(&get_a_range().header("range", "bytes=0-10"), FORGED);
    check(&put().header("x-amz-content-sha256", NOTHING), FORGED);
    check(&put().header("x-amz-storage-class", "STANDARD"), FORGED);
    check(&list().header("x-amz-date", "20130524T000001Z"), FORGED);
}

#[test]
fn nobody_may_add_a_word_on_the_way() {
    check(&put().header("x-amz-meta-owner", "me"), Err(Code::UnsignedHeaders));
    check(&presigned().header("x-amz-copy-source", "/other/secret"), Err(Code::UnsignedHeaders));
    // Others than S3's own may be added: proxies do.
    check(&put().header("via", "1.1 proxy"), Ok(()));
    let mut without = get_a_range();
    without.headers.retain(|(name, _)| name != "range");
    check(&without, Err(Code::SignatureDoesNotMatch));
}

#[test]
fn clocks_may_be_a_quarter_of_an_hour_apart() {
    let at = |example: &Example, now| Example { now, ..example.clone() };
    let skew = Millis::from_minutes(15);
    let (skewed, late) = (Err(Code::RequestTimeTooSkewed), then() + skew + Millis(1));
    check(&at(&put(), then() + skew), Ok(()));
    check(&at(&put(), then() - skew), Ok(()));
    check(&at(&put(), late), skewed);
    check(&at(&put(), then() - skew - Millis(1)), skewed);
    check(&at(&presigned(), then() - skew), Ok(()));
    check(&at(&presigned(), then() - skew - Millis(1)), skewed);
    check(&at(&presigned(), then() + Millis(86_400_000)), Ok(()));
    check(&at(&presigned(), then() + Millis(86_400_001)), Err(Code::ExpiredAddress));
}

#[test]
fn claims_that_are_none_are_told_so() {
    let head = |text: &str| put().header("authorization", text);
    let malformed = Err(Code::AuthorizationMalformed);
    let good = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, \
                Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    check(&head(good), Err(Code::UnsignedHeaders));
    for (part, other) in [
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 "),
        ("/aws4_request", ""),
        ("/s3/", "/sts/"),
        ("/20130524/", "/20130525/"),
        ("Signature=98", "Signature=9"),
        ("Signature=98ad", "Signature=98AD"),
        ("SignedHeaders=host", "SignedHeaders=host;date"),
        ("SignedHeaders=host", "SignedHeaders=host;host"),
        ("SignedHeaders=host, ", ""),
        ("SignedHeaders", "Credential=a, SignedHeaders"),
    ] {
        assert!(good.contains(part));
        check(&head(&good.replace(part, other)), malformed);
    }
    let query = |part: &str, other: &str| Example { query: presigned().query.replace(part, other), ..presigned() };
    let malformed = Err(Code::AuthorizationQueryParametersError);
    check(&query("Expires=86400", "Expires=604801"), malformed);
    check(&query("Expires=86400", "Expires=0"), malformed);
    check(&query("Expires=86400", "Expires=%2B1"), malformed);
    check(&query("HMAC-SHA256", "none"), malformed);
    check(&query("&X-Amz-SignedHeaders=host", ""), malformed);
    check(&query("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host&X-Amz-SignedHeaders=host"), malformed);
    // One of the two has to be meant.
    check(&presigned().header("authorization", good), Err(Code::InvalidArgument));
}

#[test]
fn whoever_signs_with_version_2_is_told() {
    let old = Err(Code::OldSignature);
    check(&Example::new(Method::GET, "/", &[("authorization", "AWS AKIA:c2ln")]), old);
    let query = "AWSAccessKeyId=AKIA&Signature=c2ln&Expires=1795417192".to_owned();
    check(&Example { query, ..Example::new(Method::GET, "/", &[]) }, old);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_fail(head in "(AWS4-HMAC-SHA256 )?[ -~]{0,80}", query in "(X-Amz-Signature=)?[ -~]{0,80}") {
        let _ = Example { query, ..Example::new(Method::GET, "/", &[("authorization", head.trim())]) }.check_any();
        let _ = Example::new(Method::GET, "/", &[("authorization", head.trim())]).check_any();
    }
}

impl Example {
    /// Like [`Example::check`], for anybody's access key id.
    fn check_any(&self) -> Result<Seal, Code> {
        let headers = self
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, value.parse().ok()?)));
        let headers: HeaderMap = headers.collect();
        let query = Query::parse(&self.query).map_err(|_| Code::InvalidArgument)?;
        let request =
            Signable { method: &self.method, path: &self.path, query: &query, headers: &headers, authority: None };
        claim(request, self.now)?.verified(request, self.secret)
    }
}
