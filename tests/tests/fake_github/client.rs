//! A client that says exactly what a test wants said, right or wrong, over a plain socket; and the way to each kind of
//! token.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fake_github::{ALL_SCOPES, AppKey, FakeGithub, Options};
use hearth_tests::github;
use serde_json::{Value, json};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const AGENT: &str = r#"{"system":"hearth","subsystem":"tests"}"#;

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, whether or not it begins with a byte-order mark.
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.bytes);
        serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or(Value::Null)
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }
}

/// One call, to be added to.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Request {
    pub(crate) fn new(method: &'static str, url: impl Into<String>) -> Self {
        let headers = vec![("user-agent".to_owned(), AGENT.to_owned())];
        Self { method, url: url.into(), headers, body: None }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..self.header("content-type", "application/json") }
    }

    pub(crate) fn send(&self) -> Reply {
        self.try_send().expect("an answer")
    }

    /// None when the connection was closed without an answer.
    pub(crate) fn try_send(&self) -> Option<Reply> {
        let rest = self.url.strip_prefix("http://").expect("the fake speaks plain HTTP");
        let (host, path) = rest.split_at(rest.find('/').expect("an address has a path"));
        let mut stream = TcpStream::connect(host).expect("the fake listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit that is not zero");
        let body = self.body.clone().unwrap_or_default();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n",
            self.method,
            body.len(),
            headers.concat()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("the fake reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]);
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Reply { status, headers: lines.filter_map(header).collect(), bytes: answer[end + 4..].to_vec() })
    }
}

/// A fake, and calls to its parts.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) github: FakeGithub,
    /// A classic token that may do everything.
    pub(crate) token: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let github = github::start(options);
        let token = github.personal_token(&ALL_SCOPES);
        Self { github, token }
    }

    /// A call of REST, without any token.
    pub(crate) fn rest(&self, method: &'static str, path: &str) -> Request {
        Request::new(method, format!("{}/api/v3{path}", self.github.url()))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.rest("GET", path).bearer(&self.token).send()
    }

    pub(crate) fn call(&self, method: &'static str, path: &str, body: &Value) -> Reply {
        self.rest(method, path).bearer(&self.token).json(body).send()
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.rest("DELETE", path).bearer(&self.token).send()
    }

    /// Registers a runner of `acme` by REST; its id and its blob.
    pub(crate) fn register(&self, name: &str, labels: &[&str]) -> (u64, String) {
        let body = json!({ "name": name, "runner_group_id": 1, "labels": labels });
        let answer = self.call("POST", "/orgs/acme/actions/runners/generate-jitconfig", &body).expect(201).json();
        let blob = answer["encoded_jit_config"].as_str().expect("a blob").to_owned();
        (answer["runner"]["id"].as_u64().expect("an id"), blob)
    }

    /// A token of the default installation, narrowed as this body asks.
    pub(crate) fn installation_token(&self, body: &Value) -> Reply {
        let jwt = jwt(&self.github.app_key(), &json!({ "iss": "901", "iat": seconds() - 60, "exp": seconds() + 500 }));
        self.rest("POST", "/app/installations/5001/access_tokens").bearer(&jwt).json(body).send()
    }
}

pub(crate) fn seconds() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is behind 1970");
    i64::try_from(since.as_secs()).expect("seconds that fit")
}

/// A token that this key signs.
pub(crate) fn jwt(key: &AppKey, claims: &Value) -> String {
    let pem = key.pkcs1_pem();
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).expect("a key");
    let pair = KeyPair::from_der(&der).expect("a key");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
