//! Repositories whose names change while a machine serves them, and names that change hands.

use fake_github::{FakeGithub, Job, QueueNames, Repository as Owned, Scope, Visibility};
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{Machine, Served};

use crate::books::{Witness, ledger};
use crate::moments::Gate;
use crate::warm::{job, project, ran};

const BUILD: &str = "cargo build --workspace -v";

/// Somebody makes a repository of the name that has become free.
fn take_the_old_name(github: &FakeGithub) {
    let owned = Owned { id: 3101, full_name: "acme/widgets".to_owned(), visibility: Visibility::Private };
    github.change_accounts(|accounts| accounts.repositories.push(owned));
}

fn of(repository: &str, job: Job) -> Job {
    Job { repository: repository.to_owned(), ..job }
}

/// What the books call the repository of each job, and its number, oldest first.
fn booked(served: &Served) -> Vec<(String, Option<u64>)> {
    let rows = ledger(&served.world).into_iter().rev().filter_map(|row| row.facts);
    let name = |name: &str| name.split_once('/').map(|(_host, name)| name.to_owned()).unwrap_or_default();
    rows.map(|facts| (name(&facts.repository), facts.run.repository_id)).collect()
}

#[test]
fn a_running_job_ends_and_is_booked_once_and_later_ones_land() {
    let scope = Scope::Repository("acme/widgets".to_owned());
    let mut served = Served::start(&Machine { scope, slots: 1, ..Machine::default() });
    let gate = Gate::new(&served, 0);
    let running = Witness::offer(&served, 0, &gate.script());
    served.until("a job that runs", |_| running.has_begun());
    served.github.rename_repository("acme/widgets", "acme/sprockets", QueueNames::Present);
    // The token that was made for the old name comes to its end as well.
    served.github.revoke_installation_tokens();
    let later = served.github.offer(Job::new("acme/sprockets").labels(["hearth"]).run("true"));
    gate.open();
    served.done(&[running.job, later]);
    served.idle();
    for job in [running.job, later] {
        let record = served.github.job(job).unwrap();
        assert_eq!((record.acquired, record.completed), (1, 1), "{record:#?}\n{}", served.said());
    }
    let names = [("acme/widgets".to_owned(), Some(3001)), ("acme/sprockets".to_owned(), Some(3001))];
    assert_eq!(booked(&served), names, "under the name that it had when it began");
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_job_that_was_queued_under_the_old_name_has_its_scopes() {
    let mut served = Served::prepare(&Machine { slots: 1, ..Machine::default() });
    let repository = project(&served);
    let queued = served.github.offer(job(&repository).run(BUILD));
    served.github.rename_repository("acme/widgets", "acme/sprockets", QueueNames::Former);
    served.up();
    served.done(&[queued]);
    served.idle();
    let first = served.github.job(queued).unwrap().log;
    assert!(first.contains("may read trusted, may write trusted"), "{first}\n{}", served.said());
    let said = served.said();
    assert!(said.contains("acme/widgets and acme/sprockets are one repository"), "{said}");
    let second = ran(&mut served, of("acme/sprockets", job(&repository).run(BUILD)));
    assert!(second.log.contains("Fresh leaf") && !second.log.contains("Compiling"), "{}", second.log);
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_queue_that_names_a_repository_of_others_keeps_the_job_from_writing() {
    let mut served = Served::prepare(&Machine { slots: 1, ..Machine::default() });
    let repository = project(&served);
    let queued = served.github.offer(job(&repository).run(BUILD));
    served.github.rename_repository("acme/widgets", "acme/sprockets", QueueNames::Former);
    // What the queue says is somebody else by now.
    take_the_old_name(&served.github);
    served.up();
    served.done(&[queued]);
    served.idle();
    let record = served.github.job(queued).unwrap();
    assert_eq!((record.acquired, record.completed), (1, 1));
    assert!(record.log.contains("Compiling leaf"), "the job itself is none the worse\n{}", record.log);
    assert!(served.world.snapshots().is_empty(), "{}", served.said());
    assert_eq!(booked(&served), [("acme/sprockets".to_owned(), Some(3001))]);
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn whoever_takes_the_old_name_gets_nothing_of_what_is_stored_under_it() {
    let mut served = Served::start(&Machine { slots: 1, ..Machine::default() });
    let repository = project(&served);
    let build = "cat ~/.cargo/registry/mark 2>/dev/null || true; cargo build --workspace --release -v\n\
                 mkdir -p ~/.cargo/registry && echo LEFT > ~/.cargo/registry/mark";
    let first = ran(&mut served, job(&repository).run(build));
    assert!(first.log.contains("Compiling leaf"), "{}", first.log);
    served.github.rename_repository("acme/widgets", "acme/sprockets", QueueNames::Present);
    take_the_old_name(&served.github);
    // The same branch, job, sources and paths: only GitHub's number tells them apart.
    let taken = ran(&mut served, job(&repository).run(build));
    assert!(taken.log.contains("may read trusted, may write trusted"), "{}", taken.log);
    assert!(taken.log.contains("Compiling leaf") && !taken.log.contains("Z LEFT"), "{}", taken.log);
    assert!(taken.summaries.concat().contains("0 hits, 1 miss"), "{:?}", taken.summaries);
    // It has scopes of its own.
    let again = ran(&mut served, job(&repository).run(build));
    assert!(again.log.contains("Fresh leaf") && again.log.contains("Z LEFT"), "{}", again.log);
    // Its books are under its name, with its number.
    let names = [3001, 3101, 3101].map(|number| ("acme/widgets".to_owned(), Some(number)));
    assert_eq!(booked(&served), names);
    nothing_is_violated(&served.github);
    served.stop();
}
