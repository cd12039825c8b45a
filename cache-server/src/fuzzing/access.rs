//! Tokens in all their spellings, and the files that say which are good.

use hearth_model::{ExecutionId, Millis, Scope};
use hearth_trust::{Claims, Class, MAX_TOKEN_LENGTH, RuntimeToken, Signer, StaticToken, Token, inner_token};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};

use super::bytes::{NOW, changed, number, text};
use crate::access::{Book, Revocations};
use crate::http::auth;

fn signer() -> Signer {
    Signer::from_key([7; 32])
}

fn claims(repository: &str) -> Claims {
    Claims {
        execution: ExecutionId::new(NOW),
        repository: repository.to_owned(),
        reads: vec![Scope::Trusted, Scope::PullRequest(7)],
        writes: Some(Scope::PullRequest(7)),
        expires_at: NOW + Millis::from_minutes(1),
        quota: None,
        class: Class::Unknown,
        run: None,
    }
}

/// A static token has one spelling.
pub(super) fn static_token(bytes: &[u8]) {
    let text = text(bytes);
    if let Some(token) = StaticToken::parse(text) {
        assert_eq!(&**token.expose(), text, "another spelling of a token was taken for it");
    }
}

/// What was signed is what is believed; nothing else is, however little is changed.
pub(super) fn job_token(bytes: &[u8]) {
    let (choice, rest) = number(bytes);
    let told = text(rest);
    assert!(signer().verify(told, NOW).is_err(), "a token that nobody signed was believed");
    let claims = claims(told);
    let token = signer().sign(&claims);
    let read = signer().verify(token.expose(), NOW);
    if token.expose().len() > MAX_TOKEN_LENGTH {
        assert!(read.is_err(), "a token that is too long was read");
        return;
    }
    assert_eq!(read.as_ref(), Ok(&claims));
    assert!(signer().verify(token.expose(), claims.expires_at).is_err(), "a token outlived its end");
    assert!(Signer::from_key([8; 32]).verify(token.expose(), NOW).is_err(), "another key's token was believed");
    if let Some(changed) = changed(token.expose().as_bytes(), choice) {
        assert!(signer().verify(text(&changed), NOW).is_err(), "a changed token was believed");
    }
}

/// A coat gives out the token in it and no other; what it says of itself is not believed.
pub(super) fn coat(bytes: &[u8]) {
    let told = text(bytes);
    if let Some(inner) = inner_token(told) {
        assert!(inner.expose().len() <= told.len(), "a token grew");
        assert!(signer().verify(inner.expose(), NOW).is_err(), "a token that nobody signed was believed");
    }
    let claims = claims(told);
    let token = signer().sign(&claims);
    if token.expose().len() <= MAX_TOKEN_LENGTH {
        let coat = RuntimeToken::around(&token, &claims, NOW);
        let inner = inner_token(coat.expose());
        assert_eq!(inner.as_ref().map(Token::expose), Some(token.expose()));
    }
}

/// A secret is a part of the one line that carries it.
pub(super) fn authorization(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(AUTHORIZATION, value);
        }
    }
    let Some(secret) = auth::presented(&headers) else { return };
    assert_eq!(headers.len(), 1, "one of two secrets was chosen");
    assert!(secret.len() <= bytes.len(), "a secret grew");
}

/// A list that can be read is written so that the same is read again.
pub(super) fn book(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(book) = Book::parse(text) {
        assert_eq!(Book::parse(&book.to_text()).as_ref().map(Book::to_text).ok(), Some(book.to_text()));
    }
    if let Ok(list) = Revocations::parse(text) {
        assert_eq!(Revocations::parse(&list.to_text()).as_ref().map(Revocations::to_text).ok(), Some(list.to_text()));
    }
}
