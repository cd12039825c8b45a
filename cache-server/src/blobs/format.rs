//! The file of one object: its bytes as they came, then a footer that proves them.
//!
//! ```text
//! data      length bytes, hashed in chunks of 64 KiB
//! hashes    16 bytes of BLAKE3 for each chunk
//! trailer   magic 8 · length 8 · stored at 8 · name 32 · writer 36 · checksum 32
//! ```
//!
//! The checksum covers hashes and trailer, the hashes cover the data, and the name says under which name the file was
//! stored, so a truncated, flipped, torn or moved file never passes. Numbers are little endian. The size of the footer
//! follows from the size of the file alone, so one read at the end is enough. Pure: no file is touched here.

use hearth_model::{Timestamp, WriterId};

use crate::keys::ObjectName;

/// What one hash covers.
pub(crate) const CHUNK: usize = 64 * 1024;
const HASH: usize = 16;
const MAGIC: &[u8; 8] = b"hearthb1";
const WRITER: usize = 36;
const TRAILER: usize = 8 + 8 + 8 + 32 + WRITER + 32;

pub(crate) type ChunkHash = [u8; HASH];

/// The file is not what was once stored under this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object is damaged")]
pub(crate) struct Damaged;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) length: u64,
    pub(crate) stored_at: Timestamp,
    pub(crate) name: ObjectName,
    /// The execution that stored it, so that everything one job wrote can be found.
    pub(crate) writer: WriterId,
    pub(crate) hashes: Vec<ChunkHash>,
}

/// The size of a whole file that holds `length` bytes of data.
pub(crate) fn file_size(length: u64) -> u64 {
    length + length.div_ceil(CHUNK as u64) * HASH as u64 + TRAILER as u64
}

/// The size of the footer of a file of this size.
pub(crate) fn footer_size(file_size: u64) -> Result<usize, Damaged> {
    let body = file_size.checked_sub(TRAILER as u64).ok_or(Damaged)?;
    let chunks = usize::try_from(body.div_ceil((CHUNK + HASH) as u64)).map_err(|_| Damaged)?;
    Ok(chunks * HASH + TRAILER)
}

pub(crate) fn chunk_hash(chunk: &[u8]) -> ChunkHash {
    truncated(blake3::hash(chunk))
}

fn truncated(hash: blake3::Hash) -> ChunkHash {
    let mut short = [0; HASH];
    short.copy_from_slice(&hash.as_bytes()[..HASH]);
    short
}

/// Hashes a stream of bytes chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct ChunkHasher {
    hashes: Vec<ChunkHash>,
    open: blake3::Hasher,
    open_length: usize,
    length: u64,
}

impl ChunkHasher {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.open_length));
            self.open.update(now);
            self.open_length += now.len();
            if self.open_length == CHUNK {
                self.close_chunk();
            }
            bytes = later;
        }
    }

    /// The number of bytes and their hashes.
    pub(crate) fn finish(mut self) -> (u64, Vec<ChunkHash>) {
        if self.open_length > 0 {
            self.close_chunk();
        }
        (self.length, self.hashes)
    }

    fn close_chunk(&mut self) {
        self.hashes.push(truncated(self.open.finalize()));
        self.open.reset();
        self.open_length = 0;
    }
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.hashes.len() * HASH + TRAILER);
        bytes.extend(self.hashes.iter().flatten());
        bytes.extend(MAGIC);
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.stored_at.as_millis().to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(self.writer.to_string().as_bytes());
        bytes.extend(blake3::hash(&bytes).as_bytes());
        bytes
    }

    /// Reads the last [`footer_size`] bytes of the file that should hold `name`.
    pub(crate) fn decode(bytes: &[u8], file_size_found: u64, name: ObjectName) -> Result<Self, Damaged> {
        let (covered, checksum) = bytes.split_last_chunk::<32>().ok_or(Damaged)?;
        if blake3::hash(covered) != blake3::Hash::from_bytes(*checksum) {
            return Err(Damaged);
        }
        let (rest, writer) = covered.split_last_chunk::<WRITER>().ok_or(Damaged)?;
        let (rest, found_name) = rest.split_last_chunk::<32>().ok_or(Damaged)?;
        let (rest, stored_at) = rest.split_last_chunk::<8>().ok_or(Damaged)?;
        let (rest, length) = rest.split_last_chunk::<8>().ok_or(Damaged)?;
        let (hashes, magic) = rest.split_last_chunk::<8>().ok_or(Damaged)?;
        let (hashes, remainder) = hashes.as_chunks::<HASH>();
        let footer = Self {
            length: u64::from_le_bytes(*length),
            stored_at: Timestamp::from_millis(i64::from_le_bytes(*stored_at)),
            name: ObjectName::from_bytes(*found_name),
            writer: std::str::from_utf8(writer).ok().and_then(|text| text.parse().ok()).ok_or(Damaged)?,
            hashes: hashes.to_vec(),
        };
        let fits = magic == MAGIC
            && remainder.is_empty()
            && footer.name == name
            && footer.length <= file_size_found
            && file_size(footer.length) == file_size_found
            && footer.hashes.len() as u64 == footer.length.div_ceil(CHUNK as u64);
        if fits { Ok(footer) } else { Err(Damaged) }
    }

    /// Checks `data`, which begins at chunk `first` and ends at a chunk's end or the object's.
    pub(crate) fn verify(&self, first: usize, data: &[u8]) -> Result<(), Damaged> {
        let mut hashes = self.hashes.get(first..).ok_or(Damaged)?.iter();
        for chunk in data.chunks(CHUNK) {
            if hashes.next() != Some(&chunk_hash(chunk)) {
                return Err(Damaged);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn footer(data: &[u8], pieces: usize) -> Footer {
        let mut hasher = ChunkHasher::default();
        for piece in data.chunks(pieces) {
            hasher.update(piece);
        }
        let (length, hashes) = hasher.finish();
        Footer {
            length,
            stored_at: Timestamp::from_millis(1_700_000_000_123),
            name: ObjectName::from_bytes([3; 32]),
            writer: WriterId::from_bytes([9; 16]),
            hashes,
        }
    }

    fn decode(bytes: &[u8], data: usize) -> Result<Footer, Damaged> {
        Footer::decode(bytes, (data + bytes.len()) as u64, ObjectName::from_bytes([3; 32]))
    }

    #[test]
    fn sizes_follow_from_each_other_at_every_border() {
        for length in [0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 7 * CHUNK + 5] {
            let data = vec![7; length];
            let footer = footer(&data, 1000);
            let encoded = footer.encode();
            let whole = file_size(length as u64);
            assert_eq!(whole, (length + encoded.len()) as u64, "{length}");
            assert_eq!(footer_size(whole), Ok(encoded.len()), "{length}");
            assert_eq!(decode(&encoded, length), Ok(footer.clone()), "{length}");
            assert_eq!(footer.verify(0, &data), Ok(()), "{length}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_footer_is_found() {
        let data = vec![1; CHUNK + 10];
        let encoded = footer(&data, 777).encode();
        for at in 0..encoded.len() {
            for bit in 0..8 {
                let mut flipped = encoded.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(decode(&flipped, data.len()), Err(Damaged), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_file_under_another_name_or_of_another_size_is_damaged() {
        let data = vec![1; 100];
        let encoded = footer(&data, 100).encode();
        assert_eq!(decode(&encoded, 99), Err(Damaged));
        assert_eq!(decode(&encoded, 101), Err(Damaged));
        let other = ObjectName::from_bytes([4; 32]);
        assert_eq!(Footer::decode(&encoded, (encoded.len() + 100) as u64, other), Err(Damaged));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn hashes_do_not_depend_on_the_pieces(length in 0..3 * CHUNK, one in 1..100_000usize, other in 1..100_000usize) {
            let data: Vec<u8> = (0..=250).cycle().take(length).collect();
            prop_assert_eq!(footer(&data, one).hashes, footer(&data, other).hashes);
        }

        #[test]
        fn a_changed_byte_is_found(length in 1..2 * CHUNK + 9, at: prop::sample::Index, xor in 1..=255u8) {
            let mut data = vec![5; length];
            let footer = footer(&data, 4096);
            data[at.index(length)] ^= xor;
            prop_assert_eq!(footer.verify(0, &data), Err(Damaged));
        }

        #[test]
        fn no_bytes_make_the_decoder_fail(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&bytes, 10), Err(Damaged));
        }
    }
}
