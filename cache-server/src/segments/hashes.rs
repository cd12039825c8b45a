//! The hashes that prove an object's data: one for each chunk, seeded with the object's name and the chunk's place. Pure.

use twox_hash::XxHash3_64;

use super::format::{CHUNK, Damaged, END, END_SIZE, HASH, array};
use crate::keys::ObjectName;

/// The hashes of an object's chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hashes(Vec<u64>);

impl Hashes {
    /// Hashes and end of a record whose data are `length` bytes.
    pub(crate) fn encode(&self, length: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * HASH + END_SIZE);
        self.0.iter().for_each(|hash| bytes.extend(hash.to_le_bytes()));
        let checksum = XxHash3_64::oneshot_with_seed(length, &bytes);
        bytes.extend(END);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], length: u64) -> Result<Self, Damaged> {
        let (hashes, end) = bytes.split_last_chunk::<END_SIZE>().ok_or(Damaged)?;
        let (mark, checksum) = end.split_at(END.len());
        let whole = mark == END && XxHash3_64::oneshot_with_seed(length, hashes).to_le_bytes() == checksum;
        let (hashes, remainder) = hashes.as_chunks::<HASH>();
        if !whole || !remainder.is_empty() || hashes.len() as u64 != length.div_ceil(CHUNK as u64) {
            return Err(Damaged);
        }
        Ok(Self(hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect()))
    }

    /// Checks `data` of `name`, which begins at chunk `first` and ends at a chunk's end or the object's.
    pub(crate) fn verify(&self, name: ObjectName, first: usize, data: &[u8]) -> Result<(), Damaged> {
        let seed = seed(name);
        let mut expected = self.0.get(first..).ok_or(Damaged)?.iter().zip(first as u64..);
        for chunk in data.chunks(CHUNK) {
            let (hash, place) = expected.next().ok_or(Damaged)?;
            if XxHash3_64::oneshot_with_seed(seed ^ place, chunk) != *hash {
                return Err(Damaged);
            }
        }
        Ok(())
    }

    /// One number for the whole contents, the same for the same bytes under the same name.
    pub(crate) fn digest(&self, length: u64) -> u64 {
        let bytes: Vec<u8> = self.0.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        XxHash3_64::oneshot_with_seed(length, &bytes)
    }
}

fn seed(name: ObjectName) -> u64 {
    u64::from_le_bytes(array(&name.as_bytes()[..8]))
}

/// Hashes the bytes of an object on their way, chunk by chunk.
#[derive(Debug)]
pub(crate) struct ChunkHasher {
    seed: u64,
    hashes: Vec<u64>,
    /// The beginning of a chunk whose end has not come yet.
    open: Vec<u8>,
    length: u64,
}

impl ChunkHasher {
    pub(crate) fn new(name: ObjectName) -> Self {
        Self { seed: seed(name), hashes: Vec::new(), open: Vec::new(), length: 0 }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.open.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = later;
            if self.open.len() < CHUNK {
                return;
            }
            let whole = std::mem::take(&mut self.open);
            self.close(&whole);
            self.open = whole;
            self.open.clear();
        }
        let (whole, rest) = bytes.as_chunks::<CHUNK>();
        for chunk in whole {
            self.close(chunk);
        }
        self.open.extend_from_slice(rest);
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn finish(mut self) -> Hashes {
        if !self.open.is_empty() {
            let last = std::mem::take(&mut self.open);
            self.close(&last);
        }
        Hashes(self.hashes)
    }

    fn close(&mut self, chunk: &[u8]) {
        let place = self.hashes.len() as u64;
        self.hashes.push(XxHash3_64::oneshot_with_seed(self.seed ^ place, chunk));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: ObjectName = ObjectName::from_bytes([5; 32]);

    fn hashes(data: &[u8], pieces: usize) -> Hashes {
        let mut hasher = ChunkHasher::new(NAME);
        data.chunks(pieces).for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.length(), data.len() as u64);
        hasher.finish()
    }

    #[test]
    fn a_chunk_of_another_name_or_place_does_not_pass() {
        let data = vec![3; 2 * CHUNK];
        let hashes = hashes(&data, 1000);
        assert_eq!(hashes.verify(NAME, 0, &data), Ok(()));
        assert_eq!(hashes.verify(NAME, 1, &data[CHUNK..]), Ok(()));
        assert_eq!(hashes.verify(ObjectName::from_bytes([6; 32]), 0, &data), Err(Damaged));
        assert_ne!(hashes.0[0], hashes.0[1]);
        assert_eq!(hashes.verify(NAME, 1, &data), Err(Damaged), "longer than what was stored");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_fail(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 0u64..200_000) {
            let _ = Hashes::decode(&bytes, length);
        }

        #[test]
        fn hashes_do_not_depend_on_how_the_bytes_came(length in 0usize..200_000, pieces in 1usize..150_000) {
            let data = crate::testing::body(7, length);
            let all = hashes(&data, pieces);
            prop_assert_eq!(&all, &hashes(&data, 70_000));
            prop_assert_eq!(all.verify(NAME, 0, &data), Ok(()));
            let encoded = all.encode(length as u64);
            prop_assert_eq!(Hashes::decode(&encoded, length as u64), Ok(all));
            prop_assert_eq!(Hashes::decode(&encoded, length as u64 + 1), Err(Damaged));
        }
    }
}
