//! Requests of S3 as their signer sees them: signature version 4, in the head or in the address, and wrong on request.

use hearth_model::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const VALUE: &AsciiSet = &PATH.add(b'/');
pub(crate) const CHUNKED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// An access key and the moment at which it signs.
#[derive(Debug, Clone)]
pub(crate) struct Pen {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) at: Timestamp,
}

impl Pen {
    /// The path as it goes over the wire, and the headers that sign it. `payload` is what is said of the body.
    pub(crate) fn headers(&self, method: &str, host: &str, path: &str, query: &str, payload: &str) -> Headers {
        self.sign_head(method, path, query, payload, &format!("host:{host}\nx-amz-content-sha256:{payload}\n"), "")
    }

    /// The same for a body in signed chunks of `length` bytes together.
    pub(crate) fn chunked(&self, method: &str, host: &str, path: &str, length: usize) -> Headers {
        let first = format!("host:{host}\nx-amz-content-sha256:{CHUNKED}\n");
        self.sign_head(method, path, "", CHUNKED, &first, &format!("x-amz-decoded-content-length:{length}\n"))
    }

    /// `first` and `last` are the lines before and behind that of the date.
    fn sign_head(&self, method: &str, path: &str, query: &str, payload: &str, first: &str, last: &str) -> Headers {
        let (date, path) = (self.date(), utf8_percent_encode(path, PATH).to_string());
        let head = format!("{first}x-amz-date:{date}\n{last}");
        let names: Vec<_> = head.lines().filter_map(|line| line.split(':').next()).collect();
        let names = names.join(";");
        let signature = self.signature(&format!("{method}\n{path}\n{query}\n{head}\n{names}\n{payload}"));
        let scope = self.scope();
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", self.id);
        Headers { path, date, payload: payload.to_owned(), authorization, signature }
    }

    /// Path and query of an address that is good for so long.
    pub(crate) fn address(&self, method: &str, host: &str, path: &str, seconds: u32) -> String {
        let (date, path) = (self.date(), utf8_percent_encode(path, PATH).to_string());
        let credential = format!("{}/{}", self.id, self.scope());
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={date}&X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host",
            utf8_percent_encode(&credential, VALUE)
        );
        let signature = self.signature(&format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"));
        format!("{path}?{query}&X-Amz-Signature={signature}")
    }

    /// The signature of a chunk that follows on the one with `previous`.
    pub(crate) fn chunk(&self, previous: &str, data: &[u8]) -> String {
        let (nothing, digest) = (sha256(b""), sha256(data));
        let (date, scope) = (self.date(), self.scope());
        self.sign(&format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{nothing}\n{digest}"))
    }

    fn signature(&self, canonical: &str) -> String {
        let (date, scope) = (self.date(), self.scope());
        self.sign(&format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes())))
    }

    fn sign(&self, text: &str) -> String {
        let mut key = keyed(format!("AWS4{}", self.secret).as_bytes(), &self.date()[..8]);
        for part in ["us-east-1", "s3", "aws4_request"] {
            key = keyed(&key, part);
        }
        hex(&keyed(&key, text))
    }

    fn scope(&self) -> String {
        format!("{}/us-east-1/s3/aws4_request", &self.date()[..8])
    }

    fn date(&self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.at.as_millis()).unwrap();
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

/// What signs one request.
#[derive(Debug, Clone)]
pub(crate) struct Headers {
    pub(crate) path: String,
    pub(crate) date: String,
    pub(crate) payload: String,
    pub(crate) authorization: String,
    pub(crate) signature: String,
}

impl Headers {
    pub(crate) fn put_into(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request
            .header("authorization", &self.authorization)
            .header("x-amz-date", &self.date)
            .header("x-amz-content-sha256", &self.payload)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Of 32 bytes, as all digests here have.
fn hex(bytes: &[u8]) -> String {
    blake3::Hash::from_slice(bytes).unwrap().to_hex().to_string()
}
