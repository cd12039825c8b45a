//! How a request has come to us; it stands among the request's extensions.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Clear,
    Encrypted,
}
