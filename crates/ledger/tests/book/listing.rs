//! Executions as lists ask for them: the newest of a repository, and those with a part of an id.

use crate::support::{Job, World};

#[test]
fn the_newest_of_one_repository_come_first_and_no_more_than_wanted() {
    let world = World::at("2026-11-22T12:00:00Z");
    let book = world.open();
    let jobs: Vec<Job> = (0..6)
        .map(|n| {
            let mut job = Job::new("test", &format!("2026-11-22T10:0{n}:00Z"), 1);
            job.facts.repository = format!("github.com/acme/{}", if n % 2 == 0 { "anvil" } else { "widgets" });
            job
        })
        .collect();
    for job in &jobs {
        book.append(&job.whole()).unwrap();
    }
    let ids = |found: Vec<hearth_ledger::Execution>| found.iter().map(|execution| execution.id).collect::<Vec<_>>();
    assert_eq!(ids(book.recent_of("github.com/acme/anvil", 2).unwrap()), [jobs[4].id, jobs[2].id]);
    assert_eq!(ids(book.recent_of("github.com/acme/nothing", 2).unwrap()), []);
}

#[test]
fn a_part_of_an_id_is_its_beginning_or_its_end_and_nothing_else() {
    let world = World::at("2026-11-22T12:00:00Z");
    let book = world.open();
    let jobs = ["2026-11-20T10:00:00Z", "2026-11-22T10:00:00Z"].map(|at| Job::new("test", at, 1));
    for job in &jobs {
        book.append(&job.whole()).unwrap();
    }
    let [first, second] = jobs.each_ref().map(|job| job.id);
    let check = |part: &str, limit, expected: &[_]| {
        let found = book.named(part, limit).unwrap();
        assert_eq!(found.iter().map(|execution| execution.id).collect::<Vec<_>>(), expected, "{part}");
    };
    check(&first.to_string(), 9, &[first]);
    check(&first.to_string()[..13], 9, &[first]);
    check(&first.short(), 9, &[first]);
    // Both begin with the same years.
    check(&first.to_string()[..3], 9, &[second, first]);
    check(&first.to_string()[..3], 1, &[second]);
    check(&first.to_string()[9..18], 9, &[]);
    check("%", 9, &[]);
    check("________", 9, &[]);
}
