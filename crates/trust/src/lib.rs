//! Trust: what a job may read and write ([`classify`]), the signed job tokens that carry the decision to a cache node
//! ([`Signer`]), also in a coat for GitHub's clients ([`RuntimeToken`]), and the static tokens of people and machines
//! ([`StaticToken`]). Pure: the clock's reading and the randomness are handed in, and nothing here opens a file or a
//! socket.

mod classify;
mod coat;
mod static_token;
mod token;

pub use classify::{Class, Trust, classify};
pub use coat::{MAX_COAT_LENGTH, RuntimeToken, inner_token};
pub use static_token::{InvalidTokenHash, InvalidTokenId, StaticToken, TokenHash, TokenId};
pub use token::{Claims, MAX_TOKEN_LENGTH, Signer, Token, TokenError};
