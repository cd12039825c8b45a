//! What a merge keeps, and what others see of a log that grows and is written anew.

use hearth_model::Timestamp;

use super::*;
use crate::keys::ObjectName;

fn fact(n: u8) -> Fact {
    Fact::Used(vec![(ObjectName::from_bytes([n; 32]), Timestamp::from_millis(0))])
}

fn append(logs: &Logs, n: u8) {
    let mut bytes = Vec::new();
    fact(n).encode(&mut bytes);
    logs.append(&bytes).unwrap();
}

/// What the files hold, in the index or not.
fn all(logs: &Logs) -> Vec<Fact> {
    let mut all = Vec::new();
    for owner in list(&logs.dir).unwrap() {
        let file = File::open(logs.dir.join(file_name(owner))).unwrap();
        let end = file.metadata().unwrap().len();
        Tail::of(file).read(end, &mut Read::default(), &mut |fact| all.push(fact)).unwrap();
    }
    all
}

#[test]
fn who_follows_reads_what_the_index_has_until_the_log_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let others = Logs::open(dir.path().join("log"), 1).unwrap();
    append(&others, 1);
    drop(others);
    let logs = Logs::open(dir.path().join("log"), 2).unwrap();
    append(&logs, 2);
    logs.settle();
    append(&logs, 3);
    let mut seen = Vec::new();
    let (_, mut follower) = logs.follow(|fact| seen.push(fact)).unwrap();
    assert_eq!(seen, [fact(1), fact(2)]);
    let mut more = |expected: &[Fact]| {
        let mut seen = Vec::new();
        let continued = logs.read_on(&mut follower, |fact| seen.push(fact)).unwrap();
        assert_eq!(seen, expected);
        continued
    };
    assert_eq!(more(&[]), Continued::Here);
    logs.settle();
    assert_eq!(more(&[fact(3)]), Continued::Here);
    logs.merge(|_| {}, Some).unwrap();
    assert_eq!(more(&[]), Continued::Elsewhere);
}

#[test]
fn facts_that_the_index_does_not_have_yet_outlive_a_merge() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path().join("log"), 1).unwrap();
    append(&logs, 1);
    append(&logs, 2);
    logs.settle();
    append(&logs, 3);
    let keep = |known: Fact| {
        // Comes while the log is gone through.
        append(&logs, 4);
        (known == fact(2)).then_some(known)
    };
    logs.merge(|_| {}, keep).unwrap();
    assert_eq!(all(&logs), [fact(2), fact(3), fact(4), fact(4)]);
    append(&logs, 5);
    logs.settle();
    logs.merge(|_| {}, |known| (known != fact(4)).then_some(known)).unwrap();
    assert_eq!(all(&logs), [fact(2), fact(3), fact(5)]);
}

#[test]
fn what_others_wrote_last_is_learned_before_their_log_goes() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path().join("log"), 1).unwrap();
    let others = Logs::open(dir.path().join("log"), 2).unwrap();
    append(&others, 1);
    logs.read_others(|_| {}).unwrap();
    append(&others, 2);
    drop(others);
    let learned = std::cell::RefCell::new(Vec::new());
    let keep = |known: Fact| (learned.borrow().contains(&known)).then_some(known);
    logs.merge(|known| learned.borrow_mut().push(known), keep).unwrap();
    assert_eq!((all(&logs), logs.count()), (vec![fact(2)], 1));
}
