//! The static tokens that a node knows, as they stand in its file: what each may do, and the hash of its secret. Pure;
//! the file itself is read and replaced by [`super::files`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use hearth_model::{Bytes, Scope, Timestamp};
use hearth_trust::{StaticToken, TokenHash, TokenId};
use serde::{Deserialize, Serialize};

use super::rights::{Right, Rights};

/// A book of more tokens is refused: each is made by hand.
const MAX_TOKENS: usize = 10_000;
/// A caller looks into that many spaces at most.
const MAX_READS: usize = 16;
const MAX_NAME: usize = 100;
const MAX_REALM: usize = 512;

const HEADER: &str = "# The static tokens of this cache node: hashes, no secrets. `hearth-cache-server token` writes this file.\n\
                      # Times are milliseconds since 1970.\n\n";

/// Whom a token was made for. It decides nothing but what he gets when nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Person,
    Machine,
    Peer,
    Admin,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Machine => "machine",
            Self::Peer => "peer",
            Self::Admin => "admin",
        }
    }

    pub fn usual_rights(self) -> Rights {
        match self {
            Self::Person => Rights::of(&[Right::Read, Right::List]),
            Self::Machine => Rights::of(&[Right::Read, Right::Write, Right::List]),
            Self::Peer => Rights::of(&[Right::Peer]),
            Self::Admin => Rights::of(&[Right::Read, Right::List, Right::Delete, Right::Admin]),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of token; kinds are person, machine, peer and admin")]
pub struct InvalidKind(String);

impl FromStr for Kind {
    type Err = InvalidKind;
    fn from_str(text: &str) -> Result<Self, InvalidKind> {
        let all = [Self::Person, Self::Machine, Self::Peer, Self::Admin];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| InvalidKind(text.to_owned()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A repository, a sharing group, or everything below a prefix: `host/owner/name`, `host/owner/*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RealmPattern(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no repositories; write `host/owner/name`, `host/owner/*` or `*`")]
pub struct InvalidRealm(String);

impl RealmPattern {
    /// The realm, when it is a single one.
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }

    pub fn covers(&self, realm: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => realm.starts_with(prefix),
            None => self.0 == realm,
        }
    }
}

impl FromStr for RealmPattern {
    type Err = InvalidRealm;
    fn from_str(text: &str) -> Result<Self, InvalidRealm> {
        let stem = match text.strip_suffix('*') {
            Some("") => return Ok(Self(text.to_owned())),
            // Whole segments only: `host/acme*` would cover `host/acme-evil`.
            Some(prefix) => prefix.strip_suffix('/').ok_or_else(|| InvalidRealm(text.to_owned()))?,
            None => text,
        };
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '*';
        let fits = stem.len() <= MAX_REALM && !stem.contains(odd) && stem.split('/').all(|segment| !segment.is_empty());
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidRealm(text.to_owned())) }
    }
}

impl fmt::Display for RealmPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RealmPattern {
    type Error = InvalidRealm;
    fn try_from(text: String) -> Result<Self, InvalidRealm> {
        text.parse()
    }
}

impl From<RealmPattern> for String {
    fn from(pattern: RealmPattern) -> Self {
        pattern.0
    }
}

/// How many requests a caller may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub per_second: u32,
    /// How many at once after a rest.
    pub burst: u32,
}

/// A static token as the node keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredToken {
    pub id: TokenId,
    pub name: String,
    pub kind: Kind,
    pub hash: TokenHash,
    pub rights: Rights,
    /// Where its scopes lie. Objects are looked for in the single ones, in this order, and written in the first.
    pub realms: Vec<RealmPattern>,
    /// Scopes to look in, nearest first.
    pub reads: Vec<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Scope>,
    /// How much it may store in one day of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_quota: Option<Bytes>,
    pub created_at: Timestamp,
    /// The first instant at which it is no longer good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// Why a token, or a whole book, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    #[error("the name of a token has 1 to 100 characters and no control characters")]
    Name,
    #[error("token `{0}` writes a scope, so the first of its realms must be a single repository")]
    WritesNowhere(String),
    #[error("token `{0}` reads objects, so one of its realms must be a single repository")]
    ReadsNowhere(String),
    #[error("token `{0}` would look into more than 16 places for every object")]
    TooManyReads(String),
    #[error("token `{0}` has a rate of zero, so it could do nothing; revoke it instead")]
    NoRate(String),
    #[error("two tokens have the id {0}")]
    TwoOf(TokenId),
    #[error("there are more than 10000 tokens")]
    TooMany,
    #[error("the tokens are not in the form that this version writes")]
    Form(#[source] Box<toml::de::Error>),
}

impl StoredToken {
    fn check(&self) -> Result<(), BookError> {
        let name = || self.name.clone();
        if self.name.is_empty() || self.name.chars().count() > MAX_NAME || self.name.chars().any(char::is_control) {
            return Err(BookError::Name);
        }
        let single = self.realms.iter().filter(|realm| realm.exact().is_some()).count();
        if self.writes.is_some() && self.realms.first().is_none_or(|realm| realm.exact().is_none()) {
            return Err(BookError::WritesNowhere(name()));
        }
        if !self.reads.is_empty() && single == 0 {
            return Err(BookError::ReadsNowhere(name()));
        }
        if single * self.reads.len() > MAX_READS {
            return Err(BookError::TooManyReads(name()));
        }
        match self.rate {
            Some(rate) if rate.per_second == 0 || rate.burst == 0 => Err(BookError::NoRate(name())),
            _ => Ok(()),
        }
    }
}

/// All static tokens of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    tokens: BTreeMap<TokenId, StoredToken>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BookFile {
    #[serde(default, rename = "token")]
    tokens: Vec<StoredToken>,
}

impl Book {
    pub fn parse(text: &str) -> Result<Self, BookError> {
        let file: BookFile = toml::from_str(text).map_err(|cause| BookError::Form(Box::new(cause)))?;
        let mut book = Self::default();
        for token in file.tokens {
            book.add(token)?;
        }
        Ok(book)
    }

    pub fn to_text(&self) -> String {
        let file = BookFile { tokens: self.tokens.values().cloned().collect() };
        let tokens = toml::to_string(&file).expect("a token holds texts, numbers and lists of texts");
        format!("{HEADER}{tokens}")
    }

    pub fn add(&mut self, token: StoredToken) -> Result<(), BookError> {
        token.check()?;
        if self.tokens.len() >= MAX_TOKENS {
            return Err(BookError::TooMany);
        }
        match self.tokens.insert(token.id, token) {
            None => Ok(()),
            Some(before) => Err(BookError::TwoOf(before.id)),
        }
    }

    pub fn remove(&mut self, id: TokenId) -> Option<StoredToken> {
        self.tokens.remove(&id)
    }

    pub fn get(&self, id: TokenId) -> Option<&StoredToken> {
        self.tokens.get(&id)
    }

    /// In the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &StoredToken> {
        self.tokens.values()
    }

    /// The token that a caller has shown, when it is one of ours.
    pub(super) fn find(&self, shown: &StaticToken) -> Option<&StoredToken> {
        self.tokens.get(&shown.id()).filter(|kept| kept.hash == shown.hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn shown(n: u8) -> StaticToken {
        StaticToken::new(TokenId::new(NOW), [n; 32])
    }

    fn kept(shown: &StaticToken) -> StoredToken {
        StoredToken {
            id: shown.id(),
            name: "anna's laptop".to_owned(),
            kind: Kind::Person,
            hash: shown.hash(),
            rights: Kind::Person.usual_rights(),
            realms: vec!["github.com/acme/rocket".parse().unwrap()],
            reads: vec![Scope::Trusted],
            writes: Some(Scope::Branch("anna".to_owned())),
            daily_quota: Some(Bytes::gib(1)),
            created_at: NOW,
            expires_at: Some(NOW),
            rate: Some(Rate { per_second: 10, burst: 100 }),
        }
    }

    #[test]
    fn a_book_survives_its_text() {
        let mut book = Book::default();
        book.add(kept(&shown(1))).unwrap();
        book.add(StoredToken { writes: None, daily_quota: None, expires_at: None, rate: None, ..kept(&shown(2)) })
            .unwrap();
        assert_eq!(Book::parse(&book.to_text()), Ok(book));
        assert_eq!(Book::parse(""), Ok(Book::default()));
        assert_eq!(Book::parse(&Book::default().to_text()), Ok(Book::default()));
    }

    #[test]
    fn a_token_is_found_by_id_and_secret_together() {
        let (one, other) = (shown(1), shown(2));
        let mut book = Book::default();
        book.add(kept(&one)).unwrap();
        assert_eq!(book.find(&one).map(|token| token.id), Some(one.id()));
        assert_eq!(book.find(&other), None);
        assert_eq!(book.find(&StaticToken::new(one.id(), [3; 32])), None);
        assert_eq!(book.remove(one.id()).map(|token| token.id), Some(one.id()));
        assert_eq!(book.find(&one), None);
    }

    #[test]
    fn no_secret_stands_in_the_text() {
        let shown = shown(1);
        let mut book = Book::default();
        book.add(kept(&shown)).unwrap();
        let secret = shown.expose().rsplit('.').next().unwrap().to_owned();
        assert!(!book.to_text().contains(&secret));
    }

    #[test]
    fn tokens_that_make_no_sense_are_refused() {
        let good = kept(&shown(1));
        let name = || good.name.clone();
        let pattern: RealmPattern = "github.com/acme/*".parse().unwrap();
        let many = (0..17).map(Scope::PullRequest).collect();
        let cases = [
            (StoredToken { name: String::new(), ..good.clone() }, BookError::Name),
            (StoredToken { name: "a\nb".to_owned(), ..good.clone() }, BookError::Name),
            (StoredToken { realms: vec![pattern.clone()], ..good.clone() }, BookError::WritesNowhere(name())),
            (StoredToken { realms: Vec::new(), ..good.clone() }, BookError::WritesNowhere(name())),
            (StoredToken { realms: vec![pattern], writes: None, ..good.clone() }, BookError::ReadsNowhere(name())),
            (StoredToken { reads: many, ..good.clone() }, BookError::TooManyReads(name())),
            (StoredToken { rate: Some(Rate { per_second: 1, burst: 0 }), ..good.clone() }, BookError::NoRate(name())),
        ];
        for (token, expected) in cases {
            assert_eq!(Book::default().add(token), Err(expected));
        }
        let mut book = Book::default();
        book.add(good.clone()).unwrap();
        assert_eq!(book.add(good.clone()), Err(BookError::TwoOf(good.id)));
    }

    #[test]
    fn texts_of_another_form_are_refused() {
        let mut book = Book::default();
        book.add(kept(&shown(1))).unwrap();
        let text = book.to_text();
        for wrong in [
            text.replace("kind = \"person\"", "kind = \"god\""),
            text.replace("[[token]]", "[[tokens]]"),
            text.replace("kind =", "more = 1\nkind ="),
            text.replace("hash = \"", "hash = \"x"),
            "\u{0}".to_owned(),
        ] {
            assert!(matches!(Book::parse(&wrong), Err(BookError::Form(_))), "{wrong}");
        }
    }

    #[test]
    fn patterns_cover_whole_segments() {
        let cases = [
            ("h/acme/a", "h/acme/a", true),
            ("h/acme/a", "h/acme/ab", false),
            ("h/acme/*", "h/acme/a", true),
            ("h/acme/*", "h/acme-evil/a", false),
            ("*", "group:x", true),
        ];
        for (pattern, realm, expected) in cases {
            assert_eq!(pattern.parse::<RealmPattern>().unwrap().covers(realm), expected, "{pattern} {realm}");
        }
        for bad in ["", "/", "h/acme*", "h/*/a", "h//a", "h/acme/", "h a", "h/*/*", "/*"] {
            assert!(bad.parse::<RealmPattern>().is_err(), "{bad}");
        }
    }
}
