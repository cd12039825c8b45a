//! What uploads and their parts are called.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_model::WriterId;

use crate::keys::ObjectName;

/// Longer ones are refused; Azure's clients stay below 64.
pub(super) const MAX_PART_ID: usize = 100;

/// An upload of one writer to one object. It follows from both, so that nobody meets an upload that is not his.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UploadId(blake3::Hash);

impl UploadId {
    pub(crate) fn of(object: ObjectName, writer: WriterId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(object.as_bytes());
        hasher.update(&writer.to_bytes());
        Self(hasher.finalize())
    }

    /// One of several that a writer may have under way to the same object.
    pub(crate) fn nth(object: ObjectName, writer: WriterId, serial: &[u8; 16]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(Self::of(object, writer).0.as_bytes());
        hasher.update(serial);
        Self(hasher.finalize())
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(Self)
    }

    pub(super) fn to_hex(self) -> String {
        self.0.to_hex().to_string()
    }
}

/// One part of an upload; its text is a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartId(String);

impl PartId {
    /// The part that a client calls by these bytes; `None` if they are too many.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_PART_ID).then(|| Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The part that is all of its object. No id of a client's is spelled with a dot.
    pub(crate) fn whole() -> Self {
        Self("whole.part".to_owned())
    }

    /// A part that its client calls by a number.
    pub(crate) fn numbered(number: u16) -> Self {
        Self(format!("{number:05}.part"))
    }

    /// A name of a file as which a part was kept.
    pub(super) fn from_name(name: &str) -> Self {
        Self(name.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn number(&self) -> Option<u16> {
        self.0.strip_suffix(".part").and_then(|digits| digits.parse().ok())
    }
}
