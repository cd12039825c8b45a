//! One HTTP/1.1 question and its answer over a socket of their own. Enough for what answers here: the admin pages and
//! a WebDriver.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::wait::PATIENCE;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "")
}

pub fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    try_ask(address, method, path, body).expect("an answer comes in time")
}

/// For those who do not mind when nobody answers.
pub fn try_ask(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut bytes = Vec::new();
    let (mut head, mut wanted) = (None, usize::MAX);
    let mut buffer = [0; 8 << 10];
    // A server that keeps the connection in spite of what it was told must not hold us up.
    while bytes.len() < wanted {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..read]);
        if head.is_none()
            && let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
            bytes.drain(..end + 4);
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            wanted = length.unwrap_or(usize::MAX);
            head = Some(text);
        }
    }
    let head = head.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head, body: String::from_utf8_lossy(&bytes).into_owned() })
}
