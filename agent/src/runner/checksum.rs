//! SHA-256, which is the checksum that GitHub gives of its archives.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A SHA-256 checksum, written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SHA-256 checksum, which is 64 hexadecimal digits")]
pub struct InvalidChecksum {
    text: String,
}

/// A checksum that is being made.
#[derive(Debug, Default)]
pub(super) struct Hashing(sha2::Sha256);

impl Hashing {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

impl Sha256 {
    /// The checksum of everything that `source` gives.
    pub(super) fn of(mut source: impl Read) -> io::Result<Self> {
        let (mut hashing, mut buffer) = (Hashing::default(), vec![0; 128 << 10]);
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(hashing.finish()),
                Ok(read) => hashing.take(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Sha256 {
    type Err = InvalidChecksum;
    fn from_str(text: &str) -> Result<Self, InvalidChecksum> {
        let invalid = || InvalidChecksum { text: text.chars().take(80).collect() };
        let digits: Option<Vec<u8>> =
            text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let bytes: Vec<u8> =
            digits.ok_or_else(invalid)?.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect();
        if text.len() == 64 { bytes.try_into().map(Self).map_err(|_| invalid()) } else { Err(invalid()) }
    }
}

impl TryFrom<String> for Sha256 {
    type Error = InvalidChecksum;
    fn try_from(text: String) -> Result<Self, InvalidChecksum> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(sum: Sha256) -> Self {
        sum.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_read_in_either_case_and_written_in_one() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(&b"abc"[..]).unwrap().to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Sha256>().unwrap().to_string(), text);
        for bad in ["", "abc", &text[1..], &format!("{text}0"), &text.replace('b', "g"), &"ä".repeat(32)] {
            assert!(bad.parse::<Sha256>().is_err(), "{bad}");
        }
    }
}
