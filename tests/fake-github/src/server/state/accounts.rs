//! Who there is: enterprises, organizations, repositories, runner groups, Apps and where they are installed. What a
//! test sets up, and changes while the server runs.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::server::key::AppKey;

/// Where runners are registered and who owns what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `owner/name`.
    Repository(String),
    Organization(String),
    Enterprise(String),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(name) | Self::Organization(name) => f.write_str(name),
            Self::Enterprise(slug) => write!(f, "enterprises/{slug}"),
        }
    }
}

/// As it stands behind the host in a URL.
impl FromStr for Scope {
    type Err = ();

    fn from_str(path: &str) -> Result<Self, ()> {
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["enterprises", slug] if !slug.is_empty() => Ok(Self::Enterprise(slug.to_owned())),
            [login] if !login.is_empty() => Ok(Self::Organization(login.to_owned())),
            [owner, name] if !owner.is_empty() && !name.is_empty() => Ok(Self::Repository(format!("{owner}/{name}"))),
            _ => Err(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Public,
    Private,
}

#[derive(Debug, Clone)]
pub struct Repository {
    pub id: u64,
    /// `owner/name`.
    pub full_name: String,
    pub visibility: Visibility,
}

impl Repository {
    pub(crate) fn owner(&self) -> &str {
        self.full_name.split_once('/').map_or("", |(owner, _)| owner)
    }

    pub(crate) fn name(&self) -> &str {
        self.full_name.split_once('/').map_or("", |(_, name)| name)
    }
}

/// Which repositories, or organizations of an enterprise, see a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    All,
    Selected(Vec<String>),
}

#[derive(Debug, Clone)]
pub struct Group {
    pub id: u64,
    pub name: String,
    pub members: Members,
    pub allows_public_repositories: bool,
    /// GitHub's own machines: it exists and nobody may put a runner into it.
    pub hosted: bool,
}

impl Group {
    /// The one that every organization has: for all repositories that are not public.
    pub fn default_group() -> Self {
        let name = "Default".to_owned();
        Self { id: 1, name, members: Members::All, allows_public_repositories: false, hosted: false }
    }

    pub fn hosted_group() -> Self {
        Self { id: 2, name: "GitHub Actions".to_owned(), hosted: true, ..Self::default_group() }
    }
}

#[derive(Debug, Clone)]
pub struct Organization {
    pub id: u64,
    pub login: String,
    pub enterprise: Option<String>,
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone)]
pub struct Enterprise {
    pub id: u64,
    pub slug: String,
    pub groups: Vec<Group>,
}

/// What a permission allows, the weaker first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Read,
    Write,
    Admin,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Admin].into_iter().find(|level| level.name() == name)
    }
}

pub type Permissions = BTreeMap<String, Level>;

/// An App's presence in an organization or an enterprise.
#[derive(Debug, Clone)]
pub struct Installation {
    pub id: u64,
    pub account: Scope,
    pub permissions: Permissions,
    /// `owner/name` of those that it sees; all of the account's when there is no list.
    pub repositories: Option<Vec<String>>,
    pub suspended: bool,
}

#[derive(Debug, Clone)]
pub struct App {
    pub id: u64,
    pub client_id: String,
    pub slug: String,
    pub key: AppKey,
    pub installations: Vec<Installation>,
}

#[derive(Debug, Clone)]
pub struct Accounts {
    pub enterprises: Vec<Enterprise>,
    pub organizations: Vec<Organization>,
    pub repositories: Vec<Repository>,
    pub apps: Vec<App>,
    /// Names that repositories had before, and their numbers.
    pub(super) former: Vec<(String, u64)>,
}

/// What Hearth asks for, and reading repositories, which every App may.
pub fn hearth_permissions() -> Permissions {
    let permissions = [
        ("organization_self_hosted_runners", Level::Write),
        ("administration", Level::Write),
        ("actions", Level::Read),
        ("metadata", Level::Read),
    ];
    permissions.map(|(name, level)| (name.to_owned(), level)).into()
}

/// The enterprise `megacorp` with the organization `acme`, whose repositories are `widgets`, `gadgets` and the public
/// `site`; an App that is installed there; and `elsewhere/things`, which is none of its business.
impl Default for Accounts {
    fn default() -> Self {
        let organization = |id, login: &str, enterprise: Option<&str>| Organization {
            id,
            login: login.to_owned(),
            enterprise: enterprise.map(str::to_owned),
            groups: vec![Group::default_group(), Group::hosted_group()],
        };
        let repository = |id, name: &str, visibility| Repository { id, full_name: name.to_owned(), visibility };
        let installation = Installation {
            id: 5001,
            account: Scope::Organization("acme".to_owned()),
            permissions: hearth_permissions(),
            repositories: None,
            suspended: false,
        };
        let app = App {
            id: 901,
            client_id: "Iv23liHearthFake".to_owned(),
            slug: "hearth".to_owned(),
            key: AppKey::of_this_process(),
            installations: vec![installation],
        };
        Self {
            enterprises: vec![Enterprise { id: 71, slug: "megacorp".to_owned(), groups: vec![Group::default_group()] }],
            organizations: vec![organization(101, "acme", Some("megacorp")), organization(102, "elsewhere", None)],
            repositories: vec![
                repository(3001, "acme/widgets", Visibility::Private),
                repository(3002, "acme/gadgets", Visibility::Private),
                repository(3003, "acme/site", Visibility::Public),
                repository(3004, "elsewhere/things", Visibility::Private),
            ],
            apps: vec![app],
            former: Vec::new(),
        }
    }
}

impl Accounts {
    pub fn repository(&self, full_name: &str) -> Option<&Repository> {
        self.repositories.iter().find(|repository| repository.full_name.eq_ignore_ascii_case(full_name))
    }

    pub fn organization(&self, login: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn enterprise(&self, slug: &str) -> Option<&Enterprise> {
        self.enterprises.iter().find(|enterprise| enterprise.slug.eq_ignore_ascii_case(slug))
    }

    /// The scope in the spelling of its owner, when it exists.
    pub(crate) fn known(&self, scope: &Scope) -> Option<Scope> {
        Some(match scope {
            Scope::Repository(name) => Scope::Repository(self.repository(name)?.full_name.clone()),
            Scope::Organization(login) => Scope::Organization(self.organization(login)?.login.clone()),
            Scope::Enterprise(slug) => Scope::Enterprise(self.enterprise(slug)?.slug.clone()),
        })
    }

    /// The groups of a scope; a repository has the default one and no other.
    pub(crate) fn groups(&self, scope: &Scope) -> Vec<Group> {
        match scope {
            Scope::Repository(_) => vec![Group { allows_public_repositories: true, ..Group::default_group() }],
            Scope::Organization(login) => {
                self.organization(login).map(|found| found.groups.clone()).unwrap_or_default()
            }
            Scope::Enterprise(slug) => self.enterprise(slug).map(|found| found.groups.clone()).unwrap_or_default(),
        }
    }

    pub(crate) fn group(&self, scope: &Scope, id: u64) -> Option<Group> {
        self.groups(scope).into_iter().find(|group| group.id == id)
    }

    /// Whether runners of this scope and group may take jobs of this repository.
    pub(crate) fn serves(&self, scope: &Scope, group: u64, repository: &Repository) -> bool {
        let Some(group) = self.group(scope, group) else { return false };
        let owner = self.organization(repository.owner());
        let (covers, member) = match scope {
            Scope::Repository(name) => (*name == repository.full_name, None),
            Scope::Organization(login) => (login == repository.owner(), Some(repository.full_name.as_str())),
            Scope::Enterprise(slug) => {
                (owner.is_some_and(|owner| owner.enterprise.as_ref() == Some(slug)), Some(repository.owner()))
            }
        };
        let selected = match (&group.members, member) {
            (Members::Selected(names), Some(member)) => names.iter().any(|name| name == member),
            _ => true,
        };
        covers && selected && (group.allows_public_repositories || repository.visibility == Visibility::Private)
    }

    pub(crate) fn installation(&self, id: u64) -> Option<(&App, &Installation)> {
        let all =
            self.apps.iter().flat_map(|app| app.installations.iter().map(move |installation| (app, installation)));
        all.into_iter().find(|(_, installation)| installation.id == id)
    }
}

impl Installation {
    /// Whether it sees what belongs to this scope.
    pub(crate) fn sees(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Repository(name) => {
                let listed = |names: &Vec<String>| names.iter().any(|listed| listed.eq_ignore_ascii_case(name));
                let owner = name.split_once('/').map_or("", |(owner, _)| owner);
                self.account == Scope::Organization(owner.to_owned()) && self.repositories.as_ref().is_none_or(listed)
            }
            other => self.account == *other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_what_stands_behind_the_host() {
        for (path, scope) in [
            ("/acme", Some(Scope::Organization("acme".to_owned()))),
            ("acme/widgets/", Some(Scope::Repository("acme/widgets".to_owned()))),
            ("/enterprises/megacorp", Some(Scope::Enterprise("megacorp".to_owned()))),
            ("/", None),
            ("/a/b/c", None),
        ] {
            assert_eq!(path.parse().ok(), scope, "{path}");
        }
    }

    #[test]
    fn a_group_serves_whom_it_is_for() {
        let mut accounts = Accounts::default();
        let selected = Members::Selected(vec!["acme/gadgets".to_owned()]);
        let group = Group { id: 7, members: selected, ..Group::default_group() };
        accounts.organizations[0].groups.push(group);
        let organization = Scope::Organization("acme".to_owned());
        let enterprise = Scope::Enterprise("megacorp".to_owned());
        let own = Scope::Repository("acme/site".to_owned());
        for (scope, group, repository, serves) in [
            (&organization, 1, "acme/widgets", true),
            (&organization, 1, "acme/site", false),
            (&organization, 1, "elsewhere/things", false),
            (&organization, 7, "acme/widgets", false),
            (&organization, 7, "acme/gadgets", true),
            (&organization, 8, "acme/widgets", false),
            (&enterprise, 1, "acme/widgets", true),
            (&enterprise, 1, "elsewhere/things", false),
            (&own, 1, "acme/site", true),
            (&own, 1, "acme/widgets", false),
        ] {
            let repository = accounts.repository(repository).unwrap();
            assert_eq!(accounts.serves(scope, group, repository), serves, "{scope} {group} {}", repository.full_name);
        }
    }
}
