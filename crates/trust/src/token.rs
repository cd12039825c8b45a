//! Job tokens: what a cache node believes about the job that calls it. Opaque text for everybody but the holder of the
//! key, and for him `hj1.<payload>.<code>`, both parts base64url without padding:
//!
//! ```text
//! payload  the claims as JSON
//! code     keyed BLAKE3 over everything before the last dot, version included
//! ```
//!
//! There is one algorithm and no field to choose another. The code is compared in constant time and before the payload
//! is parsed. Nothing here may print a token or a key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_model::{Bytes, ExecutionId, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::classify::Class;

/// The version of the format, at the front of every token.
const VERSION: &str = "hj1";

/// Separate the uses of a node's key from each other.
const KEY_CONTEXT: &str = "hearth 2026-11 job token signing key";
const S3_CONTEXT: &str = "hearth 2026-11 s3 secret key";
const ADDRESS_CONTEXT: &str = "hearth 2026-11 signed address";
const SEAL_CONTEXT: &str = "hearth 2026-11 record sealing key";

/// Longer texts are refused unread. It leaves room for two branch names of two thousand characters each.
pub const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub execution: ExecutionId,
    /// The realm: `host/owner/name`, with `@number` behind it for a repository that took another one's name. Every
    /// scope below is inside it.
    pub repository: String,
    /// Scopes to look in, nearest first.
    pub reads: Vec<Scope>,
    pub writes: Option<Scope>,
    /// The first instant at which the token is no longer good.
    pub expires_at: Timestamp,
    /// How much the execution may write; `None` for no limit of its own.
    pub quota: Option<Bytes>,
    /// How far the job is trusted: decides nothing here, the scopes do; for logs, and for how long artifacts are kept.
    #[serde(default = "unknown")]
    pub class: Class,
    /// The forge's number of the run that the job belongs to: its jobs share their artifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
}

fn unknown() -> Class {
    Class::Unknown
}

impl Claims {
    /// What names the run in the artifact service. A job that belongs to none is a run of its own.
    pub fn run_backend(&self) -> String {
        self.run.map_or_else(|| self.execution.to_string(), |run| run.to_string())
    }
}

/// A signed token. Its text is a secret for as long as it has not expired.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A text that claims to be a token. Only [`Signer::verify`] says whether it is one.
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The text to send.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(****)")
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Why a text is not a token that we accept. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not in the format of a job token")]
    Malformed,
    #[error("the token was not signed with this key")]
    Forged,
    #[error("the token has expired")]
    Expired,
}

/// Signs and checks tokens with one key, which is wiped when the signer goes.
#[derive(Clone)]
pub struct Signer {
    key: Zeroizing<[u8; blake3::KEY_LEN]>,
    s3: Zeroizing<[u8; blake3::KEY_LEN]>,
    address: Zeroizing<[u8; blake3::KEY_LEN]>,
    seal: Zeroizing<[u8; blake3::KEY_LEN]>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(****)")
    }
}

impl Signer {
    /// `key` must be 32 bytes of good randomness.
    pub fn from_key(mut key: [u8; 32]) -> Self {
        let derive = |context| Zeroizing::new(blake3::derive_key(context, &key));
        let signer = Self {
            key: derive(KEY_CONTEXT),
            s3: derive(S3_CONTEXT),
            address: derive(ADDRESS_CONTEXT),
            seal: derive(SEAL_CONTEXT),
        };
        key.zeroize();
        signer
    }

    /// Signs the claims. A token longer than [`MAX_TOKEN_LENGTH`] (a branch name of several thousand characters) is
    /// refused wherever it is shown, so that job runs without the cache.
    pub fn sign(&self, claims: &Claims) -> Token {
        let payload = serde_json::to_vec(claims).expect("claims hold only strings and integers");
        let mut text = format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(payload));
        let code = self.code(&text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(code.as_bytes(), &mut text);
        Token(text)
    }

    /// What the token says, when it was signed with this key and is still good at `now`.
    pub fn verify(&self, text: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if text.len() > MAX_TOKEN_LENGTH {
            return Err(TokenError::Malformed);
        }
        let (signed, code) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (version, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if version != VERSION {
            return Err(TokenError::Malformed);
        }
        let code: [u8; blake3::OUT_LEN] =
            URL_SAFE_NO_PAD.decode(code).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(TokenError::Malformed)?;
        // `blake3::Hash` compares in constant time.
        if self.code(signed) != blake3::Hash::from_bytes(code) {
            return Err(TokenError::Forged);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
        if now < claims.expires_at { Ok(claims) } else { Err(TokenError::Expired) }
    }

    /// The secret key that belongs to an access key id of S3, which is a job token or the id of a static token. It is
    /// derived from the node's key, so nothing secret has to be kept for it. It says nothing of whether the id is good.
    pub fn s3_secret(&self, access_key_id: &str) -> Zeroizing<String> {
        let code = blake3::keyed_hash(&self.s3, access_key_id.as_bytes());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(code.as_bytes()))
    }

    /// The code that makes an address good without a token: whoever has the address may do what it says. Two codes are
    /// compared in constant time, because [`blake3::Hash`] compares so.
    pub fn address_code(&self, address: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.address, address.as_bytes())
    }

    /// The key with which nodes that share this one seal what they keep elsewhere.
    pub fn seal_key(&self) -> Zeroizing<[u8; blake3::KEY_LEN]> {
        self.seal.clone()
    }

    fn code(&self, signed: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.key, signed.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Millis;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn signer() -> Signer {
        Signer::from_key([7; 32])
    }

    fn claims() -> Claims {
        Claims {
            execution: ExecutionId::new(NOW),
            repository: "github.com/acme/rocket".to_owned(),
            reads: vec![Scope::PullRequest(7), Scope::Branch("next".to_owned()), Scope::Trusted],
            writes: Some(Scope::PullRequest(7)),
            expires_at: NOW + Millis::from_minutes(5),
            quota: Some(Bytes::mib(200)),
            class: Class::PullRequest,
            run: Some(42),
        }
    }

    #[test]
    fn what_was_signed_is_what_is_read() {
        let claims = claims();
        assert_eq!(signer().verify(signer().sign(&claims).expose(), NOW), Ok(claims));
    }

    #[test]
    fn a_token_ends_at_its_expiry() {
        let claims = claims();
        let token = signer().sign(&claims);
        let last = claims.expires_at - Millis(1);
        assert_eq!(signer().verify(token.expose(), last), Ok(claims.clone()));
        assert_eq!(signer().verify(token.expose(), claims.expires_at), Err(TokenError::Expired));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let token = signer().sign(&claims());
        for (at, _) in token.expose().bytes().enumerate() {
            for bit in 0..8 {
                let mut bytes = token.expose().as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                // A text that is no UTF-8 cannot even be handed in.
                let Ok(text) = String::from_utf8(bytes) else { continue };
                assert!(signer().verify(&text, NOW).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn every_shorter_and_every_longer_text_is_refused() {
        let token = signer().sign(&claims());
        let text = token.expose();
        for end in 0..text.len() {
            assert!(signer().verify(&text[..end], NOW).is_err(), "cut at {end}");
        }
        for more in ["A", "=", ".", "AA", ".AAAA", "\n", " "] {
            assert!(signer().verify(&format!("{text}{more}"), NOW).is_err(), "{more:?} behind");
            assert!(signer().verify(&format!("{more}{text}"), NOW).is_err(), "{more:?} before");
        }
    }

    #[test]
    fn another_key_and_another_payload_are_forged() {
        let token = signer().sign(&claims());
        assert_eq!(Signer::from_key([8; 32]).verify(token.expose(), NOW), Err(TokenError::Forged));

        let wider = Claims { writes: Some(Scope::Trusted), ..claims() };
        let wider = Signer::from_key([8; 32]).sign(&wider);
        let (_, own_code) = token.expose().rsplit_once('.').unwrap();
        let (payload, _) = wider.expose().rsplit_once('.').unwrap();
        assert_eq!(signer().verify(&format!("{payload}.{own_code}"), NOW), Err(TokenError::Forged));
    }

    #[test]
    fn texts_that_are_no_tokens_are_malformed() {
        let huge = "A".repeat(MAX_TOKEN_LENGTH + 1);
        for text in ["", ".", "..", "hj1", "hj1.", "hj1..", "hj2.e30.AAAA", "hj1.e30.AAAA", "é.é.é", &huge] {
            assert_eq!(signer().verify(text, NOW), Err(TokenError::Malformed), "{text:.20}");
        }
    }

    #[test]
    fn a_token_over_the_bound_is_refused_whole() {
        let claims = Claims { writes: Some(Scope::Branch("x".repeat(MAX_TOKEN_LENGTH))), ..claims() };
        assert_eq!(signer().verify(signer().sign(&claims).expose(), NOW), Err(TokenError::Malformed));
    }

    #[test]
    fn a_payload_with_an_unknown_field_is_refused() {
        let mut value = serde_json::to_value(claims()).unwrap();
        value["admin"] = true.into();
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&value).unwrap());
        let signed = format!("{VERSION}.{payload}");
        let code = URL_SAFE_NO_PAD.encode(signer().code(&signed).as_bytes());
        assert_eq!(signer().verify(&format!("{signed}.{code}"), NOW), Err(TokenError::Malformed));
    }

    #[test]
    fn a_payload_may_lack_what_older_agents_do_not_say() {
        let claims = claims();
        let mut value = serde_json::to_value(&claims).unwrap();
        for newer in ["run", "class"] {
            value.as_object_mut().unwrap().remove(newer).unwrap();
        }
        let read = serde_json::from_value::<Claims>(value).unwrap();
        assert_eq!(read, Claims { run: None, class: Class::Unknown, ..claims });
    }

    #[test]
    fn an_s3_secret_belongs_to_one_id_and_one_node() {
        let token = signer().sign(&claims());
        let secret = signer().s3_secret(token.expose());
        assert_eq!(secret, signer().s3_secret(token.expose()));
        assert_ne!(secret, signer().s3_secret("another"));
        assert_ne!(secret, Signer::from_key([8; 32]).s3_secret(token.expose()));
        // It must not be the code that signs: that one stands in the token for everybody to see.
        assert!(!token.expose().contains(secret.as_str()));
        assert_ne!(signer().code("x"), blake3::keyed_hash(&signer().s3, b"x"));
        assert_ne!(signer().address_code("x"), signer().code("x"));
        assert_ne!(signer().address_code("x"), blake3::keyed_hash(&signer().s3, b"x"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let token = signer().sign(&claims());
        assert_eq!(format!("{token:?} {:?}", signer()), "Token(****) Signer(****)");
    }

    proptest! {
        #[test]
        fn no_text_is_a_token_by_chance(text in "\\PC{0,200}") {
            prop_assert!(signer().verify(&text, NOW).is_err());
            let with_version = format!("{VERSION}.{text}");
            prop_assert!(signer().verify(&with_version, NOW).is_err());
        }
    }
}
