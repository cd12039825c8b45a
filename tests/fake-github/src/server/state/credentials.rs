//! Tokens that the fake gave away: what each one is for and when it ends. It remembers them; it does not judge calls.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Permissions, Scope};

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// A person's classic token.
    Personal { scopes: Vec<String> },
    /// What an App may do where it is installed. No list of repositories: all that the installation sees.
    Installation { installation: u64, permissions: Permissions, repositories: Option<Vec<String>> },
    /// For one step: from REST to the Actions service.
    Registration(Scope),
    /// For taking a runner away by hand.
    Removal,
    /// The Actions service, for what belongs to this scope.
    Admin(Scope),
    /// The messages of one session.
    Queue { set: u64, session: String },
    /// One archive.
    Download,
}

impl Grant {
    /// Whether whoever holds it can get another one by itself.
    pub(crate) fn is_renewable(&self) -> bool {
        !matches!(self, Self::Personal { .. })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) grant: Grant,
    expires: Option<Instant>,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    Nobody,
    App(u64),
    Holder { token: String, grant: Grant },
}

impl Caller {
    /// Whose limits a call counts against.
    pub(crate) fn account(&self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::App(id) => format!("app {id}"),
            Self::Holder { grant: Grant::Installation { installation, .. }, .. } => {
                format!("installation {installation}")
            }
            Self::Holder { token, .. } => token.clone(),
        }
    }

    /// What makes one caller's ETags different from another's.
    pub(crate) fn token(&self) -> &str {
        match self {
            Self::Holder { token, .. } => token,
            _ => "",
        }
    }
}

#[derive(Default)]
pub(crate) struct Credentials {
    by_token: HashMap<String, Credential>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} tokens)", self.by_token.len())
    }
}

impl Credentials {
    pub(crate) fn add(&mut self, token: String, grant: Grant, life: Option<(Instant, Duration)>) {
        let expires = life.map(|(now, life)| now + life);
        self.by_token.insert(token, Credential { grant, expires });
    }

    /// The grant of a token that is good now.
    pub(crate) fn find(&self, token: &str, now: Instant) -> Option<&Grant> {
        let found = self.by_token.get(token)?;
        found.expires.is_none_or(|expires| now < expires).then_some(&found.grant)
    }

    pub(crate) fn each_grant(&mut self, change: impl FnMut(&mut Grant)) {
        self.by_token.values_mut().map(|credential| &mut credential.grant).for_each(change);
    }

    pub(crate) fn forget(&mut self, token: &str) {
        self.by_token.remove(token);
    }

    /// Forgets every token of this kind; how many that were.
    pub(crate) fn forget_all(&mut self, of: impl Fn(&Grant) -> bool) -> usize {
        let before = self.by_token.len();
        self.by_token.retain(|_, credential| !of(&credential.grant));
        before - self.by_token.len()
    }
}

/// A token of this many characters that nobody guesses by accident.
pub(crate) fn random_token(prefix: &str, length: usize) -> String {
    let tail = std::iter::repeat_with(fastrand::alphanumeric).take(length.saturating_sub(prefix.len()));
    prefix.chars().chain(tail).collect()
}
