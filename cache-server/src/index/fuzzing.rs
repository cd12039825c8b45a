//! What the log promises of any bytes; see [`crate::fuzzing`].

use super::record::{Fact, Records, framed};
use crate::fuzzing::bytes::{changed, number};
use crate::keys::ObjectName;

/// However a log is cut as it is read, the same facts are found in it; a fact is written as it was read; damage loses
/// what it hits and nothing else.
pub(crate) fn log(bytes: &[u8]) {
    let (choice, rest) = number(bytes);
    let cut = choice % 512 + 1;
    // As it is, and as a body whose checksum is right, so that what is behind the checksum is reached.
    let body = &rest[..rest.len().min(4096)];
    for log in [rest, &framed(1 + u16::try_from(choice % 8).unwrap_or(0), body)] {
        let facts = read(log, log.len().max(1));
        assert_eq!(read(log, cut), facts);
        for fact in facts {
            let mut written = Vec::new();
            fact.encode(&mut written);
            assert_eq!(read(&written, cut), [fact]);
        }
    }
    let (first, last) = (pinned(1), pinned(2));
    let mut between = Vec::new();
    let around = |between: &[u8]| {
        let mut log = Vec::new();
        first.encode(&mut log);
        log.extend(between);
        last.encode(&mut log);
        read(&log, cut)
    };
    Fact::Cost { name: ObjectName::from_bytes([3; 32]), cost_ms: 7 }.encode(&mut between);
    if let Some(changed) = changed(&between, choice) {
        assert_eq!(around(&changed), [first.clone(), last.clone()], "damage took more than its own, or was believed");
    }
    let found = around(rest);
    assert_eq!(found.first(), Some(&first), "what came before the damage");
    assert_eq!(found.last(), Some(&last), "what came after the damage");
}

fn pinned(n: u8) -> Fact {
    Fact::Pinned { name: ObjectName::from_bytes([n; 32]), pinned: true }
}

fn read(log: &[u8], cut: usize) -> Vec<Fact> {
    let mut records = Records::default();
    let mut facts = Vec::new();
    for piece in log.chunks(cut) {
        records.feed(piece);
        while let Some(fact) = records.next() {
            facts.push(fact);
        }
    }
    assert!(records.damaged() <= log.len() as u64);
    facts
}
