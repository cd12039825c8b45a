//! An object on its way from the far node: passed on as it comes, broken off when the far node stalls, breaks or takes
//! longer in all than a far node may.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::time::{Instant, Sleep, sleep_until};

use super::client::Health;
use crate::reads::Broken;

pub(crate) struct FarStream {
    /// Read already, to know before the answer that the far node sends at all.
    first: Option<Bytes>,
    rest: reqwest::Body,
    left: u64,
    stall: Duration,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
    health: Arc<Health>,
}

impl std::fmt::Debug for FarStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FarStream").field("left", &self.left).finish_non_exhaustive()
    }
}

impl FarStream {
    pub(crate) fn new(
        length: u64,
        first: Option<Bytes>,
        rest: reqwest::Body,
        stall: Duration,
        whole: Duration,
        health: Arc<Health>,
    ) -> Self {
        let now = Instant::now();
        let deadline = now + whole;
        Self {
            first,
            rest,
            left: length,
            stall,
            deadline,
            timer: Box::pin(sleep_until(deadline.min(now + stall))),
            health,
        }
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        loop {
            let next = match self.first.take() {
                Some(bytes) => Poll::Ready(Some(Ok(bytes))),
                None => Pin::new(&mut self.rest).poll_frame(cx).map_ok(|frame| frame.into_data().unwrap_or_default()),
            };
            match next {
                Poll::Ready(Some(Ok(bytes))) if bytes.is_empty() => {}
                Poll::Ready(Some(Ok(bytes))) if bytes.len() as u64 <= self.left => {
                    self.left -= bytes.len() as u64;
                    let until = self.deadline.min(Instant::now() + self.stall);
                    self.timer.as_mut().reset(until);
                    return Poll::Ready(Some(Ok(bytes)));
                }
                // Ended too early, broke, or sent more than it said.
                Poll::Ready(_) => return self.broken(),
                Poll::Pending if self.timer.as_mut().poll(cx).is_ready() => {
                    self.health.silent();
                    return self.broken();
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn broken(&self) -> Poll<Option<Result<Bytes, Broken>>> {
        self.health.failed();
        Poll::Ready(Some(Err(Broken)))
    }
}
