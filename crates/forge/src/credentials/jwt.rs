//! The signed claim by which an App says who it is. RS256; the key comes in PEM form, as GitHub hands it out (PKCS#1) or
//! as tools convert it (PKCS#8).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_daemon::secrets::Secret;
use hearth_model::{Millis, Timestamp};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;

use super::CredentialError;

/// Clocks differ: the claim is dated back, and ends well within the ten minutes that GitHub allows.
const BACKDATED: Millis = Millis::from_secs(60);
const LIFETIME: Millis = Millis::from_minutes(9);

/// An App's private key. The library wipes it when it goes.
pub(crate) struct SigningKey(KeyPair);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("****")
    }
}

impl SigningKey {
    pub(crate) fn from_pem(pem: &Secret) -> Result<Self, CredentialError> {
        let wrong = |reason: &str| CredentialError::Key { reason: reason.to_owned() };
        let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes());
        let key = key.map_err(|_| wrong("it has no such section, or it is cut off"))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(wrong("it is of another kind")),
        };
        pair.map(Self).map_err(|_| wrong("it is damaged, of another kind, or has less than 2048 bits"))
    }

    /// The claim of being `issuer`, good around `now` on GitHub's clock.
    pub(crate) fn claim(&self, issuer: &str, now: Timestamp) -> Result<Secret, CredentialError> {
        let seconds = |instant: Timestamp| instant.as_millis().div_euclid(1_000);
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = json!({ "iat": seconds(now - BACKDATED), "exp": seconds(now + LIFETIME), "iss": issuer });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| CredentialError::Key { reason: "it does not sign".to_owned() })?;
        Ok(Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// When a token of the scale set service ends, by its own `exp`. The signature is not ours to check: we only want to
/// renew in time.
pub(crate) fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Some(Timestamp::from_millis(claims.exp.checked_mul(1_000)?))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> Secret {
        Secret::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der)))
    }

    /// PKCS#1 is the inside of PKCS#8: after the version, the algorithm and the head of the octet string.
    fn pkcs1(pkcs8: &[u8]) -> &[u8] {
        &pkcs8[26..]
    }

    #[test]
    fn a_claim_verifies_and_says_who_and_until_when() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let now = Timestamp::from_millis(1_795_372_463_900);
        for text in [pem("PRIVATE KEY", der.as_ref()), pem("RSA PRIVATE KEY", pkcs1(der.as_ref()))] {
            let key = SigningKey::from_pem(&text).unwrap();
            let claim = key.claim("Iv23", now).unwrap();
            let (message, signature) = claim.expose().rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
            public.verify(message.as_bytes(), &signature).unwrap();
            let payload = URL_SAFE_NO_PAD.decode(message.split_once('.').unwrap().1).unwrap();
            let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(payload, json!({ "iat": 1_795_372_403, "exp": 1_795_373_003, "iss": "Iv23" }));
            assert_eq!(expiry(claim.expose()), Some(Timestamp::from_millis(1_795_373_003_000)));
            assert_eq!(format!("{key:?}"), "****");
        }
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_with_the_reason() {
        let check = |secret: Secret| SigningKey::from_pem(&secret).unwrap_err().to_string();
        for (secret, reason) in [
            (Secret::new("hello".to_owned()), "it has no such section, or it is cut off"),
            (pem("CERTIFICATE", b"x"), "it has no such section, or it is cut off"),
            (pem("EC PRIVATE KEY", b"x"), "it is of another kind"),
            (pem("PRIVATE KEY", b"x"), "it is damaged, of another kind, or has less than 2048 bits"),
        ] {
            assert!(check(secret).ends_with(reason));
        }
    }

    #[test]
    fn an_expiry_that_cannot_be_read_is_unknown() {
        for token in ["", "a", "a.b.c", "a.e30.c"] {
            assert_eq!(expiry(token), None, "{token}");
        }
    }
}
