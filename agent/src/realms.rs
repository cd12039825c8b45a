//! Whose stored things are whose. Warm targets, compiled objects and dependency sources are filed under a realm, and a
//! repository's realm is its name, which people know and which is the same on every machine.
//!
//! Names change hands: a repository is renamed or transferred, and another one may take the name that is free then. So
//! the first repository that this machine sees under a name, by the forge's number, keeps it as its realm. Any other
//! one that comes to be called so gets a realm with its number in it, `github.com/acme/rocket@3101`, which no name can
//! be; it reads nothing of the first one's. A repository with a new name begins anew under that name.
//!
//! A job without a number, which a person starts by hand, goes by its name. Nothing here may let a job into a realm of
//! which it is unknown whose it is.

use std::fs;
use std::io;
use std::path::Path;

use hearth_host::tree;
use hearth_model::{ExecutionId, JobFacts};

/// The realm of a job's repository. What cannot be read or written down is a realm by number.
pub fn of(holders: &Path, execution: ExecutionId, facts: &JobFacts) -> String {
    let name = facts.repository.clone();
    let Some(number) = facts.run.repository_id else { return name };
    match holder(holders, execution, &name, number) {
        Ok(first) if first == number => name,
        Ok(first) => {
            tracing::warn!(
                "{name} was the name of repository {first}, whose stored things repository {number} does not get"
            );
            format!("{name}@{number}")
        }
        Err(error) => {
            tracing::warn!("nobody knows which repository was called {name} first, so {number} begins anew: {error}");
            format!("{name}@{number}")
        }
    }
}

/// The number of the repository that had this name first, which is now ours where nobody had it before.
fn holder(holders: &Path, execution: ExecutionId, name: &str, number: u64) -> io::Result<u64> {
    // A forge's names are one whatever their letters' case.
    let key = blake3::hash(name.to_lowercase().as_bytes()).to_hex();
    let place = holders.join(&key[..32]);
    let read = || -> io::Result<u64> { fs::read_to_string(&place)?.trim().parse().map_err(io::Error::other) };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known,
    }
    fs::create_dir_all(holders)?;
    let ours = holders.join(format!("{execution}.partial"));
    tree::write_atomically(&ours, number.to_string().as_bytes())?;
    // A link replaces nothing: of two jobs at once one is first.
    let linked = fs::hard_link(&ours, &place);
    fs::remove_file(&ours)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(),
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{Event, Forge, Ref, RunFacts, Timestamp, WorkTree};

    use super::*;

    fn facts(repository: &str, repository_id: Option<u64>) -> JobFacts {
        JobFacts {
            forge: Forge::GitHub { host: "github.com".to_owned() },
            repository: repository.to_owned(),
            event: Event::Push,
            reference: Ref::Branch("main".to_owned()),
            base_branch: None,
            default_branch: "main".to_owned(),
            from_fork: false,
            commit: None,
            work_tree: WorkTree::Clean,
            lock_digest: None,
            workflow: None,
            job: "test".to_owned(),
            actor: None,
            platform: "x86_64-unknown-linux-gnu".to_owned(),
            run: RunFacts { repository_id, ..RunFacts::default() },
        }
    }

    #[track_caller]
    fn check(holders: &Path, name: &str, number: Option<u64>, realm: &str) {
        assert_eq!(of(holders, ExecutionId::new(Timestamp::from_millis(1)), &facts(name, number)), realm);
    }

    #[test]
    fn whoever_takes_a_name_does_not_take_what_is_stored_under_it() {
        let dir = tempfile::tempdir().unwrap();
        let holders = dir.path().join("realms");
        check(&holders, "github.com/acme/rocket", Some(1), "github.com/acme/rocket");
        check(&holders, "github.com/Acme/Rocket", Some(1), "github.com/Acme/Rocket");
        check(&holders, "github.com/acme/rocket", Some(2), "github.com/acme/rocket@2");
        check(&holders, "github.com/ACME/rocket", Some(2), "github.com/ACME/rocket@2");
        // The first one under its new name, and back under its old one.
        check(&holders, "github.com/acme/shuttle", Some(1), "github.com/acme/shuttle");
        check(&holders, "github.com/acme/rocket", Some(1), "github.com/acme/rocket");
        check(&holders, "github.com/acme/rocket", None, "github.com/acme/rocket");
        assert_eq!(fs::read_dir(&holders).unwrap().count(), 2, "one file for a name");
    }

    #[test]
    fn a_name_of_which_nothing_can_be_known_is_nobodys() {
        let dir = tempfile::tempdir().unwrap();
        let holders = dir.path().join("realms");
        fs::write(&holders, "in the way").unwrap();
        check(&holders, "github.com/acme/rocket", Some(1), "github.com/acme/rocket@1");
        fs::remove_file(&holders).unwrap();
        check(&holders, "github.com/acme/rocket", Some(1), "github.com/acme/rocket");
        for file in fs::read_dir(&holders).unwrap() {
            fs::write(file.unwrap().path(), "").unwrap();
        }
        check(&holders, "github.com/acme/rocket", Some(1), "github.com/acme/rocket@1");
    }
}
