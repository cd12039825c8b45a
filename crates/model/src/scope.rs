//! Who may read and write a cached thing. A scope is always below one repository; its name is what stands in tokens,
//! in the index of the cache node and in snapshot records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The scope of one cached thing inside a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// Written by the default branch and other protected refs only; readable by everybody in the repository.
    Trusted,
    /// One branch that is not protected.
    Branch(String),
    /// One pull request.
    PullRequest(u64),
    /// One run of a workflow: what its jobs hand to each other, and to nobody else.
    Run(u64),
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope; scopes are `trusted`, `branch/<name>`, `pr/<number>` and `run/<number>`")]
pub struct InvalidScope(String);

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted => f.write_str("trusted"),
            Self::Branch(name) => write!(f, "branch/{name}"),
            Self::PullRequest(number) => write!(f, "pr/{number}"),
            Self::Run(number) => write!(f, "run/{number}"),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let invalid = || InvalidScope(text.to_owned());
        match text.split_once('/') {
            None if text == "trusted" => Ok(Self::Trusted),
            Some(("branch", name)) if !name.is_empty() && !name.contains('\0') => Ok(Self::Branch(name.to_owned())),
            Some(("pr", number)) => canonical(number).map(Self::PullRequest).ok_or_else(invalid),
            Some(("run", number)) => canonical(number).map(Self::Run).ok_or_else(invalid),
            _ => Err(invalid()),
        }
    }
}

/// Only the canonical spelling: two names for one scope would be two scopes.
fn canonical(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;
    fn try_from(text: String) -> Result<Self, InvalidScope> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scopes_have_one_spelling() {
        for bad in [
            "", "Trusted", "trusted/", "branch/", "branch", "pr/", "pr/+7", "pr/07", "pr/-1", "pr/7/x", "run/07", "x/y",
        ] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_scope_survives_its_name(name in "[^\0]{1,40}", number: u64) {
            for scope in [Scope::Trusted, Scope::Branch(name.clone()), Scope::PullRequest(number), Scope::Run(number)] {
                prop_assert_eq!(scope.to_string().parse::<Scope>(), Ok(scope));
            }
        }
    }
}
