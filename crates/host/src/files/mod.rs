//! Files at offsets: exact reads into memory that was not cleared first, reads that never wait for a disk, writes from
//! many buffers at once, and holes that give their room back. Nothing here moves a file's own position.

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as platform;

/// File systems give room in blocks of this size, or in multiples of it.
pub const BLOCK: u64 = 4096;

/// Whether the bytes were to be had at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    Here(Vec<u8>),
    /// Some of them are not in memory; reading them would wait for the disk.
    WouldWait,
}

/// Reads exactly `length` bytes. A file that is shorter is [`io::ErrorKind::UnexpectedEof`].
pub fn read_at(file: &File, length: usize, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let from = offset + bytes.len() as u64;
        // The allocator may have given more than was asked for; what is over is cut off below.
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), from) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Reads exactly `length` bytes if the system has them in memory. Where the system cannot say, it would wait.
pub fn read_cached_at(file: &File, length: usize, offset: u64) -> io::Result<Ready> {
    platform::read_cached_at(file, length, offset)
}

/// Writes all of the buffers, one behind the other.
pub fn write_all_at(file: &File, buffers: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
    /// More in one call are refused by the system.
    const AT_ONCE: usize = 1024;
    let (mut rest, mut offset) = (buffers, offset);
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let now = rest.len().min(AT_ONCE);
        match rustix::io::pwritev(file, &rest[..now], offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut rest, written);
                offset += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Makes an empty file take this much room, so that it can be given back later by removing the file.
pub fn allocate(file: &File, length: u64) -> io::Result<()> {
    platform::allocate(file, length)
}

/// Takes room by writing, where the system has no call for it.
fn fill(file: &File, length: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0x5A).take(length), &mut &*file).map(drop)
}

/// The room that the file takes on its disk. Holes and what was never written take none.
pub fn room_taken(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    Ok(metadata.len().min(metadata.blocks() * 512))
}

/// Gives the whole blocks within `range` back to the file system; they read as zeros from then on. Returns how many
/// bytes that was. [`io::ErrorKind::Unsupported`] where files cannot have holes.
pub fn punch(file: &File, range: Range<u64>) -> io::Result<u64> {
    let length = whole_blocks(range.clone());
    if length > 0 {
        platform::punch(file, range.start.next_multiple_of(BLOCK), length)?;
    }
    Ok(length)
}

/// How many bytes of `range` are whole blocks.
pub fn whole_blocks(range: Range<u64>) -> u64 {
    (range.end / BLOCK * BLOCK).saturating_sub(range.start.next_multiple_of(BLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, &mut [IoSlice::new(bytes)], 0).unwrap();
        file
    }

    #[test]
    fn exactly_what_was_asked_for_is_read() {
        let file = file(b"0123456789");
        assert_eq!(read_at(&file, 4, 3).unwrap(), b"3456");
        assert_eq!(read_at(&file, 0, 10).unwrap(), b"");
        assert_eq!(read_at(&file, 4, 7).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_was_just_written_is_in_memory() {
        let file = file(&vec![7; 100_000]);
        match read_cached_at(&file, 5000, 50_000).unwrap() {
            Ready::Here(bytes) => assert_eq!(bytes, [7; 5000]),
            Ready::WouldWait => assert_ne!(std::env::consts::OS, "linux"),
        }
        let end = read_cached_at(&file, 2, 99_999);
        assert!(matches!(end, Ok(Ready::WouldWait) | Err(_)), "{end:?}");
    }

    #[test]
    fn many_buffers_are_written_one_behind_the_other() {
        let file = file(b"");
        let parts: Vec<[u8; 3]> = (0..5000_u32).map(|n| [(n % 251) as u8; 3]).collect();
        let mut buffers: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        buffers.insert(7, IoSlice::new(b""));
        write_all_at(&file, &mut buffers, 10).unwrap();
        assert_eq!(read_at(&file, 15_000, 10).unwrap(), parts.concat());
    }

    #[test]
    fn what_is_allocated_takes_room() {
        for allocate in [allocate, fill] {
            let file = file(b"");
            allocate(&file, 20 * BLOCK).unwrap();
            assert_eq!(room_taken(&file).unwrap(), 20 * BLOCK);
        }
    }

    #[test]
    fn a_hole_takes_no_room_and_spares_its_neighbors() {
        let file = file(&vec![7; 40_000]);
        let punched = match punch(&file, 5000..30_000) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                return assert_ne!(std::env::consts::OS, "linux");
            }
            punched => punched.unwrap(),
        };
        assert_eq!(punched, 5 * BLOCK);
        assert_eq!(read_at(&file, 4, 8190).unwrap(), [7, 7, 0, 0]);
        assert_eq!(read_at(&file, 4, 28_670).unwrap(), [0, 0, 7, 7]);
        assert!(room_taken(&file).unwrap() <= 40_000 - punched + BLOCK);
        assert_eq!(punch(&file, 100..4200).unwrap(), 0, "no whole block");
    }
}
