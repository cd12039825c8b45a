//! What an sccache object is: a zip whose members are declared stored and hold one zstd frame each, named like the
//! compiler's outputs. Read from its first and last kilobytes while it passes; nothing is ever unpacked.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use rawzip::{CompressionMethod, ReaderAt, ZipArchive};

/// The list of members of the biggest objects seen takes less than one kilobyte.
const WINDOW: usize = 32 * 1024;
/// sccache writes no comment behind the list.
const SEARCH: u64 = 1024;
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

/// Looks at an object as its pieces pass. Holds on to its beginning and its end: twice 32 KiB and what the pieces there
/// have beyond that.
#[derive(Debug, Default)]
pub(crate) struct Inspector {
    head: Vec<u8>,
    tail: VecDeque<Bytes>,
    tail_length: usize,
    length: u64,
}

impl Inspector {
    pub(crate) fn see(&mut self, piece: &Bytes) {
        let of_head = piece.len().min(WINDOW - self.head.len());
        self.head.extend_from_slice(&piece[..of_head]);
        self.length += piece.len() as u64;
        self.tail_length += piece.len();
        self.tail.push_back(piece.clone());
        while let Some(first) = self.tail.front().map(Bytes::len).filter(|first| self.tail_length - first >= WINDOW) {
            self.tail_length -= first;
            self.tail.pop_front();
        }
    }

    /// What the object is, now that it is whole: the unit, where it is one of Rust's.
    pub(crate) fn finish(self) -> Result<Option<Unit>, Malformed> {
        let tail: Vec<u8> = self.tail.iter().flatten().copied().collect();
        let seen = Seen { head: self.head, tail, length: self.length };
        seen.unit().map_err(|_| Malformed)
    }
}

/// The beginning and the end of an object.
#[derive(Debug)]
struct Seen {
    head: Vec<u8>,
    tail: Vec<u8>,
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
        let from = |window: &[u8], begin: u64| {
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
