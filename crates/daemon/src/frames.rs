//! JSON values over a local socket, each behind its length. Both sides of every socket of ours speak this.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Sends one value of at most `largest` bytes.
pub async fn send(stream: &mut UnixStream, value: &impl Serialize, largest: u32) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let length = u32::try_from(bytes.len()).ok().filter(|n| *n <= largest);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the message is too large"))?;
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Receives one value of at most `largest` bytes.
pub async fn receive<T: DeserializeOwned>(stream: &mut UnixStream, largest: u32) -> io::Result<T> {
    let length = stream.read_u32_le().await?;
    if length > largest {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too large"));
    }
    // Grown as bytes arrive: a length that lies costs its sender's bytes, not our memory.
    let mut bytes = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_arrives_whole_or_not_at_all() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        send(&mut ours, &["a", "b"], 100).await.unwrap();
        assert_eq!(receive::<Vec<String>>(&mut theirs, 100).await.unwrap(), ["a", "b"]);
        assert_eq!(send(&mut ours, &"x".repeat(100), 100).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        send(&mut ours, &"x".repeat(100), 200).await.unwrap();
        let refused = receive::<String>(&mut theirs, 100).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_length_without_its_bytes_is_an_error() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(&50_u32.to_le_bytes()).await.unwrap();
        ours.write_all(b"\"half").await.unwrap();
        drop(ours);
        assert!(receive::<String>(&mut theirs, 100).await.is_err());
    }
}
