//! A store's objects as one tar archive, and back. Each entry is an object as it travels between nodes: sealed with the
//! key that the fleet shares, under its name. So an archive keeps realm, scope, key, writer and time of storing, and
//! whoever keeps it can lose objects but not change one or make one up. The last entry says how many there are, and how
//! many are not whole; an archive that could not be ended has none.
//!
//! ```text
//! objects/<64 hex digits>   a sealed record
//! end.json                  {"objects":n,"missing":m}
//! ```

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes as Data;
use futures_util::StreamExt as _;
use hearth_model::Bytes;
use tar::{Archive, EntryType, Header};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::protocol::{LARGEST_PIECE, Piece, Report, Said, Which, break_off, receive_piece, send_piece};
use super::work::{Scan, WorkError, say};
use crate::access::Gate;
use crate::appender::Filed;
use crate::disk::Patience;
use crate::keys::ObjectName;
use crate::node::Node;
use crate::reads::{Part, find_named};
use crate::store::Store;
use crate::uploads::{Failure, Upload};
use crate::upstream::{Opener, SealKey, Unsealed, record_of};

const BLOCK: u64 = 512;
const OBJECTS: &str = "objects/";
const END: &str = "end.json";
/// The last entry is no longer.
const LARGEST_END: u64 = 1024;
/// What the disk may take for one object; nobody compiles meanwhile.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pieces of an archive that have come and were not read yet.
const AHEAD: usize = 4;
/// Read from an entry in one go.
const PIECE: usize = 256 << 10;

#[derive(serde::Serialize, serde::Deserialize)]
struct End {
    objects: u64,
    /// What was to be there and is not.
    missing: u64,
}

pub(super) async fn export(node: &Node, which: &Which, stream: &mut UnixStream) -> Result<Report, WorkError> {
    // Nothing of an archive is begun before its list is.
    let listed = Scan::begin(node.store(), which).await?;
    say(stream, &Said::Archive).await?;
    let written = write(node, listed, stream).await;
    if written.is_err() {
        // Who has gone need not be told.
        let _ = break_off(stream).await;
    }
    written
}

async fn write(node: &Node, mut listing: Scan, stream: &mut UnixStream) -> Result<Report, WorkError> {
    let store = node.store();
    let (mut objects, mut bytes, mut unreadable) = (0, 0, 0);
    while let Some(listed) = listing.next().await {
        let mut patience = Patience::new(PATIENCE);
        // Gone since it was listed, or damaged.
        let Ok(found) = find_named(store, vec![listed.name], Part::Whole, &mut patience).await else {
            unreadable += 1;
            continue;
        };
        let modified = found.info.stored_at.as_millis() / 1000;
        let (size, mut record) = record_of(found, node.seal().clone());
        send(stream, header(&format!("{OBJECTS}{}", listed.name.to_hex()), size, modified)?.as_bytes()).await?;
        let mut sent = 0;
        while let Some(Ok(piece)) = record.next().await {
            sent += piece.len() as u64;
            for piece in piece.chunks(LARGEST_PIECE as usize) {
                send(stream, piece).await?;
            }
        }
        if sent == size {
            objects += 1;
            bytes += listed.length;
        } else {
            // The archive stays whole: what is missing is filled up, and does not open on the other side.
            unreadable += 1;
        }
        fill(stream, size - sent + padding(size)).await?;
    }
    let lost_log = Bytes(listing.end().await?.damaged);
    // Nobody knows what a damaged log told of; it was something.
    let missing = unreadable + u64::from(lost_log.0 > 0);
    let end = serde_json::to_vec(&End { objects, missing }).map_err(|error| WorkError::Archive(error.into()))?;
    let size = end.len() as u64;
    send(stream, header(END, size, 0)?.as_bytes()).await?;
    send(stream, &end).await?;
    fill(stream, padding(size) + 2 * BLOCK).await?;
    send(stream, &[]).await?;
    Ok(Report::Exported { objects, bytes: Bytes(bytes), unreadable, lost_log })
}

async fn send(stream: &mut UnixStream, piece: &[u8]) -> Result<(), WorkError> {
    send_piece(stream, piece).await.map_err(WorkError::Caller)
}

fn header(path: &str, size: u64, modified: i64) -> Result<Header, WorkError> {
    let mut header = Header::new_ustar();
    header.set_path(path).map_err(WorkError::Archive)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(modified).unwrap_or(0));
    header.set_cksum();
    Ok(header)
}

/// What is missing to a whole block.
fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

async fn fill(stream: &mut UnixStream, mut zeros: u64) -> Result<(), WorkError> {
    const ZEROS: [u8; 4096] = [0; 4096];
    while zeros > 0 {
        let now = usize::try_from(zeros).unwrap_or(ZEROS.len()).min(ZEROS.len());
        send(stream, &ZEROS[..now]).await?;
        zeros -= now as u64;
    }
    Ok(())
}

#[derive(Debug, Default, Clone, Copy)]
struct Imported {
    stored: u64,
    present: u64,
    bytes: u64,
    refused: u64,
    missing: u64,
}

pub(super) async fn import(node: &Node, stream: &mut UnixStream) -> Result<Report, WorkError> {
    let (pieces, coming) = mpsc::channel(AHEAD);
    let into = Into { store: Arc::clone(node.store()), gate: Arc::clone(node.gate()), seal: node.seal().clone() };
    let runtime = Handle::current();
    let reading = tokio::task::spawn_blocking(move || read(&into, &runtime, Coming { coming, piece: Data::new() }));
    loop {
        match receive_piece(stream).await {
            Ok(Piece::Bytes(piece)) => {
                // The reading has ended; it says why.
                if pieces.send(Ok(piece)).await.is_err() {
                    break;
                }
            }
            Ok(Piece::End | Piece::BrokenOff) => break,
            Err(error) => {
                let _ = pieces.send(Err(error)).await;
                break;
            }
        }
    }
    drop(pieces);
    let Imported { stored, present, bytes, refused, missing } = reading.await.map_err(|_| WorkError::Closing)??;
    Ok(Report::Imported { stored, present, bytes: Bytes(bytes), refused, missing })
}

/// Where objects of an archive go.
struct Into {
    store: Arc<Store>,
    gate: Arc<Gate>,
    seal: SealKey,
}

/// The archive as it comes.
struct Coming {
    coming: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Data,
}

impl Read for Coming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.coming.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?.into(),
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Reads an archive to its end. What came before an error is stored. Blocks.
fn read(into: &Into, runtime: &Handle, coming: Coming) -> Result<Imported, WorkError> {
    let mut imported = Imported::default();
    let (mut seen, mut end) = (0, None);
    let mut archive = Archive::new(coming);
    for entry in archive.entries().map_err(WorkError::Archive)?.raw(true) {
        let mut entry = entry.map_err(WorkError::Archive)?;
        let size = entry.size();
        let path = entry.path_bytes().into_owned();
        let path = std::str::from_utf8(&path).unwrap_or_default();
        if entry.header().entry_type() != EntryType::Regular || end.is_some() {
            return Err(WorkError::Damaged("it holds something that no export writes"));
        }
        if path == END && size <= LARGEST_END {
            let said: Result<End, _> = serde_json::from_reader(&mut entry);
            end = Some(said.map_err(|_| WorkError::Damaged("its last entry cannot be read"))?);
            continue;
        }
        let name = path.strip_prefix(OBJECTS).and_then(ObjectName::from_hex);
        let name = name.ok_or(WorkError::Damaged("it holds something that no export writes"))?;
        seen += 1;
        match take_in(into, runtime, name, &mut entry, size) {
            Ok((Filed::New, length)) => {
                imported.stored += 1;
                imported.bytes += length;
            }
            Ok(_) => imported.present += 1,
            Err(Refused::Failed(Failure::NoRoom)) => return Err(WorkError::Full),
            Err(Refused::Lost(error)) => return Err(WorkError::Archive(error)),
            Err(Refused::Short) => return Err(WorkError::Damaged("it ends within an object")),
            Err(Refused::Unsealed | Refused::Failed(_)) => imported.refused += 1,
        }
    }
    match end {
        None => Err(WorkError::Damaged("its end is missing")),
        Some(End { objects, .. }) if objects > seen => Err(WorkError::Damaged("objects are missing in it")),
        Some(End { missing, .. }) => Ok(Imported { missing, ..imported }),
    }
}

/// Why an object of an archive was not stored.
enum Refused {
    /// Not sealed by this fleet under its name, revoked here, or changed.
    Unsealed,
    Failed(Failure),
    Lost(io::Error),
    Short,
}

impl From<Unsealed> for Refused {
    fn from(_: Unsealed) -> Self {
        Self::Unsealed
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Stores one object, unless its name is taken. Blocks.
fn take_in(
    into: &Into,
    runtime: &Handle,
    name: ObjectName,
    entry: &mut impl Read,
    size: u64,
) -> Result<(Filed, u64), Refused> {
    let mut opener = Opener::new(into.seal.clone(), name);
    let mut record = Record { entry, left: 0..size };
    let head = loop {
        if let Some(head) = opener.head()? {
            break head;
        }
        opener.push(&record.next()?.ok_or(Refused::Unsealed)?);
    };
    if head.is_revoked(&into.gate) {
        return Err(Refused::Unsealed);
    }
    let length = head.length;
    let mut upload = runtime.block_on(Upload::begin(&into.store, head.into_offer()))?.with_patience(PATIENCE);
    loop {
        while let Some(chunk) = opener.next()? {
            runtime.block_on(upload.write(chunk))?;
        }
        let Some(piece) = record.next()? else { break };
        opener.push(&piece);
    }
    opener.finish()?;
    Ok((runtime.block_on(upload.file())?, length))
}

/// The bytes of an entry, of which there have to be as many as its header says.
struct Record<'a, R> {
    entry: &'a mut R,
    left: Range<u64>,
}

impl<R: Read> Record<'_, R> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Refused> {
        let mut piece = vec![0; usize::try_from(self.left.end - self.left.start).unwrap_or(PIECE).min(PIECE)];
        if piece.is_empty() {
            return Ok(None);
        }
        let length = self.entry.read(&mut piece).map_err(Refused::Lost)?;
        if length == 0 {
            return Err(Refused::Short);
        }
        self.left.start += length as u64;
        piece.truncate(length);
        Ok(Some(piece))
    }
}
