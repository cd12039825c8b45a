//! What the format promises of any bytes; see [`crate::fuzzing`].

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use hearth_model::{Scope, Timestamp, WriterId};
use twox_hash::XxHash3_64;

use super::format::{CHUNK, Head, PREAMBLE, gap, gap_size, preamble};
use super::hashes::{ChunkHasher, Hashes};
use super::segment::{Segment, SegmentId};
use super::walk::Walk;
use crate::fuzzing::bytes::{changed, number, text};
use crate::keys::{Address, ObjectKey, Space};

/// Mark and version, which every head has.
const BEGINNING: usize = 6;
const CHECKSUM: usize = 8;

/// A head, hashes or a gap that is taken is written as it was read; bytes that are not the stored ones never pass.
pub(crate) fn segment(bytes: &[u8]) {
    let (choice, rest) = number(bytes);
    if let Some(size) = gap_size(rest) {
        assert_eq!(rest[..gap(size).len()], gap(size));
    }
    read_head(rest);
    read_head(&with_checksum(rest));
    if let Ok(hashes) = Hashes::decode(rest, choice as u64) {
        assert_eq!(hashes.encode(choice as u64), rest);
    }
    stored(choice, rest);
}

fn read_head(bytes: &[u8]) {
    if let Ok(head) = Head::decode(bytes) {
        let written = head.encode();
        assert_eq!(written, bytes[..written.len()], "a head that is written otherwise");
        assert_eq!(Head::size_of(bytes).ok(), Some(written.len()), "a head of another size");
        let _bounded = head.layout().checked_size();
    }
}

/// A head with this body whose checksum is right, so that what is behind the checksum is reached.
fn with_checksum(body: &[u8]) -> Vec<u8> {
    let mut head = sample("").encode();
    head.truncate(BEGINNING);
    let body = &body[..body.len().min(4096)];
    let size = BEGINNING + 2 + body.len() + CHECKSUM;
    head.extend(u16::try_from(size).expect("the body was cut").to_le_bytes());
    head.extend(body);
    let checksum = XxHash3_64::oneshot(&head[4..]);
    head.extend(checksum.to_le_bytes());
    head
}

fn sample(attributes: &str) -> Head {
    let space = Space { realm: "github.com/acme/rocket".into(), scope: Scope::PullRequest(7) };
    let address = Address { space, key: ObjectKey::stored("a/b") };
    let (name, writer) = (address.name(), WriterId::from_bytes([9; 16]));
    let stored_at = Timestamp::from_millis(1_700_000_000_000);
    Head { length: 0, name, address, writer, stored_at, cost_ms: 7, attributes: attributes.into() }
}

/// What is stored is read, and any change of it is noticed.
fn stored(choice: usize, data: &[u8]) {
    let head = sample(&text(data).chars().filter(|c| !c.is_control()).take(64).collect::<String>());
    let written = head.encode();
    assert_eq!(Head::decode(&written).as_ref(), Ok(&head));
    if let Some(changed) = changed(&written, choice) {
        assert!(Head::decode(&changed).is_err(), "a changed head was read");
    }
    let length = data.len() as u64;
    let mut hasher = ChunkHasher::new(head.name);
    hasher.update(data);
    let hashes = hasher.finish();
    assert_eq!(hashes.verify(head.name, 0, data), Ok(()));
    if let Some(changed) = changed(data, choice) {
        let sound = changed.len() <= CHUNK && hashes.verify(head.name, 0, &changed).is_ok();
        assert!(!sound, "changed bytes were taken for the stored ones");
    }
    let written = hashes.encode(length);
    assert_eq!(Hashes::decode(&written, length), Ok(hashes));
    if let Some(changed) = changed(&written, choice) {
        assert!(Hashes::decode(&changed, length).is_err(), "changed hashes were read");
    }
}

/// A walk meets the records that were written and nothing in them, whatever they hold, and comes to an end in any file.
pub(crate) fn walk(bytes: &[u8]) {
    let (choice, rest) = number(bytes);
    for (offset, end, head) in walked(rest) {
        assert!(PREAMBLE <= offset && offset < end, "a record of no size");
        assert_eq!(head.layout().size(), end - offset);
    }
    let records = [rest, &b"the next"[..]].map(record);
    let mut file = records[0].clone();
    let dead = gap(24 + choice as u64);
    file.extend(dead);
    file.resize(file.len() + choice, 0);
    file.extend(&records[1]);
    file.extend(rest);
    let lengths = walked(&file).into_iter().map(|(_, _, head)| head.length).take(2);
    assert!(lengths.eq([rest.len() as u64, 8]), "a walk that went astray");
}

/// A whole record of the sample's object.
fn record(data: &[u8]) -> Vec<u8> {
    let head = Head { length: data.len() as u64, ..sample("{}") };
    let mut hasher = ChunkHasher::new(head.name);
    hasher.update(data);
    [head.encode(), data.to_vec(), hasher.finish().encode(head.length)].concat()
}

/// Where the records of a segment with these bytes begin and end; each lies behind the one before, and in the file.
fn walked(bytes: &[u8]) -> Vec<(u64, u64, Head)> {
    let id = SegmentId { owner: 1, number: 2 };
    let mut file = tempfile::tempfile().expect("a file without a name can be made");
    file.write_all(&preamble(id.to_u64())).and_then(|()| file.write_all(bytes)).expect("it takes some bytes");
    let segment = Arc::new(Segment::nowhere(id));
    let mut walk = begin(&segment, file).expect("its preamble is right");
    let mut all: Vec<(u64, u64, Head)> = Vec::new();
    while let Some((record, head)) = walk.next().expect("it can be read") {
        let end = record.offset + record.layout.size();
        assert!(all.last().is_none_or(|(_, end, _)| *end <= record.offset), "a walk that goes back");
        assert!(end <= PREAMBLE + bytes.len() as u64, "a record beyond the file");
        all.push((record.offset, end, head));
    }
    all
}

fn begin(segment: &Arc<Segment>, file: File) -> Option<Walk> {
    Walk::begin(Arc::clone(segment), Arc::new(file)).expect("it can be read")
}
