//! A far node that misbehaves in one chosen way, and can be told to change its ways.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Accepts, reads, never answers.
    Hang,
    /// Closes as soon as it has read the head.
    Close,
    /// Answers at once, before the body, and closes.
    Say(&'static str),
    /// Reads the whole request first and answers after a while.
    Later(Duration, &'static str),
    /// The same, but the check object is there at once.
    AwakeAndLater(Duration, &'static str),
    /// Answers, and then neither goes on nor closes.
    SayAndHang(&'static str),
}

pub(crate) struct Far {
    pub(crate) url: String,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Far {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let manner = Arc::new(Mutex::new(manner));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        let (manners, count) = (Arc::clone(&manner), Arc::clone(&asked));
        serving.spawn(async move {
            let mut conversations = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let manner = *manners.lock().unwrap();
                conversations.spawn(converse(stream, manner));
            }
        });
        Self { url, manner, asked, _serving: serving }
    }

    pub(crate) fn turn(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How many connections were made to it.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn converse(mut stream: TcpStream, manner: Manner) {
    let head = read_head(&mut stream).await;
    match manner {
        Manner::Hang => std::future::pending().await,
        Manner::Close => {}
        Manner::Say(answer) => stream.write_all(answer.as_bytes()).await.unwrap_or_default(),
        Manner::SayAndHang(answer) => {
            stream.write_all(answer.as_bytes()).await.unwrap_or_default();
            std::future::pending::<()>().await;
        }
        Manner::AwakeAndLater(..) if head.contains(" /.sccache_check ") => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap_or_default();
        }
        Manner::Later(wait, answer) | Manner::AwakeAndLater(wait, answer) => {
            let length = head
                .to_ascii_lowercase()
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
            let mut body = vec![0; length];
            let _ = stream.read_exact(&mut body).await;
            tokio::time::sleep(wait).await;
            stream.write_all(answer.as_bytes()).await.unwrap_or_default();
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte).await, Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
