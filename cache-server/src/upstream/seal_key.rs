//! The key with which a fleet seals what it keeps elsewhere.

use std::fmt;
use std::sync::Arc;

use hearth_trust::Signer;
use zeroize::Zeroizing;

/// Wiped when the last clone goes.
#[derive(Clone)]
pub(crate) struct SealKey(Arc<Zeroizing<[u8; blake3::KEY_LEN]>>);

impl SealKey {
    pub(crate) fn of(signer: &Signer) -> Self {
        Self(Arc::new(signer.seal_key()))
    }

    pub(crate) fn bytes(&self) -> &[u8; blake3::KEY_LEN] {
        &self.0
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(****)")
    }
}
