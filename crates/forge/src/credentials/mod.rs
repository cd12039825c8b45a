//! What we show GitHub to be let in: a GitHub App's installation token, or a token that a person made. Secrets stay in
//! this room and in the one header that needs them.

mod error;

pub use error::CredentialError;
