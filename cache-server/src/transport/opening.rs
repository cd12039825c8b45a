//! The first moments of a connection: the handshake where there is one, and the first bytes, which say what HTTP the
//! client speaks. Over TLS both sides have agreed on that; in the clear, HTTP/2 begins with a line that no HTTP/1
//! request can begin with.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;

use super::listener::Arrival;
use super::stream::Stream;
use super::way::Way;

/// With what a client that knows that we speak HTTP/2 begins (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What both sides can agree on over TLS.
pub(super) const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What the rest of the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A connection of a known protocol. Reading it begins with what had to be read to know.
#[derive(Debug)]
pub(crate) struct Opening<S> {
    first: [u8; PREFACE.len()],
    /// How much of `first` was read from the client.
    filled: usize,
    /// How much of that was given out again.
    given: usize,
    inner: S,
}

/// Waits for the client without limit; whoever calls has one.
pub(crate) async fn open(arrival: Arrival) -> io::Result<(Opening<Stream>, Protocol)> {
    let stream = match (arrival.stream, arrival.certificates) {
        (Stream::Tcp(stream), Some(certificates)) => {
            let stream = TlsAcceptor::from(certificates.current()).accept(stream).await?;
            let protocol =
                if stream.get_ref().1.alpn_protocol() == Some(ALPN[0]) { Protocol::Http2 } else { Protocol::Http1 };
            return Ok((Opening::new(Stream::Tls(Box::new(stream))), protocol));
        }
        (stream, _) => stream,
    };
    let mut opening = Opening::new(stream);
    let protocol = opening.listen().await?;
    Ok((opening, protocol))
}

impl<S> Opening<S> {
    fn new(inner: S) -> Self {
        Self { first: [0; PREFACE.len()], filled: 0, given: 0, inner }
    }
}

impl Opening<Stream> {
    pub(crate) fn way(&self) -> Way {
        match self.inner {
            Stream::Tls(_) => Way::Encrypted,
            Stream::Tcp(_) | Stream::Unix(_) => Way::Clear,
        }
    }
}

impl<S: AsyncRead + Unpin> Opening<S> {
    /// Reads until it is clear what the client speaks.
    async fn listen(&mut self) -> io::Result<Protocol> {
        while self.filled < PREFACE.len() {
            let read = self.inner.read(&mut self.first[self.filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.filled += read;
            if !PREFACE.starts_with(&self.first[..self.filled]) {
                return Ok(Protocol::Http1);
            }
        }
        Ok(Protocol::Http2)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given < this.filled {
            let rest = &this.first[this.given..this.filled];
            let now = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..now]);
            this.given += now;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// What is understood of a client that sends these pieces, and what can be read afterwards.
    async fn check(pieces: &[&[u8]], expected: Option<Protocol>) {
        let (ours, mut theirs) = duplex(1024);
        let mut opening = Opening::new(ours);
        let sent: Vec<_> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let sending = async move {
            for piece in sent {
                theirs.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (protocol, ()) = tokio::join!(opening.listen(), sending);
        assert_eq!(protocol.ok(), expected, "{pieces:?}");
        let mut all = Vec::new();
        opening.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, pieces.concat());
    }

    #[tokio::test]
    async fn the_first_bytes_tell_and_none_is_lost() {
        check(&[b"GET / HTTP/1.1\r\n\r\n"], Some(Protocol::Http1)).await;
        check(&[b"P", b"UT /x HTTP/1.1\r\n\r\n"], Some(Protocol::Http1)).await;
        check(&[b"PROPFIND / HTTP/1.1\r\n\r\n"], Some(Protocol::Http1)).await;
        check(&[b"P", b"R", b"I * HTTP/2.0\r\n\r\nSM\r\n", b"\r\nframes"], Some(Protocol::Http2)).await;
        check(&[PREFACE], Some(Protocol::Http2)).await;
        check(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n"], None).await;
        check(&[b""], None).await;
    }
}
