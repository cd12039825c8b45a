//! A text that must not be printed, and is wiped when it goes.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

/// A bearer secret: a job token as text, or what a relay asks its job's sccache daemon for.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// 256 bits of the system's randomness.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::from)?;
        let secret = Self::new(URL_SAFE_NO_PAD.encode(bytes));
        bytes.zeroize();
        Ok(secret)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares digests, so that the time says nothing of the place where two texts differ.
    pub(crate) fn is(&self, text: &str) -> bool {
        blake3::hash(self.0.as_bytes()) == blake3::hash(text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_secrets_differ_and_are_not_printed() {
        let one = Secret::random().unwrap();
        let other = Secret::random().unwrap();
        assert!(one.is(one.expose()) && !one.is(other.expose()) && !one.is(""));
        assert_eq!(format!("{one:?}"), "Secret(****)");
    }
}
