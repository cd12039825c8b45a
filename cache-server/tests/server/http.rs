//! One HTTP/1.1 question and its answer, over any stream, with nothing of a client's own ideas between.

use std::io::{Read, Write};

/// An answer, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks and reads until the other side closes, which it is asked to do.
pub(crate) fn ask(stream: impl Read + Write, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Answer {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    exchange(stream, &[head.as_bytes(), body].concat())
}

/// Sends these bytes and reads one answer until the other side closes.
pub(crate) fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> Answer {
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("an answer has a status");
    Answer { status, head, body: answer[end + 4..].to_vec() }
}
