//! What stands between a node and the one behind it: passes everything on, until it fails in one chosen way.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It takes no connection; the system does.
    TakesNone,
    /// It takes requests and says nothing.
    Silent,
    /// Half of an answer, and nothing more.
    HalfAndSilent,
    /// An answer at 1 kB/s.
    Trickles,
    /// It breaks the connection in the middle of an answer.
    Resets,
    /// It breaks every connection at once.
    Gone,
    Says(u16),
    /// One byte of each answer is another.
    Flips,
    /// Half of an answer, and an orderly end.
    Truncates,
    /// Says that half of what it sends is all.
    SaysTooLittle,
    /// Says that there is more than it sends, and ends.
    SaysTooMuch,
}

pub(crate) struct Faulty {
    /// Where it listens.
    pub(crate) address: String,
    line: Arc<Line>,
    _serving: JoinSet<()>,
}

struct Line {
    behind: String,
    fault: Mutex<Fault>,
    /// Requests that are still passed on.
    good: AtomicUsize,
    requests: AtomicUsize,
}

impl Faulty {
    /// Passes `good` requests on to the node `behind`, and then fails.
    pub(crate) async fn start(behind: &str, fault: Fault, good: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let line = Arc::new(Line {
            behind: behind.to_owned(),
            fault: Mutex::new(fault),
            good: AtomicUsize::new(good),
            requests: AtomicUsize::new(0),
        });
        let mut serving = JoinSet::new();
        let shared = Arc::clone(&line);
        serving.spawn(async move {
            let mut conversations = JoinSet::new();
            loop {
                if shared.fault() == Fault::TakesNone {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
                let (stream, _) = listener.accept().await.unwrap();
                let line = Arc::clone(&shared);
                conversations.spawn(async move {
                    let _broken_off = line.converse(stream).await;
                });
            }
        });
        Self { address, line, _serving: serving }
    }

    pub(crate) fn turn(&self, fault: Fault) {
        *self.line.fault.lock().unwrap() = fault;
    }

    pub(crate) fn requests(&self) -> usize {
        self.line.requests.load(Ordering::SeqCst)
    }
}

impl Line {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    fn next(&self) -> Fault {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let good = self.good.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |good| good.checked_sub(1));
        if good.is_ok() { Fault::None } else { self.fault() }
    }

    async fn converse(&self, mut near: TcpStream) -> io::Result<()> {
        let mut far = TcpStream::connect(&self.behind).await?;
        loop {
            let head = read_head(&mut near).await?;
            let fault = self.next();
            if fault == Fault::Gone {
                return near.set_zero_linger();
            }
            let body = read_body(&mut near, length(&head)).await?;
            match fault {
                Fault::Silent | Fault::TakesNone => std::future::pending().await,
                Fault::Says(status) => {
                    let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
                    near.write_all(answer.as_bytes()).await?;
                    continue;
                }
                _ => {}
            }
            far.write_all(head.as_bytes()).await?;
            far.write_all(&body).await?;
            let head = read_head(&mut far).await?;
            let body = read_body(&mut far, length(&head)).await?;
            if spoil(&mut near, fault, &head, body).await? {
                return Ok(());
            }
        }
    }
}

/// Sends an answer in the chosen way; whether the connection ends with it.
async fn spoil(near: &mut TcpStream, fault: Fault, head: &str, mut body: Vec<u8>) -> io::Result<bool> {
    let half = body.len() / 2;
    let said = |length: usize| {
        let length = format!("content-length: {length}");
        let lines = head.split("\r\n").map(|line| if is_length(line) { length.as_str() } else { line });
        lines.collect::<Vec<_>>().join("\r\n")
    };
    if body.is_empty() {
        near.write_all(head.as_bytes()).await?;
        return Ok(false);
    }
    match fault {
        Fault::Trickles => {
            near.write_all(head.as_bytes()).await?;
            for piece in body.chunks(100) {
                near.write_all(piece).await?;
                sleep(Duration::from_millis(100)).await;
            }
            return Ok(false);
        }
        Fault::HalfAndSilent | Fault::Resets | Fault::Truncates => {
            near.write_all(head.as_bytes()).await?;
            near.write_all(&body[..half]).await?;
            near.flush().await?;
            match fault {
                Fault::HalfAndSilent => std::future::pending().await,
                Fault::Resets => near.set_zero_linger()?,
                _ => {}
            }
            return Ok(true);
        }
        Fault::SaysTooLittle => near.write_all(said(half).as_bytes()).await?,
        Fault::SaysTooMuch => near.write_all(said(body.len() + 1000).as_bytes()).await?,
        Fault::Flips => {
            body[half] ^= 1;
            near.write_all(head.as_bytes()).await?;
        }
        _ => near.write_all(head.as_bytes()).await?,
    }
    near.write_all(&body).await?;
    Ok(matches!(fault, Fault::SaysTooLittle | Fault::SaysTooMuch))
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

async fn read_body(stream: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn is_length(line: &str) -> bool {
    line.to_ascii_lowercase().starts_with("content-length:")
}

fn length(head: &str) -> usize {
    let line = head.split("\r\n").find(|line| is_length(line));
    line.and_then(|line| line.split_once(':')?.1.trim().parse().ok()).unwrap_or(0)
}
