//! The body of a request on its way in, with limits: a client that stalls, trickles or breaks off is cut.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::counts::Traffic;

/// The body did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut;

#[derive(Debug)]
pub(crate) struct Inflow {
    body: Incoming,
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
        Self {
            body,
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

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes; `None` once exactly the promised number has come.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        loop {
            let until = self.deadline.min(Instant::now() + self.stall);
            match timeout_at(until, self.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    // Trailers say nothing to us.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.received += bytes.len() as u64;
                    self.traffic.received.add(bytes.len() as u64);
                    if self.received > self.length {
                        return Err(Cut);
                    }
                    if let Some((_, hash)) = &mut self.content {
                        hash.update(&bytes);
                    }
                    return Ok(Some(bytes));
                }
                Ok(None) if self.received == self.length => return self.checked(),
                Ok(None | Some(Err(_))) | Err(_) => return Err(Cut),
            }
        }
    }

    fn checked(&mut self) -> Result<Option<Bytes>, Cut> {
        let is_other = |(digest, hash): ([u8; 32], Sha256)| hash.finalize()[..] != digest;
        if self.content.take().is_some_and(is_other) { Err(Cut) } else { Ok(None) }
    }

    /// Takes the rest and drops it, so that the connection can go on.
    pub(crate) async fn drain(&mut self) -> Result<(), Cut> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}
