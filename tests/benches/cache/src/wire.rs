//! One connection and the two protocols spoken over it, HTTP/1.1 and RESP2, one request at a time. What an answer holds
//! is thrown away inside the kernel unless it is to be compared: else the client would be what is measured.

use std::io::{self, IoSlice, Write as _};
use std::os::fd::AsFd;

use anyhow::{Context, bail, ensure};
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Heads of answers are shorter than this; so is one answer with a small object.
const HEAD: usize = 8 * 1024;
/// Bodies are taken off the connection in pieces of this size at most.
const PIECE: usize = 1024 * 1024;

/// How to ask for an object.
#[derive(Debug, Clone)]
pub(crate) enum Protocol {
    /// With lines for every head.
    Http { lines: String },
    /// Whether each command is preceded by the `PING` with which a pool tests its connections.
    Redis { ping: Ping },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ping {
    Never,
    Before,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    protocol: Protocol,
    request: Vec<u8>,
    received: Vec<u8>,
    scratch: Vec<u8>,
}

/// The answer's beginning: what it says, how much follows, how much of that was received with it.
struct Head {
    good: bool,
    length: usize,
    /// Where the body begins in what was received.
    body_at: usize,
    /// What stands behind a body.
    tail: usize,
}

impl Connection {
    pub(crate) async fn open(address: &str, protocol: Protocol) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (request, received) = (Vec::new(), Vec::with_capacity(HEAD));
        Ok(Self { stream, protocol, request, received, scratch: vec![0; PIECE] })
    }

    /// Reads an object and throws it away; says how long it was, `None` when there was none.
    pub(crate) async fn get(&mut self, key: &str) -> anyhow::Result<Option<usize>> {
        let head = self.ask(key).await?;
        let rest = (head.length + head.tail).saturating_sub(self.received.len() - head.body_at);
        self.throw_away(rest).await?;
        Ok(head.good.then_some(head.length))
    }

    /// Reads an object and keeps it.
    pub(crate) async fn fetch(&mut self, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let head = self.ask(key).await?;
        while self.received.len() < head.body_at + head.length + head.tail {
            self.receive().await?;
        }
        let body = self.received[head.body_at..head.body_at + head.length].to_vec();
        Ok(head.good.then_some(body))
    }

    /// Stores an object; says whether that was accepted.
    pub(crate) async fn put(&mut self, key: &str, body: [IoSlice<'_>; 5]) -> anyhow::Result<bool> {
        let length: usize = body.iter().map(|part| part.len()).sum();
        self.request.clear();
        let tail: &[u8] = match &self.protocol {
            Protocol::Http { lines } => {
                write!(self.request, "PUT /{key} HTTP/1.1\r\nhost: cache\r\n{lines}content-length: {length}\r\n\r\n")?;
                b""
            }
            Protocol::Redis { .. } => {
                self.ping().await?;
                write!(self.request, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${length}\r\n", key.len())?;
                b"\r\n"
            }
        };
        let mut parts = vec![IoSlice::new(&self.request)];
        parts.extend(body);
        parts.push(IoSlice::new(tail));
        send(&self.stream, &mut parts).await?;
        let head = self.head().await?;
        let rest = (head.length + head.tail).saturating_sub(self.received.len() - head.body_at);
        self.throw_away(rest).await?;
        Ok(head.good)
    }

    async fn ask(&mut self, key: &str) -> anyhow::Result<Head> {
        self.request.clear();
        match &self.protocol {
            Protocol::Http { lines } => {
                write!(self.request, "GET /{key} HTTP/1.1\r\nhost: cache\r\n{lines}\r\n")?;
            }
            Protocol::Redis { .. } => {
                self.ping().await?;
                write!(self.request, "*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len())?;
            }
        }
        send(&self.stream, &mut [IoSlice::new(&self.request)]).await?;
        self.head().await
    }

    async fn ping(&mut self) -> anyhow::Result<()> {
        if !matches!(self.protocol, Protocol::Redis { ping: Ping::Before }) {
            return Ok(());
        }
        send(&self.stream, &mut [IoSlice::new(b"*1\r\n$4\r\nPING\r\n")]).await?;
        let head = self.head().await?;
        ensure!(head.good, "the server does not answer a PING");
        Ok(())
    }

    async fn head(&mut self) -> anyhow::Result<Head> {
        self.received.clear();
        loop {
            self.receive().await?;
            let head = match self.protocol {
                Protocol::Http { .. } => http_head(&self.received)?,
                Protocol::Redis { .. } => redis_head(&self.received)?,
            };
            if let Some(head) = head {
                return Ok(head);
            }
        }
    }

    /// Some more bytes, kept.
    async fn receive(&mut self) -> anyhow::Result<()> {
        loop {
            self.stream.readable().await?;
            self.received.reserve(HEAD);
            match self.stream.try_read_buf(&mut self.received) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("cannot read an answer"),
            }
        }
    }

    /// The kernel drops the bytes without copying them here.
    async fn throw_away(&mut self, mut rest: usize) -> anyhow::Result<()> {
        let Self { stream, scratch, .. } = self;
        while rest > 0 {
            let piece = rest.min(scratch.len());
            let taken = stream
                .async_io(Interest::READABLE, || Ok(recv(stream.as_fd(), &mut scratch[..piece], RecvFlags::TRUNC)?.1));
            let taken = taken.await.context("cannot read an answer")?;
            ensure!(taken > 0, "the server broke an answer off");
            rest -= taken;
        }
        Ok(())
    }
}

async fn send(stream: &TcpStream, mut parts: &mut [IoSlice<'_>]) -> anyhow::Result<()> {
    // Empty slices at the front would look like a closed connection.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match stream.try_write_vectored(parts) {
            Ok(sent) => IoSlice::advance_slices(&mut parts, sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error).context("cannot send a request"),
        }
    }
    Ok(())
}

fn http_head(received: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        ensure!(received.len() < HEAD, "the head of the answer does not end");
        return Ok(None);
    };
    let text = std::str::from_utf8(&received[..end]).context("the head of the answer is not text")?;
    let status: u16 = text.get(9..12).and_then(|digits| digits.parse().ok()).context("the answer has no status")?;
    let length = text.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let length = match length {
        Some(length) => length,
        None if status == 204 => 0,
        None => bail!("the answer {status} does not say how long it is"),
    };
    Ok(Some(Head { good: (200..300).contains(&status), length, body_at: end + 4, tail: 0 }))
}

fn redis_head(received: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = received.windows(2).position(|window| window == b"\r\n") else {
        return Ok(None);
    };
    let body_at = end + 2;
    let plain = |good| Some(Head { good, length: 0, body_at, tail: 0 });
    Ok(match &received[..end] {
        [b'+', ..] => plain(true),
        b"$-1" | [b'-', ..] => plain(false),
        [b'$', digits @ ..] => {
            let length = std::str::from_utf8(digits)?.parse().context("the length of the answer is no number")?;
            Some(Head { good: true, length, body_at, tail: 2 })
        }
        other => bail!("the answer begins with {:?}", String::from_utf8_lossy(other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_what_follows() {
        let http = |text: &[u8]| http_head(text).unwrap().map(|head| (head.good, head.length, head.body_at));
        assert_eq!(http(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"), Some((true, 5, 38)));
        assert_eq!(http(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"), Some((false, 0, 45)));
        assert_eq!(http(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((true, 0, 27)));
        assert_eq!(http(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), None);
        assert!(http_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        let redis = |text: &[u8]| redis_head(text).unwrap().map(|head| (head.good, head.length, head.body_at));
        assert_eq!(redis(b"$5\r\nabc"), Some((true, 5, 4)));
        assert_eq!(redis(b"$-1\r\n"), Some((false, 0, 5)));
        assert_eq!(redis(b"+OK\r\n"), Some((true, 0, 5)));
        assert_eq!(redis(b"-ERR no\r\n"), Some((false, 0, 9)));
        assert_eq!(redis(b"$5"), None);
    }
}
