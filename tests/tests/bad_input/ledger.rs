//! A ledger that is damaged: no minute is lost, and people are told.

use std::fs::{self, File};
use std::path::Path;

use hearth_tests::world::{World, entries};

use super::{expect_works, plain};

fn check(damage: impl Fn(&Path)) {
    let world = World::new();
    let repository = plain(&world);
    expect_works(&world, 1);
    expect_works(&world, 2);
    world.upkeep_done();
    damage(&world.state().join("ledger/ledger.sqlite3"));
    let ran = world.exec(&repository).sh("echo started").expect_success();
    assert_eq!((ran.stdout.as_str(), &ran.receipt()["month_minutes"]), ("started\n", &3.into()), "{ran}");
    expect_works(&world, 4);
}

#[test]
fn a_database_of_garbage_is_made_anew_from_the_journal() {
    check(|database| fs::write(database, vec![0xa5; 40_000]).expect("a file can be written"));
}

#[test]
fn a_truncated_database_is_made_anew_from_the_journal() {
    check(|database| {
        let file = File::options().write(true).open(database).expect("a file can be opened");
        let size = file.metadata().expect("a file has a size").len();
        file.set_len(size / 2 + 100).expect("a file can be cut");
    });
}

#[test]
fn a_database_with_a_page_of_garbage_inside_loses_no_minute() {
    check(|database| {
        let mut bytes = fs::read(database).expect("a file can be read");
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0xa5);
        fs::write(database, bytes).expect("a file can be written");
    });
}

#[test]
fn an_empty_or_missing_database_is_made_anew_from_the_journal() {
    check(|database| fs::write(database, b"").expect("a file can be written"));
    check(|database| fs::remove_file(database).expect("a file can be removed"));
}

#[test]
fn a_journal_that_ends_in_the_middle_of_a_line_loses_nothing_that_was_whole() {
    let world = World::new();
    let repository = plain(&world);
    expect_works(&world, 1);
    world.upkeep_done();
    let journal = entries(&world.state().join("ledger/journal")).into_iter().find(|path| path.is_file());
    let journal = journal.expect("there is a journal");
    let mut bytes = fs::read(&journal).expect("a file can be read");
    bytes.extend_from_slice(b"{\"execution\":\"01a2");
    fs::write(&journal, bytes).expect("a file can be written");
    let ran = world.exec(&repository).sh("echo started").expect_success();
    assert_eq!(ran.receipt()["month_minutes"], 2, "{ran}");
    fs::remove_file(world.state().join("ledger/ledger.sqlite3")).expect("a file can be removed");
    expect_works(&world, 3);
}
