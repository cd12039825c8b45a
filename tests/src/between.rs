//! Somebody between a client and a server who hands on every byte as it is and writes down what is asked for. It knows
//! of HTTP/1.1 where one request ends and the next begins, and nothing else.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The first line of a request, without the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub target: String,
}

/// A running one; its threads end with the process.
#[derive(Debug)]
pub struct Between {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Between {
    /// One before this server.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let book = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let book = Arc::clone(&book);
                thread::spawn(move || {
                    let _either_has_gone = converse(client, server, &book);
                });
            }
        });
        Self { address, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What was asked since the last time.
    pub fn taken(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn converse(client: TcpStream, server: SocketAddr, book: &Mutex<Vec<Asked>>) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _either_has_gone = io::copy(&mut answers, &mut back);
        let _gone = back.shutdown(Shutdown::Both);
    });
    let mut client = BufReader::new(client);
    let ended = loop {
        match hand_on(&mut client, &mut server, book) {
            Ok(true) => {}
            ended => break ended,
        }
    };
    let _gone = server.shutdown(Shutdown::Write);
    ended.map(drop)
}

/// One request; `false` when there is none any more.
fn hand_on(client: &mut impl BufRead, server: &mut impl Write, book: &Mutex<Vec<Asked>>) -> io::Result<bool> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_until(b'\n', &mut head)? == 0 {
            return Ok(false);
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split(' ').map(str::to_owned);
    if let (Some(method), Some(target)) = (words.next(), words.next()) {
        book.lock().unwrap_or_else(PoisonError::into_inner).push(Asked { method, target });
    }
    server.write_all(&head)?;
    let text = text.to_ascii_lowercase();
    let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    if header("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
        return chunks(client, server);
    }
    let length = header("content-length").map_or(Ok(0), |text| text.parse().map_err(|_| io::ErrorKind::InvalidData))?;
    Ok(io::copy(&mut client.take(length), server)? == length)
}

/// A body of chunks, with what follows the last one.
fn chunks(client: &mut impl BufRead, server: &mut impl Write) -> io::Result<bool> {
    loop {
        let size = line(client, server)?;
        let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.map_err(|_| io::ErrorKind::InvalidData)?;
        if size == 0 {
            break;
        }
        // The chunk's own end of line is two bytes.
        if io::copy(&mut client.take(size + 2), server)? != size + 2 {
            return Ok(false);
        }
    }
    while !line(client, server)?.trim().is_empty() {}
    Ok(true)
}

fn line(client: &mut impl BufRead, server: &mut impl Write) -> io::Result<String> {
    let mut line = Vec::new();
    client.read_until(b'\n', &mut line)?;
    server.write_all(&line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: &[(&str, &str)]) {
        let (mut client, mut server, book) = (bytes.as_bytes(), Vec::new(), Mutex::default());
        while hand_on(&mut client, &mut server, &book).unwrap() {}
        assert_eq!(String::from_utf8(server).unwrap(), bytes);
        let expected: Vec<_> = expected
            .iter()
            .map(|(method, target)| Asked { method: (*method).into(), target: (*target).into() })
            .collect();
        assert_eq!(book.into_inner().unwrap(), expected);
    }

    #[test]
    fn every_request_is_counted_once_whatever_its_body_looks_like() {
        let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
        let put = "PUT /b HTTP/1.1\r\nContent-Length: 29\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n";
        let chunked =
            "PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nGET /\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n";
        check("", &[]);
        check(&[get, put, chunked, get].concat(), &[("GET", "/a"), ("PUT", "/b"), ("PUT", "/c"), ("GET", "/a")]);
    }
}
