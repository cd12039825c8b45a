//! An object as it travels between nodes and lies in an object store.
//!
//! ```text
//! magic 8 · length of the head 4 · head (JSON) · code 16
//! then, for each 64 KiB of data: data · code 16
//! ```
//!
//! Every code is a keyed BLAKE3 over the object's name, the place of the chunk and the chunk itself, with a key that all
//! nodes of a fleet derive from the key that they share. So whoever keeps the record can lose it, but cannot change,
//! shorten or swap it, nor make one up: what was not sealed by this fleet is a miss. Pure: nothing is read or sent here.

use bytes::{Buf as _, Bytes, BytesMut};
use hearth_model::{Scope, Timestamp, WriterId};
use serde::{Deserialize, Serialize};

use super::SealKey;
use crate::access::Gate;
use crate::keys::{Address, ObjectKey, ObjectName, Space};
use crate::uploads::Offer;

const MAGIC: &[u8; 8] = b"hearthr1";
const CODE: usize = 16;
const CHUNK: usize = 64 * 1024;
const PREFIX: usize = MAGIC.len() + 4;
/// A key of 4 KiB, attributes of 2 KiB, and what stands around them.
const MAX_HEAD: usize = 16 * 1024;

/// What is known of an object besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) address: Address,
    pub(crate) length: u64,
    pub(crate) writer: WriterId,
    pub(crate) stored_at: Timestamp,
    /// What it cost to make, where somebody measured it.
    pub(crate) cost_ms: u32,
    /// What its dialect keeps with it.
    pub(crate) attributes: Box<str>,
}

impl Head {
    /// Whether a revocation here is about it.
    pub(crate) fn is_revoked(&self, gate: &Gate) -> bool {
        gate.condemns(&self.address.space, self.writer, self.stored_at)
    }

    /// What has to be said to store it here.
    pub(crate) fn into_offer(self) -> Offer {
        let Self { address, length, writer, stored_at, cost_ms, attributes } = self;
        Offer { address, length: Some(length), writer, attributes, cost_ms, stored_at: Some(stored_at) }
    }
}

/// The record is not what this fleet sealed under the name that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record was not sealed by this fleet under its name")]
pub(crate) struct Broken;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadText {
    realm: String,
    scope: Scope,
    key: String,
    length: u64,
    writer: WriterId,
    stored_at: i64,
    cost_ms: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    attributes: String,
}

/// How many bytes the data and its codes take.
fn body_size(length: u64) -> u64 {
    length + length.div_ceil(CHUNK as u64) * CODE as u64
}

fn code(key: &SealKey, name: ObjectName, place: u64, bytes: &[u8]) -> [u8; CODE] {
    let mut hasher = blake3::Hasher::new_keyed(key.bytes());
    hasher.update(name.as_bytes()).update(&place.to_le_bytes()).update(bytes);
    let mut short = [0; CODE];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..CODE]);
    short
}

/// Compares without saying where two codes differ.
fn matches(ours: &[u8; CODE], theirs: &[u8]) -> bool {
    ours.iter().zip(theirs).fold(theirs.len() ^ CODE, |differ, (a, b)| differ | usize::from(a ^ b)) == 0
}

/// Makes a record out of an object's bytes, piece by piece.
#[derive(Debug)]
pub(crate) struct Sealer {
    key: SealKey,
    name: ObjectName,
    /// The place of the next chunk; the head's is 0.
    place: u64,
    open: BytesMut,
}

impl Sealer {
    /// The record's first bytes, the size of the whole record, and what seals the rest.
    pub(crate) fn begin(key: SealKey, head: &Head) -> (Bytes, u64, Self) {
        let name = head.address.name();
        let text = HeadText {
            realm: head.address.space.realm.to_string(),
            scope: head.address.space.scope.clone(),
            key: head.address.key.as_str().to_owned(),
            length: head.length,
            writer: head.writer,
            stored_at: head.stored_at.as_millis(),
            cost_ms: head.cost_ms,
            attributes: head.attributes.to_string(),
        };
        let text = serde_json::to_vec(&text).expect("a head holds strings and integers only");
        let length = u32::try_from(text.len()).expect("keys and attributes are bounded");
        let mut bytes = BytesMut::with_capacity(PREFIX + text.len() + CODE);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&text);
        bytes.extend_from_slice(&code(&key, name, 0, &text));
        let size = bytes.len() as u64 + body_size(head.length);
        (bytes.freeze(), size, Self { key, name, place: 1, open: BytesMut::new() })
    }

    /// Seals further bytes; what does not fill a chunk waits for the next ones.
    pub(crate) fn push(&mut self, mut piece: Bytes) -> Vec<Bytes> {
        let mut sealed = Vec::new();
        while !piece.is_empty() {
            if self.open.is_empty() && piece.len() >= CHUNK {
                let chunk = piece.split_to(CHUNK);
                self.seal(chunk, &mut sealed);
                continue;
            }
            let now = piece.split_to(piece.len().min(CHUNK - self.open.len()));
            self.open.extend_from_slice(&now);
            if self.open.len() == CHUNK {
                let chunk = self.open.split().freeze();
                self.seal(chunk, &mut sealed);
            }
        }
        sealed
    }

    /// The last, shorter chunk.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        let mut sealed = Vec::new();
        if !self.open.is_empty() {
            let chunk = self.open.split().freeze();
            self.seal(chunk, &mut sealed);
        }
        sealed
    }

    fn seal(&mut self, chunk: Bytes, sealed: &mut Vec<Bytes>) {
        let code = code(&self.key, self.name, self.place, &chunk);
        self.place += 1;
        sealed.push(chunk);
        sealed.push(Bytes::copy_from_slice(&code));
    }
}

/// Reads a record piece by piece and gives out only what it has checked.
#[derive(Debug)]
pub(crate) struct Opener {
    key: SealKey,
    name: ObjectName,
    place: u64,
    left: u64,
    held: BytesMut,
}

impl Opener {
    pub(crate) fn new(key: SealKey, name: ObjectName) -> Self {
        Self { key, name, place: 0, left: 0, held: BytesMut::new() }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The head, once it has come whole.
    pub(crate) fn head(&mut self) -> Result<Option<Head>, Broken> {
        let Some((prefix, rest)) = self.held.split_at_checked(PREFIX) else { return Ok(None) };
        let (magic, length) = prefix.split_at(MAGIC.len());
        let length = u32::from_le_bytes(length.try_into().map_err(|_| Broken)?) as usize;
        if magic != MAGIC || length > MAX_HEAD {
            return Err(Broken);
        }
        let Some((text, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some((found, _)) = rest.split_at_checked(CODE) else { return Ok(None) };
        if !matches(&code(&self.key, self.name, 0, text), found) {
            return Err(Broken);
        }
        let head = self.parse(text)?;
        self.held.advance(PREFIX + length + CODE);
        (self.place, self.left) = (1, head.length);
        Ok(Some(head))
    }

    fn parse(&self, text: &[u8]) -> Result<Head, Broken> {
        let text: HeadText = serde_json::from_slice(text).map_err(|_| Broken)?;
        let space = Space { realm: text.realm.into(), scope: text.scope };
        let key = ObjectKey::from_elsewhere(&text.key).map_err(|_| Broken)?;
        let address = Address { space, key };
        if address.name() != self.name {
            return Err(Broken);
        }
        Ok(Head {
            address,
            length: text.length,
            writer: text.writer,
            stored_at: Timestamp::from_millis(text.stored_at),
            cost_ms: text.cost_ms,
            attributes: text.attributes.into(),
        })
    }

    /// The next checked bytes, once they have come whole.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let length = usize::try_from(self.left.min(CHUNK as u64)).unwrap_or(CHUNK);
        if length == 0 || self.held.len() < length + CODE {
            return Ok(None);
        }
        let chunk = self.held.split_to(length).freeze();
        if !matches(&code(&self.key, self.name, self.place, &chunk), &self.held[..CODE]) {
            return Err(Broken);
        }
        self.held.advance(CODE);
        self.place += 1;
        self.left -= length as u64;
        Ok(Some(chunk))
    }

    /// Whether all of it has come and nothing more.
    pub(crate) fn finish(&self) -> Result<(), Broken> {
        if self.place > 0 && self.left == 0 && self.held.is_empty() { Ok(()) } else { Err(Broken) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(n: u8) -> SealKey {
        SealKey::of(&hearth_trust::Signer::from_key([n; 32]))
    }

    fn head(length: usize) -> Head {
        Head {
            address: Address {
                space: Space { realm: "github.com/acme/rocket".into(), scope: Scope::PullRequest(7) },
                key: ObjectKey::new("a/b").unwrap(),
            },
            length: length as u64,
            writer: "0190e2b4-0000-7000-8000-000000000007".parse().unwrap(),
            stored_at: Timestamp::from_millis(1_700_000_000_000),
            cost_ms: 1234,
            attributes: "text/plain".into(),
        }
    }

    fn data(length: usize) -> Bytes {
        (0..length).map(|at| (at * 31 + at / 256).to_le_bytes()[0]).collect()
    }

    fn sealed(data: &Bytes, piece: usize) -> Vec<u8> {
        let (first, size, mut sealer) = Sealer::begin(key(1), &head(data.len()));
        let mut record = first.to_vec();
        for piece in data.chunks(piece.max(1)) {
            sealer.push(Bytes::copy_from_slice(piece)).iter().for_each(|sealed| record.extend_from_slice(sealed));
        }
        sealer.finish().iter().for_each(|sealed| record.extend_from_slice(sealed));
        assert_eq!(record.len() as u64, size);
        record
    }

    fn opened(seal: u8, name: ObjectName, record: &[u8], piece: usize) -> Result<(Head, Vec<u8>), Broken> {
        let mut opener = Opener::new(key(seal), name);
        let (mut head, mut data) = (None, Vec::new());
        for piece in record.chunks(piece.max(1)) {
            opener.push(piece);
            if head.is_none() {
                head = opener.head()?;
            }
            while let Some(chunk) = opener.next()? {
                data.extend_from_slice(&chunk);
            }
        }
        opener.finish()?;
        Ok((head.ok_or(Broken)?, data))
    }

    #[test]
    fn another_key_or_another_name_opens_nothing() {
        let (data, name) = (data(100), head(0).address.name());
        let record = sealed(&data, 100);
        assert!(opened(1, name, &record, 1000).is_ok());
        assert_eq!(opened(2, name, &record, 1000), Err(Broken));
        assert_eq!(opened(1, ObjectName::from_bytes([0; 32]), &record, 1000), Err(Broken));
    }

    #[test]
    fn chunks_cannot_change_places() {
        let data = data(3 * CHUNK);
        let mut record = sealed(&data, CHUNK);
        let at = record.len() - 3 * (CHUNK + CODE);
        let (first, second) = record[at..].split_at_mut(CHUNK + CODE);
        first.swap_with_slice(&mut second[..CHUNK + CODE]);
        assert_eq!(opened(1, head(0).address.name(), &record, 5000), Err(Broken));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_sealed_is_what_is_opened(length in 0..200_000usize, out in 1..100_000usize, back in 1..100_000usize) {
            let data = data(length);
            let record = sealed(&data, out);
            let (found, bytes) = opened(1, head(0).address.name(), &record, back).unwrap();
            prop_assert_eq!(found, head(length));
            prop_assert_eq!(bytes, data);
        }

        #[test]
        fn a_damaged_record_gives_no_wrong_byte(length in 0..150_000usize, at: prop::sample::Index, flip in 1..=255u8, cut: bool) {
            let data = data(length);
            let mut record = sealed(&data, 7000);
            let at = at.index(record.len());
            if cut { record.truncate(at) } else { record[at] ^= flip }
            prop_assert_eq!(opened(1, head(0).address.name(), &record, 9000), Err(Broken));
        }

        #[test]
        fn no_bytes_make_the_opener_fail(bytes in prop::collection::vec(any::<u8>(), 0..200), with_magic: bool) {
            let mut record = if with_magic { MAGIC.to_vec() } else { Vec::new() };
            record.extend(bytes);
            prop_assert_eq!(opened(1, head(0).address.name(), &record, 9), Err(Broken));
        }
    }
}
