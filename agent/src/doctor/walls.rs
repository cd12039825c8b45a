//! What keeps jobs apart: mount namespaces, users, mapped owners, control groups.

use std::path::Path;
use std::thread;

use hearth_host::cgroups::{Controller, Delegation, Limits};
use hearth_host::owners;
use hearth_host::users::{self, SlotUser, WhyOurs};
use hearth_host::view;
use hearth_model::SlotNumber;

use super::finding::Finding;
use super::storage::Standing;
use crate::journey::chain;

const VIEW: &str = "view";
const USERS: &str = "users of slots";
const OWNERS: &str = "mapped owners";
const CGROUPS: &str = "control groups";

/// Who works in the slots.
#[derive(Debug, Default)]
struct Workers {
    own: usize,
    /// By the agent's own user, because of these.
    ours: Vec<WhyOurs>,
    errors: Vec<String>,
}

pub(super) fn look(root: &Path, standing: Standing, slots: u16, pattern: &str, limits: &Limits) -> Vec<Finding> {
    let workers = workers(slots, pattern);
    let mapped = match standing {
        Standing::Usable => Some(owners::idmapped_binds(root).map_err(|error| chain(&error))),
        Standing::Missing | Standing::Unusable => None,
    };
    vec![
        judge_view(&private_namespace()),
        judge_workers(&workers, users::effective_uid()),
        judge_owners(mapped, workers.own),
        judge_cgroups(Delegation::find().map_err(|error| chain(&error)), &needed(limits)),
    ]
}

/// Tries in a thread of its own, and with it the namespace ends.
fn private_namespace() -> Result<(), String> {
    let tried = thread::spawn(|| view::enter_private().map(drop)).join();
    tried
        .unwrap_or_else(|_| Err(std::io::Error::other("the thread that tried it stumbled")))
        .map_err(|error| chain(&error))
}

fn judge_view(entered: &Result<(), String>) -> Finding {
    let Err(error) = entered else {
        return Finding::good(VIEW, "every job gets a mount namespace with the same paths in every slot");
    };
    let found = format!("there are no mount namespaces for us: {error}");
    let why =
        "each slot keeps paths of its own, so that slots do not share what is warm, and jobs see the files of others";
    Finding::warning(VIEW, found, why, "run the daemon as root, or with CAP_SYS_ADMIN")
}

fn workers(slots: u16, pattern: &str) -> Workers {
    let mut workers = Workers::default();
    for slot in (0..slots).map(SlotNumber) {
        match users::slot_user(pattern, slot) {
            Ok(SlotUser::Own(_)) => workers.own += 1,
            Ok(SlotUser::Ours(why)) => workers.ours.push(why),
            Err(error) => workers.errors.push(chain(&error)),
        }
    }
    workers
}

fn judge_workers(workers: &Workers, us: u32) -> Finding {
    if let Some(error) = workers.errors.first() {
        let why = "the jobs of such a slot cannot be started";
        return Finding::bad(USERS, error, why, "set slots.user to a pattern of system users without privileges");
    }
    if workers.ours.is_empty() {
        return Finding::good(USERS, "every slot has one of its own");
    }
    let us = if us == 0 { "root".to_owned() } else { format!("user {us}, as the agent does") };
    let why = "what one job writes, the jobs of other slots can reach; what the agent keeps, all of them can";
    let missing: Vec<&str> = workers
        .ours
        .iter()
        .filter_map(|why| match why {
            WhyOurs::NoSuchUser { name } => Some(name.as_str()),
            WhyOurs::NotPrivileged => None,
        })
        .collect();
    if missing.is_empty() {
        let found = format!("jobs run as {us}: {}", WhyOurs::NotPrivileged);
        return Finding::warning(USERS, found, why, "run the daemon as root, with a user for each slot");
    }
    let found = format!("jobs run as {us}: there is no user {}", missing.join(", "));
    let fix = missing.iter().map(|name| format!("useradd --system {name}")).collect::<Vec<_>>().join("; ");
    Finding::warning(USERS, found, why, fix)
}

/// `own`: how many slots have a user of their own.
fn judge_owners(mapped: Option<Result<(), String>>, own: usize) -> Finding {
    match mapped {
        None => Finding::not_checked(OWNERS, "there is no state directory to try it in"),
        Some(Ok(())) => Finding::good(OWNERS, "a warm target passes between users by one rename"),
        Some(Err(error)) if own == 0 => Finding::not_checked(OWNERS, format!("no slot needs them ({error})")),
        Some(Err(error)) => {
            let why = "every file of a warm target changes hands one by one, and the next clone takes all of them anew";
            Finding::warning(OWNERS, error, why, "put the state directory on ext4, XFS or btrfs, and run as root")
        }
    }
}

fn needed(limits: &Limits) -> Vec<Controller> {
    let asked = |controller| match controller {
        Controller::Cpu => limits.cpus.is_some() || limits.cpu_weight.is_some(),
        Controller::Io => limits.io_weight.is_some() || !limits.io.is_empty(),
        Controller::Memory => limits.memory.is_some() || limits.swap.is_some(),
        Controller::Pids => limits.processes.is_some(),
    };
    Controller::ALL.into_iter().filter(|controller| asked(*controller)).collect()
}

fn judge_cgroups(delegation: Result<Delegation, String>, needed: &[Controller]) -> Finding {
    let words =
        |controllers: &[Controller]| controllers.iter().map(Controller::to_string).collect::<Vec<_>>().join(", ");
    let fix =
        "start the daemon by its service unit, with Delegate=yes; a shell's own group says nothing of the service's";
    let delegation = match delegation {
        Ok(delegation) => delegation,
        Err(error) if needed.is_empty() => {
            let why = "what a job starts is found and ended one by one, and no slot can be limited";
            return Finding::warning(CGROUPS, error, why, fix);
        }
        Err(error) => {
            let found = format!("{error}; slots.limits needs {}", words(needed));
            return Finding::warning(CGROUPS, found, "limits that are not held protect nobody", fix);
        }
    };
    let missing: Vec<Controller> =
        needed.iter().copied().filter(|controller| !delegation.controllers.contains(controller)).collect();
    let base = delegation.base.display();
    if missing.is_empty() {
        return Finding::good(
            CGROUPS,
            format!("{base} is ours to divide, with {}", or_none(&words(&delegation.controllers))),
        );
    }
    let found = format!("{base} is ours to divide, without {}, which slots.limits needs", words(&missing));
    Finding::bad(CGROUPS, found, "limits that are not held protect nobody", fix)
}

fn or_none(words: &str) -> &str {
    if words.is_empty() { "no controllers" } else { words }
}

#[cfg(test)]
mod tests {
    use hearth_host::cgroups::{Cpus, Standing as CgroupStanding};
    use hearth_model::Bytes;

    use super::super::finding::State;
    use super::*;

    #[test]
    fn jobs_without_a_user_of_their_own_are_told_of() {
        let missing = |name: &str| WhyOurs::NoSuchUser { name: name.to_owned() };
        let check = |workers: Workers, us| {
            let finding = judge_workers(&workers, us);
            (finding.state, finding.found, finding.fix)
        };
        assert_eq!(check(Workers { own: 2, ..Workers::default() }, 0).0, State::Good);
        let (state, found, fix) =
            check(Workers { ours: vec![missing("s-0"), missing("s-1")], ..Workers::default() }, 0);
        assert_eq!((state, found.as_str()), (State::Warning, "jobs run as root: there is no user s-0, s-1"));
        assert_eq!(fix, "useradd --system s-0; useradd --system s-1");
        let (state, found, _) = check(Workers { ours: vec![WhyOurs::NotPrivileged], ..Workers::default() }, 7);
        assert_eq!(state, State::Warning);
        assert!(found.starts_with("jobs run as user 7, as the agent does: we are not the superuser"), "{found}");
        let (state, found, _) =
            check(Workers { errors: vec!["root is the superuser".to_owned()], ..Workers::default() }, 0);
        assert_eq!((state, found.as_str()), (State::Bad, "root is the superuser"));
    }

    #[test]
    fn owners_matter_where_slots_have_users() {
        let no = || Some(Err("no".to_owned()));
        for (mapped, own, state) in [
            (None, 2, State::NotChecked),
            (Some(Ok(())), 0, State::Good),
            (no(), 0, State::NotChecked),
            (no(), 2, State::Warning),
        ] {
            assert_eq!(judge_owners(mapped.clone(), own).state, state, "{mapped:?} {own}");
        }
    }

    #[test]
    fn a_limit_that_cannot_be_held_is_bad() {
        let none = Limits::default();
        let some = Limits { cpus: Cpus::new(2.0).ok(), memory: Some(Bytes::gib(1)), ..Limits::default() };
        assert_eq!(needed(&some), [Controller::Cpu, Controller::Memory]);
        let ours = |controllers: &[Controller]| {
            Ok(Delegation { base: "/c".into(), standing: CgroupStanding::Delegated, controllers: controllers.to_vec() })
        };
        let check = |delegation, limits: &Limits| judge_cgroups(delegation, &needed(limits)).state;
        assert_eq!(check(ours(&[]), &none), State::Good);
        assert_eq!(check(ours(&[Controller::Memory, Controller::Cpu]), &some), State::Good);
        assert_eq!(check(ours(&[Controller::Memory]), &some), State::Bad);
        assert!(judge_cgroups(ours(&[Controller::Memory]), &needed(&some)).found.contains("without cpu, which"));
        assert_eq!(check(Err("not ours".to_owned()), &none), State::Warning);
        assert_eq!(check(Err("not ours".to_owned()), &some), State::Warning);
    }

    #[test]
    fn a_missing_view_is_a_loss_and_no_end() {
        assert_eq!(judge_view(&Ok(())).state, State::Good);
        assert_eq!(judge_view(&Err("denied".to_owned())).state, State::Warning);
    }
}
