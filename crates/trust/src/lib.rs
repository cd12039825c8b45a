//! Trust: what a job may read and write ([`classify`]) and the signed job tokens that carry the decision to a cache
//! node ([`Signer`]). Pure: the clock's reading is handed in, and nothing here opens a file or a socket.

mod classify;
mod token;

pub use classify::{Class, Trust, classify};
pub use token::{Claims, MAX_TOKEN_LENGTH, Signer, Token, TokenError};
