//! A million executions in one month: the promise is a report in under a second and an open in under 100 ms.

use std::time::{Duration, Instant};

use hearth_ledger::{Budgets, By, Figures, Period, PriceBook, Statement};
use hearth_model::Millis;

use crate::support::{Job, LINUX, MAC_ARM, WINDOWS, World};

const EXECUTIONS: u64 = 1_000_000;
const BATCH: u64 = 5_000;

fn job(n: u64) -> Job {
    let platform = [LINUX, MAC_ARM, WINDOWS][usize::try_from(n % 3).unwrap()];
    let mut job = Job::new(&format!("job {}", n % 5), "2026-11-01T00:00:00Z", 0).on(platform).in_run(n / 5);
    // Spread over 30 days; 5 repositories, 5 jobs, 20 branches and 3 platforms.
    job.accepted_at = job.accepted_at + Millis(n * (29 * 86_400_000 / EXECUTIONS));
    job.ran = Millis(1_000 + n % 600_000);
    job.facts.repository = format!("github.com/acme/repository-{}", n % 25 / 5);
    job.facts.reference = hearth_model::Ref::Branch(format!("branch-{}", n % 100 / 5));
    job.with(|m| m.full_build = Some(false))
}

#[test]
#[ignore = "writes a million executions, which takes twenty minutes and 4 GB; run it after changing the tables"]
fn a_million_executions_are_reported_in_a_second_and_opened_in_a_tenth() {
    let world = World::at("2026-11-30T12:00:00Z");
    let book = world.open();
    let began = Instant::now();
    for batch in 0..EXECUTIONS / BATCH {
        let observations: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).flat_map(|n| job(n).whole()).collect();
        book.append(&observations).unwrap();
    }
    println!("recorded {EXECUTIONS} executions in {:?}", began.elapsed());
    drop(book);

    let began = Instant::now();
    let book = world.open();
    let opened = began.elapsed();
    println!("opened in {opened:?}");

    let mut slowest = Duration::ZERO;
    for zone in ["UTC", "Europe/Berlin"] {
        for repository in [None, Some("github.com/acme/repository-3")] {
            let began = Instant::now();
            let period = Period::month("2026-11", zone).unwrap();
            let month = book.month(&period, repository).unwrap();
            let statement = Statement::of(&month, By::Branch, PriceBook::shipped());
            let figures = Figures::of(&month, PriceBook::shipped(), Budgets::documented());
            let judged: Vec<_> = Budgets::documented().all.iter().map(|b| hearth_ledger::judge(b, &figures)).collect();
            let took = began.elapsed();
            println!("{zone} {repository:?}: {} jobs, {} budgets in {took:?}", statement.total.sums.jobs, judged.len());
            slowest = slowest.max(took);
        }
    }
    let began = Instant::now();
    let totals = book.totals(None).unwrap();
    let whole = began.elapsed();
    println!("all time added up in {whole:?}: {} origins", totals.origins.len());

    let began = Instant::now();
    book.append(&job(EXECUTIONS).whole()).unwrap();
    println!("one more execution recorded in {:?}", began.elapsed());
    let began = Instant::now();
    let followed = book.totals(Some(&totals)).unwrap();
    let follow = began.elapsed();
    println!("all time followed in {follow:?}");
    assert_ne!(followed, totals);
    let began = Instant::now();
    assert_eq!(book.recent(50).unwrap().len(), 50);
    assert!(book.open_executions().unwrap().is_empty());
    println!("recent and open executions in {:?}", began.elapsed());

    assert!(opened < Duration::from_millis(100), "{opened:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    // Once for each daemon, while nobody waits for it; then at every scrape.
    assert!(whole < Duration::from_secs(10), "{whole:?}");
    assert!(follow < Duration::from_millis(20), "{follow:?}");
}
