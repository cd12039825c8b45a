//! What an sccache object is: a zip whose members are declared stored and hold one zstd frame each, named like the
//! compiler's outputs. Read from its first and last kilobytes while it passes; nothing is ever unpacked.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use rawzip::{CompressionMethod, ReaderAt, ZipArchive};

/// The list of members of the biggest objects seen takes less than one kilobyte.
const WINDOW: usize = 32 * 1024;
/// A body may come in tiny pieces, each of which takes more room than it holds.
const MANY_PIECES: usize = 64;
/// sccache writes no comment behind the list.
const SEARCH: u64 = 1024;
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
const ZSTD_FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What cargo appends to a crate's name: `-C extra-filename`.
const HASH_DIGITS: usize = 16;
/// crates.io takes names of up to 64 characters.
const MAX_NAME: usize = 64;

/// The body is not what sccache makes: cut off, a page of some proxy, zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One compilation unit as cargo tells them apart: crate, and a hash of its version, features, profile and compiler.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Unit {
    name: Box<str>,
    hash: u64,
}

impl Unit {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn into_name(self) -> Box<str> {
        self.name
    }

    /// `libserde-0123456789abcdef.rlib`: the unit of a library. Anything else is no name that cargo gives.
    pub(super) fn of_member(member: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(member).ok()?;
        let stem = text.strip_suffix(".rlib").or_else(|| text.strip_suffix(".rmeta"))?;
        let (name, hash) = stem.strip_prefix("lib")?.rsplit_once('-')?;
        let is_name =
            (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit());
        (is_name && is_hash).then_some(())?;
        Some(Self { name: name.into(), hash: u64::from_str_radix(hash, 16).ok()? })
    }
}

/// Looks at an object as its pieces pass. Holds on to the pieces of its first and of its last 32 KiB, and copies nothing
/// where one piece has them.
#[derive(Debug, Default)]
pub(crate) struct Inspector {
    head: End,
    tail: End,
    length: u64,
}

impl Inspector {
    pub(crate) fn see(&mut self, piece: &Bytes) {
        let of_head = piece.len().min(WINDOW - self.head.length);
        if of_head > 0 {
            self.head.push(piece.slice(..of_head));
        }
        self.tail.push(piece.clone());
        self.length += piece.len() as u64;
    }

    /// What the object is, now that it is whole: the unit, where it is one of Rust's.
    pub(crate) fn finish(mut self) -> Result<Option<Unit>, Malformed> {
        let head = self.head.join();
        if !head.starts_with(&LOCAL_HEADER) {
            return Err(Malformed);
        }
        let seen = Seen { head, tail: self.tail.join(), length: self.length };
        seen.unit().map_err(|_| Malformed)
    }
}

/// The last bytes of what has passed: 32 KiB, and what the piece in which they begin has before that.
#[derive(Debug, Default)]
struct End {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl End {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        self.pieces.push_back(piece);
        while let Some(first) = self.pieces.front().map(Bytes::len).filter(|first| self.length - first >= WINDOW) {
            self.length -= first;
            self.pieces.pop_front();
        }
        if self.pieces.len() > MANY_PIECES {
            self.join();
        }
    }

    /// Makes one piece of them, of 32 KiB at most.
    fn join(&mut self) -> Bytes {
        let all = match self.pieces.make_contiguous() {
            [only] => only.clone(),
            pieces => pieces.concat().into(),
        };
        let all = all.slice(all.len().saturating_sub(WINDOW)..);
        self.length = all.len();
        self.pieces = VecDeque::from([all.clone()]);
        all
    }
}

/// The beginning and the end of an object.
#[derive(Debug)]
struct Seen {
    head: Bytes,
    tail: Bytes,
    length: u64,
}

impl Seen {
    fn unit(self) -> Result<Option<Unit>, rawzip::Error> {
        let length = self.length;
        let broken = || rawzip::Error::from(io::Error::from(io::ErrorKind::InvalidData));
        let mut buffer = vec![0; 4 * 1024];
        let locator = ZipArchive::with_max_search_space(SEARCH);
        let archive = locator.locate_in_reader(self, &mut buffer, length).map_err(|(_, error)| error)?;
        let members_end = archive.directory_offset();
        let (mut members, mut first, mut unit) = (0, u64::MAX, None);
        let mut entries = archive.entries(&mut buffer);
        while let Some(entry) = entries.next_entry()? {
            members += 1;
            let at = entry.local_header_offset();
            first = first.min(at);
            let ends = at.checked_add(entry.compressed_size_hint()).ok_or_else(broken)?;
            if entry.compression_method() != CompressionMethod::STORE || ends > members_end {
                return Err(broken());
            }
            unit = unit.or_else(|| Unit::of_member(entry.file_path().as_bytes()));
            let seen = archive.get_ref();
            // Where a member in the middle begins was not kept; the client checks each frame when it unpacks.
            if !seen.has(at) {
                continue;
            }
            let (data, _) = archive.get_entry(entry.wayfinder())?.compressed_data_range();
            let mut magic = [0; ZSTD_FRAME.len()];
            seen.read_exact_at(&mut magic, data)?;
            if magic != ZSTD_FRAME {
                return Err(broken());
            }
        }
        let is_whole = first == 0 && members == archive.entries_hint() && archive.end_offset() == length;
        if is_whole { Ok(unit) } else { Err(broken()) }
    }

    fn tail_at(&self) -> u64 {
        self.length - self.tail.len() as u64
    }

    /// Whether a member that begins there was seen as far as its first bytes.
    fn has(&self, at: u64) -> bool {
        /// A local header with a file name, and the frame's mark.
        const BEGINNING: u64 = 512;
        at.saturating_add(BEGINNING) <= self.head.len() as u64 || at >= self.tail_at()
    }
}

impl ReaderAt for Seen {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = |window: &Bytes, begin: u64| {
            let at = usize::try_from(offset.checked_sub(begin)?).ok()?;
            let there = window.get(at..)?;
            let n = there.len().min(buffer.len());
            Some((at, n))
        };
        let (window, (at, n)) = if let Some(range) = from(&self.tail, self.tail_at()) {
            (&self.tail, range)
        } else if let Some(range) = from(&self.head, 0).filter(|(_, n)| *n > 0) {
            (&self.head, range)
        } else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        buffer[..n].copy_from_slice(&window[at..at + n]);
        Ok(n)
    }
}

#[cfg(test)]
#[path = "contents_tests.rs"]
mod tests;
