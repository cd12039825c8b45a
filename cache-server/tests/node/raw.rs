//! Requests byte by byte, for what no honest client sends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.offer(bytes).await.unwrap();
    }

    /// Sends to somebody who may have closed.
    pub(crate) async fn offer(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Says that nothing more comes.
    pub(crate) async fn end(&mut self) {
        // Who has closed already has heard enough.
        let _ = self.0.shutdown().await;
    }

    /// The status of the next answer; `None` when the connection ends without one.
    pub(crate) async fn status(&mut self) -> Option<u16> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte).await {
                Ok(1) => head.push(byte[0]),
                _ => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        head.split(' ').nth(1).and_then(|status| status.parse().ok())
    }

    /// Exactly so many bytes of a body.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Everything until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        rest
    }
}

/// One request without a body; its status.
pub(crate) async fn status_of(address: &str, head: &str) -> Option<u16> {
    let mut raw = Raw::connect(address).await;
    raw.send(head.as_bytes()).await;
    raw.status().await
}
