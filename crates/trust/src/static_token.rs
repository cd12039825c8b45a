//! Static tokens, for people and machines that no job token is made for: `hs1.<id>.<secret>`.
//!
//! ```text
//! id      32 hex digits; not secret, it names the token in lists, logs and revocations
//! secret  256 random bits as base64url without padding; whoever has it is the token's owner
//! ```
//!
//! A node keeps a hash of the secret and nothing else. One pass of BLAKE3 is the right hash here: a slow one makes up
//! for secrets that people choose, and nobody can try 2^256 of them, however fast one try is.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_model::{Timestamp, WriterId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

/// The version of the format, at the front of every token.
const VERSION: &str = "hs1";

/// Separates the hash of a secret from every other use of BLAKE3.
const HASH_CONTEXT: &str = "hearth 2026-11 static token hash";

const SECRET_LENGTH: usize = 32;

/// The name of a static token. A UUIDv7, so ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(Uuid);

/// Why a text does not name a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a token, which is 32 hex digits")]
pub struct InvalidTokenId(String);

impl TokenId {
    /// A new id. The time comes from a clock; the rest is random.
    pub fn new(now: Timestamp) -> Self {
        let ms = u64::try_from(now.as_millis()).unwrap_or(0);
        let at = uuid::Timestamp::from_unix(uuid::NoContext, ms / 1000, (ms % 1000) as u32 * 1_000_000);
        Self(Uuid::new_v7(at))
    }
}

impl From<TokenId> for WriterId {
    /// What the token's owner stores is stored under its id.
    fn from(id: TokenId) -> Self {
        Self::from_bytes(id.0.into_bytes())
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for TokenId {
    type Err = InvalidTokenId;
    fn from_str(text: &str) -> Result<Self, InvalidTokenId> {
        // Only the one spelling that `Display` has: a token is found by it.
        let digits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = if digits { Uuid::try_parse(text).ok() } else { None };
        id.map(Self).ok_or_else(|| InvalidTokenId(text.to_owned()))
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidTokenId;
    fn try_from(text: String) -> Result<Self, InvalidTokenId> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.to_string()
    }
}

/// A static token with its secret, which is wiped when it goes.
#[derive(Clone)]
pub struct StaticToken {
    id: TokenId,
    secret: Zeroizing<[u8; SECRET_LENGTH]>,
}

impl StaticToken {
    /// `randomness` must be 32 bytes of good randomness; it is the secret.
    pub fn new(id: TokenId, mut randomness: [u8; SECRET_LENGTH]) -> Self {
        let secret = Zeroizing::new(randomness);
        randomness.zeroize();
        Self { id, secret }
    }

    /// Takes a text apart that claims to be a token. Whether it is one, its hash says.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
        let id = id.parse().ok()?;
        let mut decoded = Zeroizing::new([0; SECRET_LENGTH]);
        // The engine accepts one spelling only: no padding, and no bits behind the last byte.
        let length = URL_SAFE_NO_PAD.decode_slice(secret, decoded.as_mut_slice()).ok()?;
        (length == SECRET_LENGTH).then_some(Self { id, secret: decoded })
    }

    pub fn id(&self) -> TokenId {
        self.id
    }

    /// The text to hand to the token's owner, once.
    pub fn expose(&self) -> Zeroizing<String> {
        // With room for all of it: a text that grows leaves copies of its beginning behind.
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str(VERSION);
        text.push('.');
        text.push_str(&self.id.to_string());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.secret.as_slice(), &mut text);
        text
    }

    /// What a node keeps of the token.
    pub fn hash(&self) -> TokenHash {
        let mut hasher = blake3::Hasher::new_derive_key(HASH_CONTEXT);
        hasher.update(self.id.0.as_bytes());
        hasher.update(self.secret.as_slice());
        TokenHash(hasher.finalize())
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The hash of a token's id and secret. Two are compared in constant time.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash(blake3::Hash);

/// A text is not a hash. It is not repeated: who wrote it there may have taken a secret for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a token is 64 hex digits")]
pub struct InvalidTokenHash;

impl TryFrom<String> for TokenHash {
    type Error = InvalidTokenHash;
    fn try_from(text: String) -> Result<Self, InvalidTokenHash> {
        blake3::Hash::from_hex(&text).map(Self).map_err(|_| InvalidTokenHash)
    }
}

impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        hash.0.to_hex().to_string()
    }
}

/// A hash gives nothing away, but in a log it is only noise.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(****)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn token() -> StaticToken {
        StaticToken::new(TokenId::new(NOW), [7; 32])
    }

    #[test]
    fn a_token_survives_its_text() {
        let token = token();
        let read = StaticToken::parse(&token.expose()).unwrap();
        assert_eq!((read.id(), read.hash()), (token.id(), token.hash()));
    }

    #[test]
    fn the_hash_tells_ids_and_secrets_apart() {
        let token = token();
        let other_secret = StaticToken::new(token.id(), [8; 32]);
        let other_id = StaticToken::new(TokenId::new(NOW), [7; 32]);
        assert_ne!(token.hash(), other_secret.hash());
        assert_ne!(token.hash(), other_id.hash());
    }

    #[test]
    fn a_hash_and_an_id_survive_json() {
        let kept = (token().id(), token().hash());
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<(TokenId, TokenHash)>(&text).unwrap(), kept);
    }

    #[test]
    fn every_changed_character_is_another_token_or_none() {
        let token = token();
        let text = token.expose();
        for (at, _) in text.char_indices() {
            for with in ['A', 'b', '0', '1', '.', '-', '_', '=', ' ', '\n'] {
                let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
                if changed == *text {
                    continue;
                }
                let read = StaticToken::parse(&changed);
                assert!(read.is_none_or(|read| read.hash() != token.hash()), "character {at}, {with:?}");
            }
        }
    }

    #[test]
    fn texts_that_are_no_tokens_are_none() {
        let token = token();
        let text = token.expose();
        let upper = text.replacen(&token.id().to_string(), &token.id().to_string().to_uppercase(), 1);
        let hyphenated = text.replacen(&token.id().to_string(), &WriterId::from(token.id()).to_string(), 1);
        let shorter = &text[..text.len() - 1];
        let longer = format!("{}A", text.as_str());
        for text in ["", "hs1", "hs1..", "hs2.x.y", "hj1.e30.AAAA", &upper, &hyphenated, shorter, &longer] {
            assert!(StaticToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let token = token();
        let printed = format!("{token:?} {:?}", token.hash());
        assert_eq!(printed, format!("StaticToken {{ id: {:?}, .. }} TokenHash(****)", token.id()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_fail(text in "\\PC{0,120}", id in "[0-9a-f]{30,34}", secret in "[A-Za-z0-9_=-]{41,45}") {
            let _ = StaticToken::parse(&text);
            if let Some(token) = StaticToken::parse(&format!("{VERSION}.{id}.{secret}")) {
                prop_assert_eq!(&*token.expose(), &format!("{VERSION}.{id}.{secret}"));
            }
        }
    }
}
