//! What a caller may do at all. Where he may do it, his spaces say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    Read,
    Write,
    List,
    /// To remove what lies in the space that he writes.
    Delete,
    /// To ask how the node is, and to have it keep house.
    Admin,
    /// To exchange whole records as another node does, whatever their realm within his patterns.
    Peer,
}

impl Right {
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::List, Self::Delete, Self::Admin, Self::Peer];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Admin => "admin",
            Self::Peer => "peer",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a right; rights are read, write, list, delete, admin and peer")]
pub struct InvalidRight(String);

impl FromStr for Right {
    type Err = InvalidRight;
    fn from_str(text: &str) -> Result<Self, InvalidRight> {
        Self::ALL.into_iter().find(|right| right.as_str() == text).ok_or_else(|| InvalidRight(text.to_owned()))
    }
}

/// A set of rights.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Rights(u8);

impl Rights {
    pub fn of(rights: &[Right]) -> Self {
        rights.iter().copied().collect()
    }

    pub fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<T: IntoIterator<Item = Right>>(rights: T) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | 1 << right as u8))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl TryFrom<Vec<String>> for Rights {
    type Error = InvalidRight;
    fn try_from(names: Vec<String>) -> Result<Self, InvalidRight> {
        names.iter().map(|name| name.parse()).collect()
    }
}

impl From<Rights> for Vec<String> {
    fn from(rights: Rights) -> Self {
        rights.iter().map(|right| right.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_into_it_and_nothing_else() {
        for right in Right::ALL {
            let set = Rights::of(&[right]);
            assert!(Right::ALL.into_iter().all(|other| set.has(other) == (other == right)), "{right}");
        }
        assert!(Right::ALL.into_iter().all(|right| !Rights::default().has(right)));
    }

    #[test]
    fn a_set_survives_its_names() {
        let set = Rights::of(&[Right::Write, Right::Read]);
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(text, r#"["read","write"]"#);
        assert_eq!(serde_json::from_str::<Rights>(&text).unwrap(), set);
        assert!(serde_json::from_str::<Rights>(r#"["read","root"]"#).is_err());
    }
}
