//! A connection that does not wait for ever: for a client that takes no bytes, or so few that it never ends, and for one
//! that begins the head of a request and does not finish it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A client that takes this much within the patience is slow, but alive.
const PROGRESS: usize = 64 * 1024;

/// Where a connection stands. Shared by a connection's stream and its service.
///
/// ```text
/// BETWEEN ──first byte──▶ HEAD ──whole head──▶ OURS ──answer──▶ BETWEEN
/// ```
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage(Arc<AtomicU8>);

/// Nothing is asked. hyper has the limit for that.
const BETWEEN: u8 = 0;
/// A head has begun and is not whole.
const HEAD: u8 = 1;
/// A request is being answered. Its body has limits of its own.
const OURS: u8 = 2;

impl Stage {
    pub(crate) fn begin(&self) {
        self.0.store(OURS, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.store(BETWEEN, Ordering::Relaxed);
    }

    /// Whether this is where a head begins.
    fn hear(&self) -> bool {
        self.0.compare_exchange(BETWEEN, HEAD, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn is_in_head(&self) -> bool {
        self.0.load(Ordering::Relaxed) == HEAD
    }
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For taking some bytes.
    pub(crate) stall: Duration,
    /// For sending a head, from its first byte to its last.
    pub(crate) head: Duration,
}

#[derive(Debug)]
pub(crate) struct Patient<S> {
    inner: S,
    patience: Patience,
    stage: Stage,
    /// Set once the rest of a head had to be waited for.
    heading: Option<Pin<Box<Sleep>>>,
    stalled: Option<Pin<Box<Sleep>>>,
    /// What was written since the client stalled.
    taken: usize,
}

impl<S> Patient<S> {
    pub(crate) fn new(inner: S, patience: Patience, stage: Stage) -> Self {
        Self { inner, patience, stage, heading: None, stalled: None, taken: 0 }
    }

    fn is_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let stall = self.patience.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn watch_write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.taken += bytes;
                if self.taken >= PROGRESS {
                    self.is_moving();
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.is_waiting(cx).map(Err),
        }
    }

    fn watch_end(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if done.is_ready() {
            self.is_moving();
            return done;
        }
        self.is_waiting(cx).map(Err)
    }

    fn is_moving(&mut self) {
        self.stalled = None;
        self.taken = 0;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if read.is_ready() {
            if buf.filled().len() > before && self.stage.hear() {
                self.heading = None;
            }
            return read;
        }
        if !self.stage.is_in_head() {
            return Poll::Pending;
        }
        let head = self.patience.head;
        let heading = self.heading.get_or_insert_with(|| Box::pin(sleep(head)));
        ready!(heading.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch_end(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch_end(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Patience = Patience { stall: Duration::from_secs(10), head: Duration::from_secs(5) };

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let (ours, mut theirs) = duplex(4);
        let mut ours = Patient::new(ours, PATIENCE, Stage::default());
        let began = Instant::now();
        let error = ours.write_all(&[0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 10);
        theirs.read_exact(&mut [0; 4]).await.unwrap();
        ours.flush().await.unwrap();
        ours.write_all(&[0; 4]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_byte_now_and_then_is_cut_off_too() {
        let (ours, mut theirs) = duplex(1024);
        let mut ours = Patient::new(ours, PATIENCE, Stage::default());
        let trickle = async {
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                if theirs.read_exact(&mut [0; 100]).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let (began, answer) = (Instant::now(), vec![0; 1 << 20]);
        let written = tokio::select! {
            written = ours.write_all(&answer) => written,
            () = trickle => Ok(()),
        };
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= 2 * PATIENCE.stall, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_that_gets_on_is_served_to_the_end() {
        let (ours, mut theirs) = duplex(PROGRESS);
        let mut ours = Patient::new(ours, PATIENCE, Stage::default());
        let taking = async {
            let mut chunk = vec![0; PROGRESS];
            for _ in 0..16 {
                tokio::time::sleep(PATIENCE.stall * 2 / 3).await;
                theirs.read_exact(&mut chunk).await.unwrap();
            }
        };
        let answer = vec![0; 16 * PROGRESS];
        let (written, ()) = tokio::join!(ours.write_all(&answer), taking);
        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_to_end_and_waiting_for_one_does_not() {
        let (ours, mut theirs) = duplex(64);
        let stage = Stage::default();
        let mut ours = Patient::new(ours, PATIENCE, stage.clone());
        let mut byte = [0];
        let idle = tokio::time::timeout(PATIENCE.head * 10, ours.read(&mut byte)).await;
        assert!(idle.is_err(), "nobody has begun anything");
        let began = Instant::now();
        let trickle = async {
            loop {
                let _gone = theirs.write_all(b"x").await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let reading = async {
            loop {
                if let Err(error) = ours.read(&mut byte).await {
                    return error;
                }
            }
        };
        let error = tokio::select! {
            error = reading => error,
            () = trickle => io::ErrorKind::Other.into(),
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 5);
        stage.end();
        stage.begin();
        let body =
            tokio::time::timeout(PATIENCE.head * 10, async { while ours.read(&mut byte).await.is_ok() {} }).await;
        assert!(body.is_err(), "a body may be slower");
    }
}
