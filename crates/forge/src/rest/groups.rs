//! Runner groups: which repositories may use which runners. Repositories have none; everything there is group 1.

use super::Github;
use crate::call::{Call, CallError};
use crate::endpoint::{RepositoryName, Scope};
use crate::http::Request;
use crate::wire::{Group, GroupRepositories, Groups, Repository};

const DEFAULT: i64 = 1;

/// A runner group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerGroup {
    pub id: i64,
    pub name: String,
    /// `all`, `private` or `selected`
    pub visibility: String,
    pub is_default: bool,
    pub allows_public_repositories: bool,
    pub restricted_to_workflows: bool,
}

impl Github {
    /// The groups of an organization or enterprise; none for a repository.
    pub async fn runner_groups(&self) -> Result<Vec<RunnerGroup>, CallError> {
        if matches!(self.endpoint().scope(), Scope::Repository(_)) {
            return Ok(Vec::new());
        }
        let what = format!("list the runner groups of {}", self.endpoint().scope());
        let request = Request::get(what, self.endpoint().scoped(&["actions", "runner-groups"]));
        let all = self.pages(request, |page| page.json().map(|page: Groups| page.runner_groups)).await?;
        Ok(all.into_iter().map(group).collect())
    }

    /// The number of the group of this name; of the default group without one.
    pub(crate) async fn group_id(&self, name: Option<&str>) -> Result<i64, CallError> {
        let Some(name) = name else { return Ok(DEFAULT) };
        let found = self.runner_groups().await?.into_iter().find(|group| group.name.eq_ignore_ascii_case(name));
        found.map(|group| group.id).ok_or_else(|| {
            let what = format!("use runner group {name} of {}", self.endpoint().scope());
            CallError::NotFound { call: Call::new(what), message: "there is no group of this name".to_owned() }
        })
    }

    /// The repositories that a group with visibility `selected` serves.
    pub(crate) async fn group_repositories(&self, id: i64) -> Result<Vec<Repository>, CallError> {
        let what = format!("list the repositories of runner group {id} of {}", self.endpoint().scope());
        let url = self.endpoint().scoped(&["actions", "runner-groups", &id.to_string(), "repositories"]);
        self.pages(Request::get(what, url), |page| page.json().map(|page: GroupRepositories| page.repositories)).await
    }

    pub(crate) async fn repository(&self, name: &RepositoryName) -> Result<Repository, CallError> {
        let url = self.endpoint().api(&["repos", name.owner(), name.name()]);
        self.get(Request::get(format!("look up repository {name}"), url)).await?.json()
    }

    /// The number of the repository that has both names (`owner/name`), one of them a former one. `None` where they lead
    /// to two repositories, or one of them to none.
    pub async fn one_repository(&self, names: [&str; 2]) -> Result<Option<u64>, CallError> {
        let mut found = None;
        for name in names {
            let Ok(name) = RepositoryName::parse(name) else { return Ok(None) };
            let number = match self.repository(&name).await {
                Ok(repository) => repository.id,
                Err(CallError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            if found.is_some_and(|other| other != number) {
                return Ok(None);
            }
            found = Some(number);
        }
        Ok(found)
    }
}

fn group(group: Group) -> RunnerGroup {
    RunnerGroup {
        id: group.id,
        name: group.name,
        visibility: group.visibility,
        is_default: group.default,
        allows_public_repositories: group.allows_public_repositories,
        restricted_to_workflows: group.restricted_to_workflows,
    }
}
