//! A cache node that is well at first and then goes bad in one chosen way, in the middle of a build.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How it goes bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It does not: it stores nothing and has nothing, at once.
    Empty,
    /// It takes connections and requests and never says a word.
    Hangs,
    /// It says 500 to everything.
    Fails,
    /// It breaks all connections and takes none any more.
    Dies,
}

/// A running node; its threads end with the process.
#[derive(Debug)]
pub struct Far {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Node {
    manner: Manner,
    /// So many requests are answered well.
    good: usize,
    requests: Arc<AtomicUsize>,
    open: Mutex<Vec<TcpStream>>,
}

impl Far {
    /// Starts one that answers `good` requests before it goes bad.
    pub fn start(manner: Manner, good: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let requests = Arc::new(AtomicUsize::new(0));
        let node = Arc::new(Node { manner, good, requests: Arc::clone(&requests), open: Mutex::default() });
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if node.is_dead() {
                    // The listener goes with this thread: connections are refused from now on.
                    return;
                }
                node.keep(&stream);
                let node = Arc::clone(&node);
                thread::spawn(move || node.converse(stream));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many requests have reached it.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Node {
    fn is_bad(&self) -> bool {
        self.manner != Manner::Empty && self.requests.load(Ordering::SeqCst) > self.good
    }

    fn is_dead(&self) -> bool {
        self.manner == Manner::Dies && self.is_bad()
    }

    fn keep(&self, stream: &TcpStream) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(stream.try_clone().expect("a socket can be shared"));
    }

    fn converse(&self, mut stream: TcpStream) {
        while let Some((method, length)) = read_head(&mut stream) {
            self.requests.fetch_add(1, Ordering::SeqCst);
            if self.is_dead() {
                let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                for stream in open.iter() {
                    let _gone = stream.shutdown(Shutdown::Both);
                }
                return;
            }
            if std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).is_err() {
                return;
            }
            let status = match self.manner {
                Manner::Hangs if self.is_bad() => continue,
                Manner::Fails if self.is_bad() => "500 Internal Server Error",
                _ if method == "PUT" => "201 Created",
                _ => "404 Not Found",
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The method and how long the body is; `None` at the end of the connection.
fn read_head(stream: &mut TcpStream) -> Option<(String, u64)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    Some((head.split(' ').next()?.to_ascii_uppercase(), length.unwrap_or_default()))
}
