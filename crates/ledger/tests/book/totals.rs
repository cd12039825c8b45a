//! Sums of all time: followed step by step they are what reading the whole book gives.

use hearth_ledger::{Book, BranchClass, Close, Fact, Loss, Observation, Source, TotalSums, Totals};
use hearth_model::{CompileCounts, Conclusion, Ending, Event, Millis, Outcome, Ref, WarmTarget};

use crate::support::{Job, MAC_ARM, World};

const START: &str = "2026-11-22T12:00:00Z";
const COUNTS: CompileCounts = CompileCounts { requests: 10, hits: 6, misses: 2, uncacheable: 1, errors: 1 };

fn measured(job: Job) -> Job {
    job.with(|m| {
        m.usage.cpu_us = Some(5_000_000);
        m.compile = Some(COUNTS);
        m.warm_target = WarmTarget::Partial;
    })
}

fn sum(totals: &Totals) -> TotalSums {
    let mut sum = TotalSums::default();
    totals.sums.values().for_each(|sums| sum.add(sums));
    sum
}

fn closes(totals: &Totals) -> Vec<(Conclusion, Ending)> {
    totals.sums.keys().map(|(_, Close { conclusion, ending })| (*conclusion, *ending)).collect()
}

/// Follows from `known`, and holds the result against the whole book.
#[track_caller]
fn follow(book: &Book, known: &Totals) -> Totals {
    let followed = book.totals(Some(known)).unwrap();
    assert_eq!(followed, book.totals(None).unwrap());
    followed
}

#[test]
fn an_empty_book_has_no_sums_and_no_last_entry() {
    let world = World::at(START);
    let book = world.open();
    let totals = book.totals(None).unwrap();
    assert_eq!((totals.origins.len(), totals.sums.len(), totals.last_heard), (0, 0, None));
}

#[test]
fn sums_that_are_followed_are_those_of_the_whole_book() {
    let world = World::at(START);
    let book = world.open();
    let mut totals = book.totals(None).unwrap();

    let job = measured(Job::new("test", START, 2));
    book.append(&job.start()).unwrap();
    totals = follow(&book, &totals);
    assert_eq!(totals.origins.len(), 1, "an origin is known before its first job ends");
    assert_eq!(sum(&totals), TotalSums::default());

    book.append(&job.end()).unwrap();
    totals = follow(&book, &totals);
    let expected = TotalSums {
        jobs: 1,
        actual: Millis::from_minutes(2),
        billable_minutes: 2,
        cpu_us: 5_000_000,
        compile: COUNTS,
        partial: 1,
        ..TotalSums::default()
    };
    assert_eq!(sum(&totals), expected);
    assert_eq!(totals.last_heard, Some(job.accepted_at + job.ran));

    let mut other = measured(Job::new("build", START, 3)).on(MAC_ARM);
    other.facts.event = Event::PullRequest;
    other.facts.reference = Ref::PullRequest(7);
    other.outcome = Outcome::Exited { code: 101 };
    let mut voided = Job::new("build", START, 0);
    voided.outcome = Outcome::NeverStarted { code: 127 };
    book.append(&[other.whole(), voided.whole()].concat()).unwrap();
    totals = follow(&book, &totals);
    assert_eq!(sum(&totals).jobs, 3);
    assert_eq!(sum(&totals).billable_minutes, 5, "what never started costs nothing");
    assert_eq!(totals.origins[1].branch, BranchClass::PullRequest);
    assert!(closes(&totals).contains(&(Conclusion::Failure, Ending::NeverStarted)));

    let again = follow(&book, &totals);
    assert_eq!(again, totals, "nothing new was said");
}

#[test]
fn a_correction_takes_away_what_it_corrects() {
    let world = World::at(START);
    let book = world.open();
    let job = measured(Job::new("test", START, 9));
    book.append(&job.start()).unwrap();
    let execution = book.execution(job.id).unwrap().unwrap();
    book.heartbeat(job.id, Millis::from_minutes(5)).unwrap();
    book.close_lost(&execution, Loss::Crashed, world.clock_now()).unwrap();
    let totals = book.totals(None).unwrap();
    assert_eq!(closes(&totals), [(Conclusion::Failure, Ending::Crashed)]);
    assert_eq!(sum(&totals).billable_minutes, 5);

    book.append(&job.end()).unwrap();
    let totals = follow(&book, &totals);
    assert_eq!(closes(&totals), [(Conclusion::Success, Ending::Clean)]);
    assert_eq!((sum(&totals).jobs, sum(&totals).billable_minutes), (1, 9));

    let forge = Observation {
        source: Source::Rest,
        event_id: "job/1/completed".to_owned(),
        execution: job.id,
        heard_at: world.clock_now(),
        fact: Fact::Ended { at: job.accepted_at + job.ran, outcome: Outcome::TimedOut, ran: job.ran },
    };
    book.append(&[forge]).unwrap();
    assert_eq!(closes(&follow(&book, &totals)), [(Conclusion::TimedOut, Ending::Clean)]);
}

#[test]
fn a_rebuilt_database_is_read_whole_again() {
    let world = World::at(START);
    let book = world.open();
    book.append(&measured(Job::new("test", START, 2)).whole()).unwrap();
    let totals = book.totals(None).unwrap();
    drop(book);
    world.empty_log();
    std::fs::write(world.database(), b"this is no database at all, but long enough to be taken for one").unwrap();
    let (book, warnings) = world.open_with_warnings();
    assert_eq!(warnings.len(), 1);
    book.append(&measured(Job::new("test", START, 1)).whole()).unwrap();
    assert_eq!(sum(&follow(&book, &totals)).billable_minutes, 3);
}

#[test]
fn a_database_of_the_first_version_gets_its_figures_from_its_records() {
    let world = World::at(START);
    let book = world.open();
    book.append(&[measured(Job::new("test", START, 2)).whole(), Job::new("bare", START, 1).whole()].concat()).unwrap();
    let totals = book.totals(None).unwrap();
    drop(book);
    let database = rusqlite::Connection::open(world.database()).unwrap();
    for column in ["cpu_us", "compile_uncacheable", "compile_errors"] {
        database.execute_batch(&format!("ALTER TABLE execution DROP COLUMN {column}")).unwrap();
    }
    database.pragma_update(None, "user_version", 1).unwrap();
    drop(database);
    let migrated = world.open().totals(None).unwrap();
    assert_eq!(migrated, totals);
    assert_eq!(sum(&migrated).cpu_us, 5_000_000);
}

#[test]
fn writes_that_fail_are_counted() {
    let world = World::at(START);
    let book = world.open();
    let job = Job::new("test", START, 1);
    book.append(&job.start()).unwrap();
    assert_eq!(book.write_errors(), 0);
    let journal = world.journal();
    std::fs::remove_file(&journal).unwrap();
    std::fs::create_dir(&journal).unwrap();
    book.append(&job.end()).unwrap();
    assert_eq!(book.write_errors(), 1, "the journal did not take it");
}
