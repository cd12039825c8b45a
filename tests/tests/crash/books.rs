//! What the ledger must say after any number of crashes: one execution for each job that was accepted, each closed, no
//! minute lost and none booked twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hearth_host::clock::SystemClock;
use hearth_ledger::{Book, Execution, Period, State};
use hearth_model::{Clock, EndBasis, Millis, Outcome};

/// What the test itself saw of one job.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// How far it came, by its own words.
    pub(crate) was_started: bool,
    pub(crate) has_ended: bool,
    /// Its guard was killed too: `exec` may have had the time to write that the command never came to be.
    pub(crate) has_lost_guard: bool,
    /// From before `exec` was started until it had ended.
    pub(crate) wall: Duration,
    /// `None` when `exec` was killed.
    pub(crate) code: Option<i32>,
}

/// Everything that the test saw, by execution.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) jobs: BTreeMap<String, Seen>,
    /// Calls that were killed before they named their execution: each may or may not have a row.
    pub(crate) unnamed: usize,
}

pub(crate) fn open(state: &Path) -> Book {
    Book::open(&state.join("ledger"), Arc::new(SystemClock::default())).expect("the ledger can be opened").book
}

pub(crate) fn all(book: &Book) -> Vec<Execution> {
    let rows = book.recent(10_000).expect("the ledger answers");
    let ids: BTreeSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(ids.len(), rows.len(), "one row for each execution");
    rows
}

/// The executions that succeeded: only they may have left snapshots.
pub(crate) fn succeeded(book: &Book) -> BTreeSet<String> {
    let is_good = |row: &Execution| row.outcome.is_some_and(Outcome::is_success);
    all(book).into_iter().filter(is_good).map(|row| row.id.to_string()).collect()
}

/// Everything that must hold when no job runs and the last one has ended by itself.
pub(crate) fn check(book: &Book, witness: &Witness) {
    assert_eq!(book.open_executions().expect("the ledger answers").len(), 0, "executions that nobody closed");
    let rows = all(book);
    let known: BTreeMap<String, &Execution> = rows.iter().map(|row| (row.id.to_string(), row)).collect();
    let unnamed = known.keys().filter(|id| !witness.jobs.contains_key(*id)).count();
    assert!(unnamed <= witness.unnamed, "{unnamed} executions of nobody's, {} calls without a name", witness.unnamed);
    for (id, seen) in &witness.jobs {
        let row = known.get(id).unwrap_or_else(|| unreachable!("{id} was accepted and is not in the ledger"));
        check_row(row, seen);
    }
    check_sums(book, &rows);
}

fn check_row(row: &Execution, seen: &Seen) {
    let context = || format!("{seen:?}\n{row:#?}");
    assert!(row.facts.is_some() && row.place.is_some() && row.accepted_at.is_some(), "{}", context());
    assert!(row.completed_at >= row.started_at, "{}", context());
    let ran = row.ran.unwrap_or_else(|| unreachable!("closed without a duration: {}", context()));
    let most = Millis::from(seen.wall);
    assert!(ran <= most, "more than the {most} that passed: {}", context());
    // Hearth's own failure before the command existed costs nothing; whatever was started costs at least a minute.
    let is_never_started = matches!(row.outcome, Some(Outcome::NeverStarted { .. }));
    let expected: &[State] = match seen.code {
        Some(125) => &[State::Voided],
        // The blow may have fallen between the ledger's word and the job's.
        None if !seen.was_started => &[State::Voided, State::Ended],
        None if seen.has_lost_guard && is_never_started => &[State::Voided],
        _ => &[State::Ended],
    };
    assert!(expected.contains(&row.state), "{}", context());
    match seen.code {
        Some(code) => {
            assert_eq!(row.outcome.map(Outcome::exit_code), Some(code), "{}", context());
            assert_eq!(row.end_basis, EndBasis::Monotonic, "{}", context());
        }
        None if row.end_basis == EndBasis::Heartbeat => {
            assert_eq!(row.outcome, Some(Outcome::Lost), "{}", context());
            assert!(!seen.has_ended || ran > Millis(0), "its time was known: {}", context());
        }
        // Its end was in the ledger before the blow.
        None => assert_eq!(row.end_basis, EndBasis::Monotonic, "{}", context()),
    }
}

/// The month's sums are those of the rows.
fn check_sums(book: &Book, rows: &[Execution]) {
    let now = SystemClock::default().now();
    let period = Period::month_of(now, "UTC").expect("a month");
    let mut in_month = BTreeMap::new();
    let visit = |row: Execution| {
        in_month.insert(row.id.to_string(), row.billable_minutes().unwrap_or_default());
        ControlFlow::Continue(())
    };
    book.each_execution(&period, None, visit).expect("the ledger answers");
    let charged: u64 = in_month.values().sum();
    let data = book.month(&period, None).expect("the ledger answers");
    assert_eq!(data.cells.iter().map(|cell| cell.sums.billable_minutes).sum::<u64>(), charged);
    // A test at midnight of a month's last day leaves some rows in the month before.
    let expected = rows.iter().filter(|row| in_month.contains_key(&row.id.to_string()));
    assert_eq!(expected.filter_map(Execution::billable_minutes).sum::<u64>(), charged);
}
