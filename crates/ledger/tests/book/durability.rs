//! No minute is lost and none is counted twice: killed processes, torn files, corrupt and unwritable databases, two
//! writers at once. What is killed in real life at a point is cut off here at that point, byte by byte.

use std::fs;
use std::sync::Arc;

use hearth_ledger::{Book, LedgerError, Loss, Period, State, Warning};
use hearth_model::{EndBasis, Ending, Millis, Outcome};

use crate::support::{Job, World, minutes_of};

const NOON: &str = "2026-11-10T12:00:00Z";

fn november(book: &Book) -> (u64, u64) {
    let month = book.month(&Period::month("2026-11", "UTC").unwrap(), None).unwrap();
    month
        .cells
        .iter()
        .fold((0, 0), |(jobs, minutes), cell| (jobs + cell.sums.jobs, minutes + cell.sums.billable_minutes))
}

#[test]
fn what_was_appended_is_there_after_opening_again_and_counts_once_however_often_it_is_said() {
    let world = World::at(NOON);
    let job = Job::new("test", NOON, 3);
    let book = world.open();
    book.append(&job.whole()).unwrap();
    book.append(&job.whole()).unwrap();
    book.append(&job.end()).unwrap();
    assert_eq!(november(&book), (1, 3));
    drop(book);
    let book = world.open();
    assert_eq!(november(&book), (1, 3));
    let execution = book.execution(job.id).unwrap().unwrap();
    assert_eq!((execution.state, execution.ran), (State::Ended, Some(Millis::from_minutes(3))));
    assert_eq!(execution.facts.as_ref(), Some(&job.facts));
    assert_eq!(book.recent(10).unwrap(), [execution]);
    assert_eq!(book.open_executions().unwrap(), []);
}

#[test]
fn a_journal_cut_off_at_any_byte_loses_only_what_was_never_confirmed() {
    let world = World::at(NOON);
    let (first, second) = (Job::new("first", NOON, 1), Job::new("second", NOON, 2));
    let book = world.open();
    book.append(&first.whole()).unwrap();
    let confirmed = fs::read(world.journal()).unwrap().len();
    book.append(&second.end()).unwrap();
    drop(book);
    let whole = fs::read(world.journal()).unwrap();

    // Every byte of the second append; each time with a database that knows only the first, and with none at all.
    for cut in (confirmed..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let other = World::at(NOON);
        let book = other.open();
        book.append(&first.whole()).unwrap();
        drop(book);
        let path = other.journal();
        fs::write(&path, &whole[..cut]).unwrap();
        for database in ["kept", "removed"] {
            if database == "removed" {
                fs::remove_file(other.database()).unwrap();
            }
            let (book, _) = other.open_with_warnings();
            let expected = if cut >= whole.len() - 1 { (2, 3) } else { (1, 1) };
            assert_eq!(november(&book), expected, "cut at {cut}, database {database}");
        }
        let (book, _) = other.open_with_warnings();
        book.append(&second.end()).unwrap();
        assert_eq!(november(&book), (2, 3), "said again after the cut at {cut}");
    }
}

#[test]
fn a_torn_line_is_skipped_with_a_count_once() {
    let world = World::at(NOON);
    world.open().append(&Job::new("test", NOON, 1).whole()).unwrap();
    let mut torn = fs::read(world.journal()).unwrap();
    torn.extend_from_slice(b"{\"source\":\"agent\",\"event_id\":\"01");
    fs::write(world.journal(), torn).unwrap();
    let (book, warnings) = world.open_with_warnings();
    assert_eq!(warnings, [Warning::LinesSkipped { count: 1 }]);
    assert_eq!(november(&book), (1, 1));
    drop(book);
    world.open();
}

#[test]
fn a_corrupt_database_is_set_aside_and_rebuilt_from_the_journal() {
    type Corrupt = fn(&mut Vec<u8>);
    let corruptions: [(&str, Corrupt); 4] = [
        ("not a database", |bytes| *bytes = b"this is no database at all, only words".repeat(40)),
        ("header", |bytes| bytes[..32].fill(0xFF)),
        ("pages", |bytes| bytes[4096..].fill(0xA5)),
        ("truncated", |bytes| bytes.truncate(5000)),
    ];
    for (what, corrupt) in corruptions {
        let world = World::at(NOON);
        let book = world.open();
        for n in 1..=20 {
            book.append(&Job::new("test", NOON, n).whole()).unwrap();
        }
        drop(book);
        world.empty_log();
        let mut bytes = fs::read(world.database()).unwrap();
        assert!(bytes.len() > 8192, "everything is in the file");
        corrupt(&mut bytes);
        fs::write(world.database(), bytes).unwrap();

        let (book, mut warnings) = world.open_with_warnings();
        // Whatever page the first question meets, the answer is right.
        assert_eq!(november(&book), (20, 210), "{what}");
        assert_eq!(book.recent(30).unwrap().len(), 20, "{what}");
        warnings.extend(book.take_warnings());
        let [Warning::Rebuilt { set_aside, executions: 20, .. }] = warnings.as_slice() else {
            panic!("{what}: {warnings:?}")
        };
        assert!(set_aside.exists());
        assert!(set_aside.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite3.corrupt-2026-11-10T"));
        drop(book);
        assert_eq!(november(&world.open()), (20, 210), "{what}");
    }
}

#[test]
fn a_corrupt_database_with_a_whole_log_loses_nothing() {
    for (what, keep) in [("garbage", 0), ("a head without pages", 4096), ("nothing", usize::MAX)] {
        let world = World::at(NOON);
        let book = world.open();
        for n in 1..=10 {
            book.append(&Job::new("test", NOON, n).whole()).unwrap();
        }
        drop(book);
        world.empty_log();
        let book = world.open();
        for n in 11..=20 {
            book.append(&Job::new("test", NOON, n).whole()).unwrap();
        }
        drop(book);
        let mut bytes = fs::read(world.database()).unwrap();
        match bytes.get_mut(keep..) {
            Some(rest) => rest.fill(0xA5),
            None => bytes.clear(),
        }
        fs::write(world.database(), bytes).unwrap();
        let (book, _warnings) = world.open_with_warnings();
        assert_eq!(november(&book), (20, 210), "{what}");
        assert_eq!(book.recent(30).unwrap().len(), 20, "{what}");
        book.append(&Job::new("test", NOON, 21).whole()).unwrap();
        drop(book);
        assert_eq!(november(&world.open_with_warnings().0), (21, 231), "{what}");
    }
}

#[test]
fn a_database_that_becomes_corrupt_while_open_is_rebuilt_at_the_next_write() {
    let world = World::at(NOON);
    let (book, other) = (world.open(), world.open());
    book.append(&Job::new("first", NOON, 1).whole()).unwrap();
    for path in ["ledger.sqlite3", "ledger.sqlite3-wal"] {
        let path = world.path().join(path);
        let len = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![0x5A; usize::try_from(len).unwrap()]).unwrap();
    }
    drop(book);
    let (book, _) = world.open_with_warnings();
    book.append(&Job::new("second", NOON, 2).whole()).unwrap();
    assert_eq!(november(&book), (2, 3));
    // The other process held the broken file open; it finds the new one.
    other.append(&Job::new("third", NOON, 3).whole()).unwrap();
    drop((book, other));
    let (book, _) = world.open_with_warnings();
    assert_eq!(november(&book), (3, 6));
}

#[test]
fn without_a_database_the_journal_takes_everything_and_the_database_catches_up() {
    let world = World::at(NOON);
    // A directory in its place: nobody, not even root, can open that as a database.
    fs::create_dir(world.database()).unwrap();
    let (book, warnings) = world.open_with_warnings();
    assert!(matches!(warnings.as_slice(), [Warning::DatabaseBehind { .. }]), "{warnings:?}");
    book.append(&Job::new("test", NOON, 3).whole()).unwrap();
    assert!(matches!(book.take_warnings().as_slice(), [Warning::DatabaseBehind { .. }]));
    assert!(matches!(book.recent(1), Err(LedgerError::Database { .. })));

    fs::remove_dir(world.database()).unwrap();
    assert_eq!(book.recent(1).unwrap(), [], "the database is back and has not caught up yet");
    book.append(&Job::new("next", NOON, 1).whole()).unwrap();
    assert_eq!(november(&book), (2, 4));
}

#[test]
fn without_a_journal_the_database_takes_everything_and_the_journal_catches_up() {
    let world = World::at(NOON);
    let book = world.open();
    let blocked = world.path().join("journal/2026-11.jsonl");
    fs::create_dir(&blocked).unwrap();
    book.append(&Job::new("first", NOON, 3).whole()).unwrap();
    assert!(matches!(book.take_warnings().as_slice(), [Warning::JournalBehind { .. }]));
    assert_eq!(november(&book), (1, 3));
    drop(book);

    fs::remove_dir(&blocked).unwrap();
    let book = world.open();
    book.append(&Job::new("second", NOON, 1).whole()).unwrap();
    drop(book);
    fs::remove_file(world.database()).unwrap();
    assert_eq!(november(&world.open()), (2, 4), "the journal alone has both");
}

#[test]
fn when_neither_takes_it_the_error_is_clear_and_the_minutes_stay_in_the_heartbeat() {
    let world = World::at(NOON);
    let job = Job::new("test", NOON, 7);
    let book = world.open();
    book.append(&job.start()).unwrap();
    let journal = world.journal();
    fs::rename(&journal, world.path().join("journal/kept")).unwrap();
    fs::create_dir(&journal).unwrap();
    drop(book);
    fs::rename(world.database(), world.path().join("kept.sqlite3")).unwrap();
    fs::create_dir(world.database()).unwrap();

    let (book, _) = world.open_with_warnings();
    let error = book.append(&job.end()).unwrap_err();
    assert!(matches!(error, LedgerError::NotRecorded { count: 1, .. }), "{error:?}");
    assert_eq!(book.last_beat(job.id).unwrap().unwrap().ran, Millis::from_minutes(7));
    drop(book);

    fs::remove_dir(&journal).unwrap();
    fs::rename(world.path().join("journal/kept"), &journal).unwrap();
    fs::remove_dir(world.database()).unwrap();
    let book = world.open();
    let open = book.open_executions().unwrap();
    assert_eq!(open.len(), 1);
    book.close_lost(&open[0], Loss::Crashed, world.clock_now()).unwrap();
    assert_eq!(november(&book), (1, 7));
}

#[test]
fn an_execution_whose_owner_died_is_closed_from_its_last_heartbeat() {
    let world = World::at(NOON);
    let job = Job::new("test", NOON, 30);
    let book = world.open();
    book.append(&job.start()).unwrap();
    for beat in 1..=4 {
        world.clock.advance(minutes_of(1));
        book.heartbeat(job.id, Millis::from_minutes(beat)).unwrap();
    }
    drop(book);

    world.clock.advance(minutes_of(600));
    let book = world.open();
    let open = book.open_executions().unwrap();
    let owner = &open[0].place.as_ref().unwrap().owner;
    assert_eq!((owner.pid, Loss::of(owner, "boot-1"), Loss::of(owner, "boot-2")), (4242, Loss::Crashed, Loss::Lost));
    // Two processes find the same row; the second was slower.
    let other = world.open();
    book.close_lost(&open[0], Loss::Crashed, world.clock_now()).unwrap();
    world.clock.advance(minutes_of(1));
    other.close_lost(&open[0], Loss::Lost, world.clock_now()).unwrap();
    for book in [&book, &other] {
        let closed = book.execution(job.id).unwrap().unwrap();
        assert_eq!((closed.ending, closed.end_basis), (Some(Ending::Crashed), EndBasis::Heartbeat));
        assert_eq!((closed.ran, closed.outcome), (Some(Millis::from_minutes(4)), Some(Outcome::Lost)));
        assert_eq!(closed.completed_at.unwrap().since(job.accepted_at), Millis::from_minutes(4));
    }
    assert_eq!(november(&book), (1, 4));
    assert_eq!(book.last_beat(job.id).unwrap(), None, "the heartbeat file is gone");

    // The owner was only asleep.
    book.append(&job.end()).unwrap();
    assert_eq!(november(&book), (1, 30));
    assert_eq!(book.execution(job.id).unwrap().unwrap().ending, Some(Ending::Clean));
}

#[test]
fn closing_an_execution_that_ended_meanwhile_changes_nothing() {
    let world = World::at(NOON);
    let job = Job::new("test", NOON, 5);
    let book = world.open();
    book.append(&job.start()).unwrap();
    let seen_open = book.open_executions().unwrap().remove(0);
    book.append(&job.end()).unwrap();
    let before = fs::read(world.journal()).unwrap();
    book.close_lost(&seen_open, Loss::Crashed, world.clock_now()).unwrap();
    assert_eq!(fs::read(world.journal()).unwrap(), before);
    assert_eq!(book.execution(job.id).unwrap().unwrap().ending, Some(Ending::Clean));
}

#[test]
fn many_writers_at_once_lose_and_double_nothing() {
    let world = World::at(NOON);
    let jobs: Vec<Vec<Job>> = (0..4).map(|_| (0..25).map(|n| Job::new("test", NOON, 1 + n % 3)).collect()).collect();
    let expected: u64 = jobs.iter().flatten().map(|job| job.ran.billable_minutes()).sum();
    let shared = Arc::new(world.open());
    std::thread::scope(|scope| {
        for (writer, jobs) in jobs.iter().enumerate() {
            // Two threads share one book, the others have their own, as other processes do.
            let book = if writer < 2 { shared.clone() } else { Arc::new(world.open()) };
            scope.spawn(move || {
                for job in jobs {
                    book.append(&job.start()).unwrap();
                    book.heartbeat(job.id, Millis(1)).unwrap();
                    book.append(&job.end()).unwrap();
                }
            });
        }
    });
    assert_eq!(november(&shared), (100, expected));
    assert_eq!(shared.take_warnings(), []);
    drop(shared);
    fs::remove_file(world.database()).unwrap();
    assert_eq!(november(&world.open()), (100, expected), "rebuilt from the journal alone");
    assert_eq!(fs::read_dir(world.path().join("open")).unwrap().count(), 0);
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let world = World::at(NOON);
    world.open().append(&Job::new("test", NOON, 1).whole()).unwrap();
    let newer = rusqlite::Connection::open(world.database()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let error = Book::open(world.path(), world.clock.clone()).unwrap_err();
    assert!(matches!(error, LedgerError::NewerDatabase { found: 99, .. }), "{error:?}");
    assert!(world.database().exists());
}

#[test]
fn a_journal_that_was_put_back_from_an_older_copy_is_read_again() {
    let world = World::at(NOON);
    let book = world.open();
    book.append(&Job::new("first", NOON, 1).whole()).unwrap();
    let older = fs::read(world.journal()).unwrap();
    book.append(&Job::new("second", NOON, 2).whole()).unwrap();
    drop(book);
    fs::write(world.journal(), older).unwrap();
    let (book, warnings) = world.open_with_warnings();
    assert!(matches!(warnings.as_slice(), [Warning::JournalShrank { .. }]));
    assert_eq!(november(&book), (2, 3), "the database still has what the journal lost");
    book.append(&Job::new("third", NOON, 3).whole()).unwrap();
    assert_eq!(november(&book), (3, 6));
}
