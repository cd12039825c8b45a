//! The objects that are stored and read: names and bodies of sccache's shape, all different, made at no cost while the
//! clock runs. A body is a zip with one stored member, which is one zstd frame of raw blocks; only the sixteen digits
//! in the member's name, which stand there twice, differ from object to object.

use std::fmt::Write as _;
use std::io::IoSlice;

const DIGITS: usize = 16;
const MEMBER: &str = "libbench-0123456789abcdef.rlib";
/// Where the digits stand in the member's name.
const DIGITS_AT: usize = 9;
const LOCAL_HEADER: usize = 30;
const CENTRAL_HEADER: usize = 46;
const END: usize = 22;
/// The biggest block of a zstd frame.
const BLOCK: usize = 128 * 1024;
/// Magic, descriptor, and the content's length in eight bytes.
const FRAME_HEADER: usize = 4 + 1 + 8;
const SMALLEST: usize = LOCAL_HEADER + CENTRAL_HEADER + 2 * MEMBER.len() + END + FRAME_HEADER + 3;

/// All objects of one length.
#[derive(Debug)]
pub(crate) struct Objects {
    body: Vec<u8>,
    /// Where the digits of the second name begin; those of the first always begin at the same place.
    second: usize,
}

impl Objects {
    /// `None` when so short a body cannot be a zip.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let frame = size.checked_sub(SMALLEST)? + FRAME_HEADER + 3;
        let data = frame_of(frame);
        let mut sum = flate2::Crc::new();
        sum.update(&data);
        let length = u32::try_from(data.len()).ok()?.to_le_bytes();
        let name_length = u16::try_from(MEMBER.len()).ok()?.to_le_bytes();
        // Version, flags, method, time and date; then sum, both lengths and the length of the name.
        let mut shared = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0].to_vec();
        for part in [&sum.sum().to_le_bytes()[..], &length, &length, &name_length] {
            shared.extend(part);
        }
        let mut body = b"PK\x03\x04".to_vec();
        body.extend(&shared);
        body.extend([0; 2]);
        body.extend(MEMBER.bytes());
        body.extend(data);
        let directory = body.len();
        body.extend(b"PK\x01\x02\x14\0");
        body.extend(&shared);
        body.extend([0; 16]);
        body.extend(MEMBER.bytes());
        let directory_length = u32::try_from(body.len() - directory).ok()?;
        body.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        body.extend(directory_length.to_le_bytes());
        body.extend(u32::try_from(directory).ok()?.to_le_bytes());
        body.extend([0; 2]);
        (body.len() == size).then_some(Self { body, second: directory + CENTRAL_HEADER + DIGITS_AT })
    }

    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    /// The body of object `n`, in parts.
    pub(crate) fn parts<'a>(&'a self, digits: &'a [u8; DIGITS]) -> [IoSlice<'a>; 5] {
        const FIRST: usize = LOCAL_HEADER + DIGITS_AT;
        [
            &self.body[..FIRST],
            digits,
            &self.body[FIRST + DIGITS..self.second],
            digits,
            &self.body[self.second + DIGITS..],
        ]
        .map(IoSlice::new)
    }
}

/// What tells the body of object `n` from others.
pub(crate) fn digits(n: u64) -> [u8; DIGITS] {
    let mut digits = [0; DIGITS];
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(mixed(n) >> (4 * at) & 15) as usize];
    }
    digits
}

/// The key of object `n` as sccache files it: 64 digits below the first three of them.
pub(crate) fn key(n: u64) -> String {
    let mut hex = String::with_capacity(70);
    for part in 0..4 {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{:016x}", mixed(n.wrapping_mul(4).wrapping_add(part)));
    }
    format!("{}/{}/{}/{hex}", &hex[..1], &hex[1..2], &hex[2..3])
}

/// Neighbors become strangers; different numbers stay different.
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A zstd frame of exactly `length` bytes, which hold noise that no compression would shrink.
fn frame_of(length: usize) -> Vec<u8> {
    let mut noise = fastrand::Rng::with_seed(length as u64);
    let blocks = (length - FRAME_HEADER).div_ceil(3 + BLOCK);
    let mut left = length - FRAME_HEADER - 3 * blocks;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    frame.extend((left as u64).to_le_bytes());
    for block in 1..=blocks {
        let content = left.min(BLOCK);
        let last = u32::from(block == blocks);
        let header = (u32::try_from(content).unwrap_or(u32::MAX) << 3) | last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(std::iter::repeat_with(|| noise.u8(..)).take(content));
        left -= content;
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(objects: &Objects, n: u64) -> Vec<u8> {
        let digits = digits(n);
        objects.parts(&digits).iter().flat_map(|part| part.iter().copied()).collect()
    }

    #[test]
    fn bodies_have_the_length_that_was_asked_for_and_differ() {
        for size in [SMALLEST, 4096, 65536, 131_240, 131_241, 131_242, 131_243, 262_300, 1 << 20] {
            let objects = Objects::new(size).unwrap();
            let (one, other) = (whole(&objects, 1), whole(&objects, 2));
            assert_eq!((one.len(), other.len()), (size, size));
            assert_ne!(one, other);
        }
        assert!(Objects::new(SMALLEST - 1).is_none());
    }

    #[test]
    fn both_names_of_the_member_are_the_same() {
        let objects = Objects::new(4096).unwrap();
        let body = whole(&objects, 7);
        let name = format!("libbench-{}.rlib", String::from_utf8(digits(7).to_vec()).unwrap());
        let found = body.windows(name.len()).filter(|window| *window == name.as_bytes()).count();
        assert_eq!(found, 2);
    }

    #[test]
    fn keys_are_where_sccache_files_them() {
        let key = key(5);
        let (shelf, hex) = key.rsplit_once('/').unwrap();
        assert_eq!(hex.len(), 64);
        assert_eq!(shelf, format!("{}/{}/{}", &hex[..1], &hex[1..2], &hex[2..3]));
    }
}
