//! What a segment file is made of. Pure: no file is touched here.
//!
//! ```text
//! segment   preamble 16 · (record | gap)*
//! record    head · data · hashes · end
//! head      mark 4 · version 2 · size of the head 2 · length of the data 8 · name 32 · writer 16 · stored at 8 · cost 4
//!           · sizes of four texts 8 · realm, scope, key, attributes · checksum 8
//! hashes    8 for each chunk of 64 KiB of the data
//! end       mark 8 · checksum of hashes and length 8
//! gap       mark 8 · size of all of it 8 · checksum 8 · anything
//! ```
//!
//! The head says under which name the record was stored, each hash is seeded with that name and the chunk's place, so
//! bytes that are truncated, flipped, torn or in a foreign place never pass. A gap is written over a record that is
//! removed, and over its dead neighbors, so it is dead whatever a log says. Sizes follow from heads and gaps alone, so
//! that a walk from record to record never has to search for a head in what a client has written. The hashes are
//! XXH3: they are there against rot and torn writes, not against somebody who can write to our disk.

use hearth_model::{Timestamp, WriterId};
use twox_hash::XxHash3_64;

use crate::keys::{Address, ObjectKey, ObjectName, Space};

/// What one hash covers.
pub(crate) const CHUNK: usize = 64 * 1024;
pub(crate) const HASH: usize = 8;
pub(crate) const PREAMBLE: u64 = 16;
/// Attributes of an object, as a dialect writes them, may be this long.
pub(crate) const MAX_ATTRIBUTES: usize = 2048;

const SEGMENT_MARK: &[u8; 8] = b"hearths1";
const MARK: &[u8; 4] = b"\x01\x1eHr";
const GAP_MARK: &[u8; 8] = b"\x01\x1eHgap\x02\x05";
/// The part of a gap that says something.
pub(crate) const GAP: usize = 24;
pub(super) const END: &[u8; 8] = b"\x04\x1ehearth";
const VERSION: u16 = 1;
const FIXED: usize = 4 + 2 + 2 + 8 + 32 + 16 + 8 + 4 + 8;
const CHECKSUM: usize = 8;
pub(crate) const END_SIZE: usize = END.len() + CHECKSUM;
/// No head is longer: realm, scope, key and attributes have their own limits, which add up to less.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// The bytes are not what was once stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not those that were stored")]
pub(crate) struct Damaged;

/// What makes a segment file known as ours, and as this one.
pub(crate) fn preamble(id: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(SEGMENT_MARK);
    bytes[8..].copy_from_slice(&id.to_le_bytes());
    bytes
}

/// The beginning of a gap of `size` bytes.
pub(crate) fn gap(size: u64) -> [u8; GAP] {
    let mut bytes = [0; GAP];
    bytes[..8].copy_from_slice(GAP_MARK);
    bytes[8..16].copy_from_slice(&size.to_le_bytes());
    let checksum = XxHash3_64::oneshot(&bytes[..16]);
    bytes[16..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The size of the gap that begins with these bytes, if one does.
pub(crate) fn gap_size(bytes: &[u8]) -> Option<u64> {
    let size = u64::from_le_bytes(array(bytes.get(8..16)?));
    (bytes.get(..GAP)? == gap(size)).then_some(size)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u64,
    pub(crate) name: ObjectName,
    pub(crate) address: Address,
    pub(crate) writer: WriterId,
    pub(crate) stored_at: Timestamp,
    /// How long its maker took to make it, as far as that is known.
    pub(crate) cost_ms: u32,
    /// What a dialect wants to know again, without control characters.
    pub(crate) attributes: Box<str>,
}

/// Where the parts of a record are, counted from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) head: u64,
    pub(crate) length: u64,
}

impl Layout {
    pub(crate) fn hashes_at(self) -> u64 {
        self.head + self.length
    }

    pub(crate) fn chunks(self) -> u64 {
        self.length.div_ceil(CHUNK as u64)
    }

    /// Hashes and end.
    pub(crate) fn tail(self) -> u64 {
        self.chunks() * HASH as u64 + END_SIZE as u64
    }

    /// Whether its head says more of the object than where it belongs, which is `address`.
    pub(crate) fn has_attributes(self, address: &Address) -> bool {
        self.head > bare(address) as u64
    }

    /// The whole record; `None` if no file could hold it.
    pub(crate) fn checked_size(self) -> Option<u64> {
        let tail = self.chunks().checked_mul(HASH as u64)?.checked_add(END_SIZE as u64)?;
        self.head.checked_add(self.length)?.checked_add(tail)
    }

    pub(crate) fn size(self) -> u64 {
        self.hashes_at() + self.tail()
    }
}

/// The size of a head without attributes.
fn bare(address: &Address) -> usize {
    let Address { space, key } = address;
    FIXED + space.realm.len() + space.scope.to_string().len() + key.as_str().len() + CHECKSUM
}

impl Head {
    pub(crate) fn layout(&self) -> Layout {
        Layout { head: self.size() as u64, length: self.length }
    }

    fn size(&self) -> usize {
        bare(&self.address) + self.attributes.len()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let Address { space, key } = &self.address;
        let scope = space.scope.to_string();
        let texts = [&*space.realm, &scope, key.as_str(), &self.attributes];
        let size = FIXED + texts.iter().map(|text| text.len()).sum::<usize>() + CHECKSUM;
        let mut bytes = Vec::with_capacity(size);
        bytes.extend(MARK);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(short(size).to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(self.writer.to_bytes());
        bytes.extend(self.stored_at.as_millis().to_le_bytes());
        bytes.extend(self.cost_ms.to_le_bytes());
        bytes.extend(texts.iter().flat_map(|text| short(text.len()).to_le_bytes()));
        bytes.extend(texts.iter().flat_map(|text| text.as_bytes()));
        let checksum = XxHash3_64::oneshot(&bytes[MARK.len()..]);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    /// The size of the head that begins with these bytes.
    pub(crate) fn size_of(bytes: &[u8]) -> Result<usize, Damaged> {
        let size = usize::from(u16::from_le_bytes(array(bytes.get(6..8).ok_or(Damaged)?)));
        if (FIXED + CHECKSUM..=MAX_HEAD).contains(&size) { Ok(size) } else { Err(Damaged) }
    }

    /// Reads a head at the beginning of `bytes`, which may be longer.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let bytes = bytes.get(..Self::size_of(bytes)?).ok_or(Damaged)?;
        let (covered, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Damaged)?;
        let mut rest = Fields(covered);
        if rest.take(4)? != MARK {
            return Err(Damaged);
        }
        if XxHash3_64::oneshot(rest.0).to_le_bytes() != *checksum || rest.take(2)? != VERSION.to_le_bytes() {
            return Err(Damaged);
        }
        rest.take(2)?;
        let length = u64::from_le_bytes(rest.array()?);
        let name = ObjectName::from_bytes(rest.array()?);
        let writer = WriterId::from_bytes(rest.array()?);
        let stored_at = Timestamp::from_millis(i64::from_le_bytes(rest.array()?));
        let cost_ms = u32::from_le_bytes(rest.array()?);
        let mut sizes = [0; 4];
        for size in &mut sizes {
            *size = usize::from(u16::from_le_bytes(rest.array()?));
        }
        let [realm, scope, key, attributes] = sizes;
        let realm = rest.text(realm)?.into();
        let scope = rest.text(scope)?.parse().map_err(|_| Damaged)?;
        let key = ObjectKey::stored(rest.text(key)?);
        let attributes = rest.text(attributes)?.into();
        let address = Address { space: Space { realm, scope }, key };
        let head = Self { length, name, address, writer, stored_at, cost_ms, attributes };
        // Where the data lies follows from what the head says, so it must say all of its own size.
        if head.size() == bytes.len() { Ok(head) } else { Err(Damaged) }
    }
}

/// Takes a piece of bytes apart from its front.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N).map(array)
    }

    pub(crate) fn text(&mut self, length: usize) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Damaged)
    }
}

pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// Lengths of texts, each of which has a limit far below.
fn short(length: usize) -> u16 {
    u16::try_from(length).expect("heads are made of texts whose lengths were checked")
}

#[cfg(test)]
mod tests {
    use hearth_model::Scope;
    use proptest::prelude::*;

    use super::*;

    const NAME: ObjectName = ObjectName::from_bytes([5; 32]);

    fn head(length: u64) -> Head {
        let space = Space { realm: "github.com/a/b".into(), scope: Scope::PullRequest(7) };
        Head {
            length,
            name: NAME,
            address: Address { space, key: ObjectKey::new("a/b/c").unwrap() },
            writer: WriterId::from_bytes([9; 16]),
            stored_at: Timestamp::from_millis(1_700_000_000_123),
            cost_ms: 4711,
            attributes: "{\"type\":\"x\"}".into(),
        }
    }

    #[test]
    fn a_layout_tells_whether_there_are_attributes() {
        let said = head(100);
        let silent = Head { attributes: "".into(), ..said.clone() };
        assert!(!said.attributes.is_empty());
        assert!(said.layout().has_attributes(&said.address));
        assert!(!silent.layout().has_attributes(&silent.address));
    }

    #[test]
    fn a_head_comes_back_until_a_gap_is_written_over_it() {
        let mut bytes = head(100).encode();
        assert_eq!(bytes.len() as u64, head(100).layout().head);
        bytes.extend(b"data that follow");
        assert_eq!(Head::decode(&bytes), Ok(head(100)));
        assert_eq!(gap_size(&bytes), None);
        bytes[..GAP].copy_from_slice(&gap(12_345));
        assert_eq!(Head::decode(&bytes), Err(Damaged));
        assert_eq!(gap_size(&bytes), Some(12_345));
        bytes[9] ^= 1;
        assert_eq!(gap_size(&bytes), None);
    }

    #[test]
    fn lengths_that_no_file_can_have_are_no_layout() {
        assert_eq!(Layout { head: 100, length: u64::MAX }.checked_size(), None);
        let layout = head(CHUNK as u64 + 1).layout();
        assert_eq!(layout.checked_size(), Some(layout.size()));
        assert_eq!(layout.size(), layout.head + CHUNK as u64 + 1 + 2 * 8 + 16);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_in_a_head_is_damage(at in 0usize..160, bit in 0u8..8) {
            let mut bytes = head(100).encode();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(Head::decode(&bytes).is_err());
        }

        #[test]
        fn no_bytes_make_the_decoder_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Head::decode(&bytes);
        }
    }
}
