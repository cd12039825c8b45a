//! A client that keeps its connection, as builds do, and speaks three dialects.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use hearth_trust::{Claims, RuntimeToken, Signer, Token};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::connect;

const SERVICE: &str = "/twirp/github.actions.results.api.v1.CacheService/";

/// One answer: its status and its body.
pub(super) type Answer = (u16, Vec<u8>);

/// An answer that is neither yes nor no: its status and its words.
pub(super) type Odd = (u16, String);

/// What an attempt to read has found.
pub(super) enum Found {
    Hit(Vec<u8>),
    Miss,
}

/// The connection of one build, and who it is in every dialect.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    address: String,
    bearer: String,
    coat: String,
    key_id: String,
    secret: String,
}

impl Client {
    pub(super) fn new(address: &str, signer: &Signer, claims: &Claims, now: hearth_model::Timestamp) -> Self {
        let token: Token = signer.sign(claims);
        Self {
            stream: BufReader::new(connect(address)),
            address: address.to_owned(),
            coat: RuntimeToken::around(&token, claims, now).expose().to_owned(),
            secret: signer.s3_secret(token.expose()).to_string(),
            key_id: token.expose().to_owned(),
            bearer: token.expose().to_owned(),
        }
    }

    /// One question and its answer.
    fn ask(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("an answer has a status");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().expect("a length is a number");
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        (status, answer)
    }

    /// WebDAV and plain HTTP.
    pub(super) fn plain(&mut self, method: &str, path: &str, body: &[u8]) -> Answer {
        let headers = format!("authorization: Bearer {}\r\n", self.bearer);
        self.ask(method, path, &headers, body)
    }

    /// S3 with a signed head.
    pub(super) fn s3(&mut self, method: &str, path: &str, body: &[u8]) -> Answer {
        let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/auto/s3/aws4_request", &date[..8]);
        let digest = hex(&Sha256::digest(body));
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n\nhost:{}\nx-amz-content-sha256:{digest}\nx-amz-date:{date}\n\n{signed}\n{digest}",
            self.address
        );
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let first = format!("AWS4{}", self.secret).into_bytes();
        let key = [&date[..8], "auto", "s3", "aws4_request"].iter().fold(first, |key, word| keyed(&key, word));
        let headers = format!(
            "x-amz-date: {date}\r\nx-amz-content-sha256: {digest}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={}/{scope}, SignedHeaders={signed}, Signature={}\r\n",
            self.key_id,
            hex(&keyed(&key, &to_sign))
        );
        self.ask(method, path, &headers, body)
    }

    /// Reads an entry of GitHub's cache.
    pub(super) fn restore(&mut self, key: &str) -> Result<Found, Odd> {
        let found = self.call("GetCacheEntryDownloadURL", &json!({ "key": key, "version": "v" }))?;
        if found["ok"] != json!(true) {
            return Ok(Found::Miss);
        }
        match self.ask("GET", &target(&found["signed_download_url"]), "", b"") {
            (200, body) => Ok(Found::Hit(body)),
            // Evicted between the two calls.
            (404, _) => Ok(Found::Miss),
            (status, body) => Err(odd(status, &body)),
        }
    }

    /// Writes one; an entry that is there already is as good.
    pub(super) fn save(&mut self, key: &str, body: &[u8]) -> Result<(), Odd> {
        let created = match self.call("CreateCacheEntry", &json!({ "key": key, "version": "v" })) {
            Err((409, _)) => return Ok(()),
            created => created?,
        };
        let headers = "x-ms-blob-type: BlockBlob\r\n";
        match self.ask("PUT", &target(&created["signed_upload_url"]), headers, body) {
            (201, _) => {}
            (status, body) => return Err(odd(status, &body)),
        }
        let message = json!({ "key": key, "version": "v", "size_bytes": body.len().to_string() });
        match self.call("FinalizeCacheEntryUpload", &message) {
            Ok(_) | Err((409, _)) => Ok(()),
            Err(odd) => Err(odd),
        }
    }

    fn call(&mut self, method: &str, message: &Value) -> Result<Value, Odd> {
        let headers = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", self.coat);
        match self.ask("POST", &format!("{SERVICE}{method}"), &headers, message.to_string().as_bytes()) {
            (200, body) => Ok(serde_json::from_slice(&body).expect("a message is JSON")),
            (status, body) => Err(odd(status, &body)),
        }
    }
}

fn odd(status: u16, body: &[u8]) -> Odd {
    (status, String::from_utf8_lossy(body).into_owned())
}

/// The path and query of an address.
fn target(address: &Value) -> String {
    let address = address.as_str().expect("an address is a text");
    let (_, rest) = address.split_once("://").expect("it is whole");
    rest[rest.find('/').expect("it has a path")..].to_owned()
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
