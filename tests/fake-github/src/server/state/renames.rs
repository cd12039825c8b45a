//! Repositories that get another name or owner: everything that is theirs goes with them, and their former names lead to
//! them until somebody else takes one.

use super::{Accounts, Grant, Members, Repository, Scope, State};

/// What the queue calls a repository when it speaks of jobs that were queued under its former name. Nobody has documented
/// it, so both are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueNames {
    Former,
    Present,
}

impl State {
    /// Names a repository anew; `to` may name another owner as well.
    pub(crate) fn rename_repository(&mut self, from: &str, to: &str, names: QueueNames) {
        let Some(from) = self.accounts.rename(from, to) else { return };
        let (old, new) = (Scope::Repository(from.clone()), Scope::Repository(to.to_owned()));
        let follow = |scope: &mut Scope| {
            if *scope == old {
                *scope = new.clone();
            }
        };
        self.runners.all_mut().for_each(|runner| follow(&mut runner.scope));
        self.sets.all_mut().for_each(|set| follow(&mut set.scope));
        self.credentials.each_grant(|grant| match grant {
            Grant::Registration(scope) | Grant::Admin(scope) => follow(scope),
            Grant::Installation { repositories, .. } => replace(repositories.iter_mut().flatten(), &from, to),
            Grant::Personal { .. } | Grant::Removal | Grant::Queue { .. } | Grant::Download => {}
        });
        self.jobs.rename(&from, to, names);
    }
}

impl Accounts {
    /// The repository's name until now, when there is such a repository.
    fn rename(&mut self, from: &str, to: &str) -> Option<String> {
        let is = |repository: &&mut Repository| repository.full_name.eq_ignore_ascii_case(from);
        let repository = self.repositories.iter_mut().find(is)?;
        let from = std::mem::replace(&mut repository.full_name, to.to_owned());
        self.former.push((from.clone(), repository.id));
        for group in self.organizations.iter_mut().flat_map(|owner| &mut owner.groups) {
            if let Members::Selected(names) = &mut group.members {
                replace(names.iter_mut(), &from, to);
            }
        }
        let lists = self.apps.iter_mut().flat_map(|app| &mut app.installations);
        lists.for_each(|installation| replace(installation.repositories.iter_mut().flatten(), &from, to));
        Some(from)
    }

    /// The repository that was called so, when nobody is called so now.
    pub(crate) fn formerly(&self, scope: &Scope) -> Option<&Repository> {
        let Scope::Repository(name) = scope else { return None };
        if self.repository(name).is_some() {
            return None;
        }
        // The one that was called so last.
        let (_, id) = self.former.iter().rev().find(|(former, _)| former.eq_ignore_ascii_case(name))?;
        self.repositories.iter().find(|repository| repository.id == *id)
    }

    /// `/repositories/3001/actions` as `/repos/acme/widgets/actions`; none for any other address.
    pub(crate) fn by_name(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix("/repositories/")?;
        let (number, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let number: u64 = number.parse().ok()?;
        let repository = self.repositories.iter().find(|repository| repository.id == number)?;
        Some(format!("/repos/{}{tail}", repository.full_name))
    }
}

fn replace<'a>(names: impl Iterator<Item = &'a mut String>, from: &str, to: &str) {
    names.filter(|name| name.eq_ignore_ascii_case(from)).for_each(|name| to.clone_into(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_name_leads_to_its_repository_until_another_takes_it() {
        let mut accounts = Accounts::default();
        let formerly =
            |accounts: &Accounts, name: &str| accounts.formerly(&Scope::Repository(name.to_owned())).map(|r| r.id);
        assert_eq!(accounts.rename("acme/nothing", "acme/sprockets"), None);
        assert_eq!(accounts.rename("Acme/Widgets", "acme/sprockets").as_deref(), Some("acme/widgets"));
        assert_eq!(formerly(&accounts, "acme/widgets"), Some(3001));
        assert_eq!(formerly(&accounts, "acme/sprockets"), None);
        assert_eq!(accounts.by_name("/repositories/3001/x").as_deref(), Some("/repos/acme/sprockets/x"));
        assert_eq!(accounts.by_name("/repositories/1/x"), None);
        assert_eq!(accounts.rename("acme/gadgets", "acme/widgets").as_deref(), Some("acme/gadgets"));
        assert_eq!(formerly(&accounts, "acme/widgets"), None);
    }
}
