//! Reads a `.zip`, which is how GitHub packs the runner for Windows. Entries that share their bytes are bounded like all
//! others: by what comes out of them.

use std::fs::File;
use std::io;

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};

use super::ground::{Ground, Use, refused};
use super::{Problem, UnpackError};

/// What an entry is, in the bits of its mode.
const KIND_BITS: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SET_ID_BITS: u32 = 0o6000;
const ANY_EXECUTE_BIT: u32 = 0o111;

pub(super) fn unpack(archive: File, ground: &mut Ground<'_>) -> Result<(), UnpackError> {
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipArchive::from_file(archive, &mut buffer).map_err(damaged)?;
    let mut seen = 0_u64;
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        seen += 1;
        ground.count()?;
        let name = entry.file_path().as_bytes().to_owned();
        let mode = entry.mode().value();
        if mode & SET_ID_BITS != 0 {
            return Err(refused(&name, Problem::SetId));
        }
        if entry.is_dir() {
            ground.directory(&name)?;
            continue;
        }
        match mode & KIND_BITS {
            0 | REGULAR => {}
            // The archives for Windows have none, and what a link is there is another matter.
            _ if entry.mode().is_symlink() => return Err(refused(&name, Problem::Kind { kind: "a symbolic link" })),
            _ => return Err(refused(&name, Problem::Kind { kind: "of an unknown kind" })),
        }
        if entry.flags().is_encrypted() {
            return Err(refused(&name, Problem::Compression));
        }
        let packed = archive.get_entry(entry.wayfinder()).map_err(damaged)?;
        let used_to = if mode & ANY_EXECUTE_BIT == 0 { Use::Read } else { Use::Run };
        match entry.compression_method() {
            CompressionMethod::STORE => {
                ground.file(&name, used_to, &mut packed.verifying_reader(packed.reader()))?;
            }
            CompressionMethod::DEFLATE => {
                let inflated = DeflateDecoder::new(packed.reader());
                ground.file(&name, used_to, &mut packed.verifying_reader(inflated))?;
            }
            _ => return Err(refused(&name, Problem::Compression)),
        }
    }
    // A list that was cut short must not pass for a whole archive.
    if seen == archive.entries_hint() { Ok(()) } else { Err(damaged(io::ErrorKind::UnexpectedEof)) }
}

fn damaged(cause: impl Into<Damage>) -> UnpackError {
    UnpackError::Read { cause: cause.into().0 }
}

/// Either kind of error that reading a zip ends with.
struct Damage(io::Error);

impl From<rawzip::Error> for Damage {
    fn from(error: rawzip::Error) -> Self {
        Self(io::Error::other(error))
    }
}

impl From<io::ErrorKind> for Damage {
    fn from(kind: io::ErrorKind) -> Self {
        Self(kind.into())
    }
}
