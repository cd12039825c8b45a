//! Checksums that clients send along with a body: in its head, or behind it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use hyper::HeaderMap;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::error::Code;

/// A checksum on its way.
enum Sum {
    /// With the number of its bytes.
    Crc(crc_fast::Digest, usize),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
}

/// The sums of one body, and what they must be. Its `Debug` names none of them: they say nothing to a reader.
#[derive(Default)]
pub(crate) struct Sums(Vec<Expected>);

struct Expected {
    name: &'static str,
    sum: Sum,
    /// Not known before the trailer has come.
    value: Option<Vec<u8>>,
}

/// Their bytes go over the wire in base64, that of the signature in hex.
const NAMES: [&str; 6] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "content-md5",
];

impl std::fmt::Debug for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|expected| expected.name)).finish()
    }
}

impl Sums {
    /// Those that the head states, and the one that it announces for the trailer.
    pub(crate) fn announced(headers: &HeaderMap) -> Result<Self, Code> {
        let mut sums = Self::default();
        for name in NAMES {
            if let Some(value) = headers.get(name) {
                let value = STANDARD.decode(value).map_err(|_| Code::InvalidArgument)?;
                let sum = Sum::new(name);
                if value.len() != sum.length() {
                    return Err(Code::InvalidArgument);
                }
                sums.0.push(Expected { name, sum, value: Some(value) });
            }
        }
        if let Some(trailer) = headers.get("x-amz-trailer") {
            let announced = |name: &&str| trailer.as_bytes().eq_ignore_ascii_case(name.as_bytes());
            let name = NAMES.into_iter().find(announced).ok_or(Code::NotImplemented)?;
            sums.0.push(Expected { name, sum: Sum::new(name), value: None });
        }
        Ok(sums)
    }

    /// One that is in the signed head as hex digits.
    pub(crate) fn expect_sha256(&mut self, digits: &str) -> Result<(), Code> {
        let value = blake3::Hash::from_hex(digits).map_err(|_| Code::InvalidArgument)?;
        self.0.push(Expected {
            name: "x-amz-content-sha256",
            sum: Sum::new(NAMES[4]),
            value: Some(value.as_bytes().to_vec()),
        });
        Ok(())
    }

    /// A line of the trailer.
    pub(crate) fn trailer(&mut self, name: &str, value: &str) -> Result<(), Code> {
        let waiting = |expected: &&mut Expected| expected.value.is_none() && expected.name.eq_ignore_ascii_case(name);
        let expected = self.0.iter_mut().find(waiting).ok_or(Code::IncompleteBody)?;
        expected.value = Some(STANDARD.decode(value).map_err(|_| Code::BadDigest)?);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for expected in &mut self.0 {
            expected.sum.update(bytes);
        }
    }

    /// Whether all came, and are what the body has.
    pub(crate) fn check(&mut self) -> Result<(), Code> {
        for Expected { sum, value, .. } in std::mem::take(&mut self.0) {
            let value = value.ok_or(Code::IncompleteBody)?;
            if sum.finish() != value {
                return Err(Code::BadDigest);
            }
        }
        Ok(())
    }
}

impl Sum {
    fn new(name: &str) -> Self {
        let crc = |algorithm, length| Self::Crc(crc_fast::Digest::new(algorithm), length);
        match name {
            "x-amz-checksum-crc32" => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
            "x-amz-checksum-crc32c" => crc(CrcAlgorithm::Crc32Iscsi, 4),
            "x-amz-checksum-crc64nvme" => crc(CrcAlgorithm::Crc64Nvme, 8),
            "x-amz-checksum-sha1" => Self::Sha1(Sha1::new()),
            "content-md5" => Self::Md5(Md5::new()),
            _ => Self::Sha256(Sha256::new()),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Crc(_, length) => *length,
            Self::Md5(_) => 16,
            Self::Sha1(_) => 20,
            Self::Sha256(_) => 32,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(sum, _) => sum.update(bytes),
            Self::Md5(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(sum, length) => sum.finalize().to_be_bytes()[8 - length..].to_vec(),
            Self::Md5(sum) => sum.finalize().to_vec(),
            Self::Sha1(sum) => sum.finalize().to_vec(),
            Self::Sha256(sum) => sum.finalize().to_vec(),
        }
    }
}
