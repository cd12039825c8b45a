//! The body of a request on its way in, with limits: a client that stalls, trickles or breaks off is cut.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::counts::Traffic;
use crate::reads::Broken;

/// The body did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut;

/// What a dialect does with a body on its way in: takes its framing off, and checks it.
pub(crate) trait Screen: fmt::Debug + Send {
    /// Takes bytes from the front of `wire`, and gives the next ones of the object, if there are any among them.
    fn pass(&mut self, wire: &mut Bytes) -> Result<Option<Bytes>, Cut>;
    /// Whether all came that should, and is what it should be.
    fn end(&mut self) -> Result<(), Cut>;
}

/// Where a body comes from.
enum Wire {
    Client(Incoming),
    /// An object of this node.
    Node(BoxStream<'static, Result<Bytes, Broken>>),
}

impl Wire {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        match self {
            // Trailers of HTTP say nothing to us.
            Self::Client(body) => {
                let frame = body.frame().await?;
                Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(|_| Cut))
            }
            Self::Node(stream) => Some(stream.next().await?.map_err(|Broken| Cut)),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "Client",
            Self::Node(_) => "Node",
        })
    }
}

#[derive(Debug)]
pub(crate) struct Inflow {
    body: Wire,
    screen: Option<Box<dyn Screen>>,
    /// What came and did not pass the screen yet.
    wire: Bytes,
    /// What the head promised.
    length: u64,
    received: u64,
    stall: Duration,
    deadline: Instant,
    /// The SHA-256 that the body must have, and what has come of it.
    content: Option<([u8; 32], Sha256)>,
    traffic: Arc<Traffic>,
}

impl Inflow {
    pub(crate) fn new(body: Incoming, length: u64, limits: &Limits, traffic: Arc<Traffic>) -> Self {
        Self::of(Wire::Client(body), length, limits, traffic)
    }

    /// A body that is read here, and sent by nobody.
    pub(crate) fn of_stream(
        stream: BoxStream<'static, Result<Bytes, Broken>>,
        length: u64,
        limits: &Limits,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self::of(Wire::Node(stream), length, limits, traffic)
    }

    fn of(body: Wire, length: u64, limits: &Limits, traffic: Arc<Traffic>) -> Self {
        Self {
            body,
            screen: None,
            wire: Bytes::new(),
            length,
            received: 0,
            stall: limits.client_stall,
            deadline: Instant::now() + limits.upload,
            content: None,
            traffic,
        }
    }

    /// From now on a body with another SHA-256 (64 hex digits) is a body that did not come whole.
    pub(crate) fn must_hash_to(&mut self, digest: &str) {
        // A text that is no digest is matched by no body.
        let digest = blake3::Hash::from_hex(digest).map_or([0; 32], |digest| *digest.as_bytes());
        self.content = Some((digest, Sha256::new()));
    }

    /// From now on the body passes through `screen`; its promised length is that of what comes out.
    pub(crate) fn screened(mut self, screen: Box<dyn Screen>) -> Self {
        self.screen = Some(screen);
        self
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes; `None` once exactly the promised number has come.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        loop {
            while !self.wire.is_empty() {
                let passed = match &mut self.screen {
                    Some(screen) => screen.pass(&mut self.wire)?,
                    None => Some(std::mem::take(&mut self.wire)),
                };
                if let Some(bytes) = passed {
                    return self.counted(bytes).map(Some);
                }
            }
            let until = self.deadline.min(Instant::now() + self.stall);
            match timeout_at(until, self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.wire = bytes,
                Ok(None) if self.received == self.length => return self.checked(),
                Ok(None | Some(Err(Cut))) | Err(_) => return Err(Cut),
            }
        }
    }

    fn counted(&mut self, bytes: Bytes) -> Result<Bytes, Cut> {
        self.received += bytes.len() as u64;
        self.traffic.received.add(bytes.len() as u64);
        if self.received > self.length {
            return Err(Cut);
        }
        if let Some((_, hash)) = &mut self.content {
            hash.update(&bytes);
        }
        Ok(bytes)
    }

    fn checked(&mut self) -> Result<Option<Bytes>, Cut> {
        if let Some(screen) = &mut self.screen {
            screen.end()?;
        }
        let is_other = |(digest, hash): ([u8; 32], Sha256)| hash.finalize()[..] != digest;
        if self.content.take().is_some_and(is_other) { Err(Cut) } else { Ok(None) }
    }

    /// Takes the rest and drops it, so that the connection can go on.
    pub(crate) async fn drain(&mut self) -> Result<(), Cut> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}
