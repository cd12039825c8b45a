//! Sharing groups: repositories that have one `trusted` scope in common. Every other scope stays below its own
//! repository, so a pull request of one repository is seen by no other, and a group is as trustworthy as the default
//! branch of its least careful member.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_model::Scope;

use crate::keys::Space;

/// In front of a group's realm. No repository is called so: each of those has a slash in its name, and no group has.
const PREFIX: &str = "group:";

/// More characters are no name.
const MAX_NAME: usize = 64;

/// Why groups cannot be had as they were written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    #[error("`{0}` is not a name for a group; use up to 64 letters, digits, dots, dashes and underscores")]
    Name(String),
    #[error("repository {repository} is in two groups, {one} and {other}; its trusted scope can be only one")]
    TwoGroups { repository: String, one: String, other: String },
}

/// Which repository is in which group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    realms: HashMap<String, Arc<str>>,
}

impl Groups {
    /// `groups`: each name with its repositories.
    pub fn new<'a>(groups: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Result<Self, GroupsError> {
        let mut realms = HashMap::new();
        for (name, repositories) in groups {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
                return Err(GroupsError::Name(name.to_owned()));
            }
            let realm: Arc<str> = format!("{PREFIX}{name}").into();
            for repository in repositories {
                let before = realms.insert(repository.clone(), Arc::clone(&realm)).filter(|before| *before != realm);
                if let Some(before) = before {
                    return Err(GroupsError::TwoGroups {
                        repository: repository.clone(),
                        one: before.trim_start_matches(PREFIX).to_owned(),
                        other: name.to_owned(),
                    });
                }
            }
        }
        Ok(Self { realms })
    }

    /// Where the scope of a repository lies.
    pub(super) fn space(&self, repository: &Arc<str>, scope: &Scope) -> Space {
        let realm = match scope {
            Scope::Trusted => self.realms.get(&**repository).unwrap_or(repository),
            Scope::Branch(_) | Scope::PullRequest(_) | Scope::Run(_) => repository,
        };
        Space { realm: Arc::clone(realm), scope: scope.clone() }
    }

    /// Where to look for what lies in the scope: a repository that joined a group still finds what it had before.
    pub(super) fn places<'a>(&'a self, repository: &'a Arc<str>, scope: &'a Scope) -> impl Iterator<Item = Space> + 'a {
        let place = self.space(repository, scope);
        let before = Space { realm: Arc::clone(repository), scope: scope.clone() };
        let before = Some(before).filter(|before| *before != place);
        std::iter::once(place).chain(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        let (rust, go) = (["h/o/a".to_owned(), "h/o/b".to_owned()], ["h/o/g".to_owned()]);
        Groups::new([("rust", rust.as_slice()), ("go", go.as_slice())]).unwrap()
    }

    #[test]
    fn only_trusted_is_shared_and_only_within_the_group() {
        let [a, b, g, alone]: [Arc<str>; 4] = ["h/o/a", "h/o/b", "h/o/g", "h/o/alone"].map(Into::into);
        let groups = groups();
        assert_eq!(groups.space(&a, &Scope::Trusted), groups.space(&b, &Scope::Trusted));
        assert_ne!(groups.space(&a, &Scope::Trusted), groups.space(&g, &Scope::Trusted));
        for scope in [Scope::Branch("x".to_owned()), Scope::PullRequest(1), Scope::Run(1)] {
            assert_ne!(groups.space(&a, &scope), groups.space(&b, &scope), "{scope}");
        }
        assert_eq!(&*groups.space(&alone, &Scope::Trusted).realm, "h/o/alone");
    }

    #[test]
    fn who_joins_a_group_keeps_what_he_had() {
        let [a, alone]: [Arc<str>; 2] = ["h/o/a", "h/o/alone"].map(Into::into);
        let places = |repository, scope: &Scope| -> Vec<String> {
            groups().places(repository, scope).map(|space| space.to_string()).collect()
        };
        assert_eq!(places(&a, &Scope::Trusted), ["group:rust trusted", "h/o/a trusted"]);
        assert_eq!(places(&a, &Scope::PullRequest(1)), ["h/o/a pr/1"]);
        assert_eq!(places(&alone, &Scope::Trusted), ["h/o/alone trusted"]);
    }

    #[test]
    fn contradictions_and_odd_names_are_refused() {
        let own = ["h/o/a".to_owned()];
        let twice = Groups::new([("one", own.as_slice()), ("two", own.as_slice())]);
        let error = GroupsError::TwoGroups { repository: "h/o/a".into(), one: "one".into(), other: "two".into() };
        assert_eq!(twice, Err(error));
        let long = "a".repeat(MAX_NAME + 1);
        for name in ["", "a/b", "a b", "a:b", "\u{e9}", &long] {
            assert_eq!(Groups::new([(name, own.as_slice())]), Err(GroupsError::Name(name.to_owned())));
        }
    }
}
