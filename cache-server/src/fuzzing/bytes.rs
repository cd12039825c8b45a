//! Choices taken from the front of what a fuzzer gives: how a target is steered by its input.

use hearth_model::Timestamp;

/// The time in every target.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A number from the first two bytes, and the rest.
pub(crate) fn number(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes.split_first_chunk::<2>() {
        Some((first, rest)) => (usize::from(u16::from_le_bytes(*first)), rest),
        None => (0, bytes),
    }
}

/// As much of the bytes as is text.
pub(crate) fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// A copy with one byte changed, for sure, and where; `None` when there is no byte.
pub(crate) fn changed(bytes: &[u8], choice: usize) -> Option<Vec<u8>> {
    let at = choice.checked_rem(bytes.len())?;
    let mut copy = bytes.to_vec();
    copy[at] ^= 1 << (choice % 7);
    Some(copy)
}
