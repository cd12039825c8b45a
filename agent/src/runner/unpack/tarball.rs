//! Reads a `.tar.gz`. Headers are read raw and one by one: the archive reader's own joining of long names would read as
//! much into memory as a header claims.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, EntryType, PaxExtensions};

use super::ground::{Ground, Use, refused};
use super::{Problem, UnpackError};

/// The longest header that only describes the next one. Real ones hold one path.
const LONGEST_DESCRIPTION: u64 = 64 << 10;
/// What may follow the end of the archive: zeros up to a whole record of the tape that nobody has any more.
const LONGEST_PADDING: u64 = 1 << 20;

const SET_ID_BITS: u32 = 0o6000;
const ANY_EXECUTE_BIT: u32 = 0o111;

/// What headers said of the entry after them.
#[derive(Debug, Default)]
struct Described {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

pub(super) fn unpack(source: impl io::BufRead, ground: &mut Ground<'_>) -> Result<(), UnpackError> {
    let mut source = MultiGzDecoder::new(source);
    let mut archive = Archive::new(&mut source);
    let mut described = Described::default();
    for entry in archive.entries().map_err(read)?.raw(true) {
        let mut entry = entry.map_err(read)?;
        ground.count()?;
        if !describe(&mut entry, &mut described)? {
            place(&mut entry, std::mem::take(&mut described), ground)?;
        }
    }
    // To the end of the stream, whose own checksum stands there.
    let padding = io::copy(&mut source.take(LONGEST_PADDING), &mut io::sink()).map_err(read)?;
    if padding < LONGEST_PADDING { Ok(()) } else { Err(read(io::ErrorKind::InvalidData.into())) }
}

/// Takes in a header that describes the next entry; `false` when this is an entry itself.
fn describe(entry: &mut tar::Entry<'_, impl Read>, described: &mut Described) -> Result<bool, UnpackError> {
    let kind = entry.header().entry_type();
    let name = || entry.path_bytes().into_owned();
    match kind {
        EntryType::GNULongName => described.name = Some(without_zero(description(entry)?)),
        EntryType::GNULongLink => described.link = Some(without_zero(description(entry)?)),
        EntryType::XHeader => {
            let name = name();
            let text = description(entry)?;
            for field in PaxExtensions::new(&text) {
                let field = field.map_err(read)?;
                match field.key_bytes() {
                    b"path" => described.name = Some(field.value_bytes().to_owned()),
                    b"linkpath" => described.link = Some(field.value_bytes().to_owned()),
                    // A second opinion on how long the entry is: readers that disagree see different archives.
                    b"size" => return Err(refused(&name, Problem::Header)),
                    key if key.starts_with(b"GNU.sparse") => return Err(refused(&name, Problem::Header)),
                    _ => {}
                }
            }
        }
        // Says the same of every entry: nothing that we would take.
        EntryType::XGlobalHeader => drop(description(entry)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn description(entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>, UnpackError> {
    if entry.size() > LONGEST_DESCRIPTION {
        return Err(refused(&entry.path_bytes(), Problem::Header));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(read)?;
    Ok(text)
}

fn without_zero(mut text: Vec<u8>) -> Vec<u8> {
    while text.last() == Some(&0) {
        text.pop();
    }
    text
}

fn place(
    entry: &mut tar::Entry<'_, impl Read>,
    described: Described,
    ground: &mut Ground<'_>,
) -> Result<(), UnpackError> {
    let name = described.name.unwrap_or_else(|| entry.path_bytes().into_owned());
    let header = entry.header();
    let mode = header.mode().map_err(read)?;
    let target = described.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
    let target = target.unwrap_or_default();
    let time = header.mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
    let kind = header.entry_type();
    if mode & SET_ID_BITS != 0 {
        return Err(refused(&name, Problem::SetId));
    }
    match kind {
        EntryType::Directory => ground.directory(&name)?,
        EntryType::Symlink => ground.symbolic_link(&name, &target)?,
        EntryType::Link => ground.hard_link(&name, &target)?,
        // Very old archives spell directories so; nobody makes them any more.
        EntryType::Regular if name.ends_with(b"/") => return Err(refused(&name, Problem::Name)),
        EntryType::Regular => {
            if let Some(time) = time {
                ground.saw_time(time);
            }
            let used_to = if mode & ANY_EXECUTE_BIT == 0 { Use::Read } else { Use::Run };
            let mut left = entry.size();
            ground.file(&name, used_to, &mut Whole { source: entry, left: &mut left })?;
        }
        other => return Err(refused(&name, Problem::Kind { kind: in_words(other) })),
    }
    Ok(())
}

/// Reads an entry to its end, and takes an archive that stops before it for damaged.
struct Whole<'a, R> {
    source: R,
    left: &'a mut u64,
}

impl<R: Read> Read for Whole<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        *self.left = self.left.saturating_sub(read as u64);
        if read == 0 && *self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}

fn in_words(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Block => "a block device",
        EntryType::Char => "a character device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}

fn read(cause: io::Error) -> UnpackError {
    UnpackError::Read { cause }
}
