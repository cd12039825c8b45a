//! The private key of a GitHub App, made anew, in the two forms in which people have them.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An RSA key of 2048 bits.
#[derive(Clone)]
pub struct AppKey {
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

impl AppKey {
    pub fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be made wherever there is memory");
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("a fresh key has a form");
        Self { pkcs8: pkcs8.as_ref().to_vec(), public: pair.public_key().as_ref().to_vec() }
    }

    /// The same one each time: making one takes a moment, and every test needs one.
    pub(crate) fn of_this_process() -> Self {
        static KEY: OnceLock<AppKey> = OnceLock::new();
        KEY.get_or_init(Self::generate).clone()
    }

    /// `BEGIN RSA PRIVATE KEY`, as GitHub gives it.
    pub fn pkcs1_pem(&self) -> String {
        pem("RSA PRIVATE KEY", inner_key(&self.pkcs8))
    }

    /// `BEGIN PRIVATE KEY`, as other tools convert it.
    pub fn pkcs8_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// Whether this key signed these bytes, by RS256.
    pub(crate) fn signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public).verify(bytes, signature).is_ok()
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey(****)")
    }
}

/// PKCS#8 is a sequence of a version, an algorithm and the key of PKCS#1 as an octet string.
fn inner_key(pkcs8: &[u8]) -> &[u8] {
    const PARTS_BEFORE: usize = 2;
    let mut rest = element(pkcs8).0;
    for _ in 0..PARTS_BEFORE {
        rest = element(rest).1;
    }
    element(rest).0
}

/// The content of the first DER element and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let first = usize::from(der[1]);
    let (length, begin) = if first < 0x80 {
        (first, 2)
    } else {
        let count = first & 0x7f;
        (der[2..2 + count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + count)
    };
    (&der[begin..begin + length], &der[begin + length..])
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::RSA_PKCS1_SHA256;

    use super::*;

    impl AppKey {
        pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
            sign(&KeyPair::from_pkcs8(&self.pkcs8).unwrap(), bytes)
        }
    }

    fn sign(pair: &KeyPair, bytes: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
        signature
    }

    #[test]
    fn both_forms_of_a_key_are_the_same_key() {
        let key = AppKey::generate();
        let pkcs1 = KeyPair::from_der(inner_key(&key.pkcs8)).unwrap();
        let pkcs8 = KeyPair::from_pkcs8(&key.pkcs8).unwrap();
        for pair in [pkcs1, pkcs8] {
            assert!(key.signed(b"text", &sign(&pair, b"text")));
            assert!(!key.signed(b"another text", &sign(&pair, b"text")));
        }
        assert!(key.pkcs1_pem().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "{}", key.pkcs1_pem());
    }

    #[test]
    fn another_key_signed_nothing_of_ours() {
        let key = AppKey::generate();
        let other = KeyPair::generate(KeySize::Rsa2048).unwrap();
        assert!(!key.signed(b"text", &sign(&other, b"text")));
    }
}
