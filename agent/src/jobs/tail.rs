//! A log file as it grows, in bounded pieces and whole lines. A job may have chosen some of the words in it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Read at a time. A line that is longer comes in pieces.
const PIECE: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    read: u64,
}

impl Tail {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// The whole lines that were added, a bounded piece of them; empty when there is nothing new. A file that has become
    /// shorter is another one, and is read from its beginning.
    pub(super) fn next(&mut self) -> io::Result<String> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            other => other?,
        };
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut piece = Vec::new();
        file.take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.len() < PIECE {
            let whole = piece.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            piece.truncate(whole);
        }
        self.read += piece.len() as u64;
        Ok(String::from_utf8_lossy(&piece).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_come_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.next().unwrap(), "", "there is no file yet");
        fs::write(&path, "one\ntw").unwrap();
        assert_eq!(tail.next().unwrap(), "one\n");
        assert_eq!(tail.next().unwrap(), "");
        fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(tail.next().unwrap(), "two\n");
        fs::write(&path, "new\n").unwrap();
        assert_eq!(tail.next().unwrap(), "new\n", "it is another file");
    }

    #[test]
    fn what_is_long_comes_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "x".repeat(PIECE + 1) + "\n").unwrap();
        let mut tail = Tail::new(path);
        assert_eq!([(); 3].map(|()| tail.next().unwrap().len()), [PIECE, 2, 0]);
    }
}
