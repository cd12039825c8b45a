//! Facts come back from whatever surrounds them, and damage costs what it hit.

use hearth_model::Scope;
use proptest::prelude::*;

use super::*;

fn name(n: u8) -> ObjectName {
    ObjectName::from_bytes([n; 32])
}

fn facts() -> Vec<Fact> {
    let site = Site { segment: SegmentId { owner: 7, number: 3 }, offset: 16 };
    let space = Space { realm: "github.com/a/b".into(), scope: Scope::Branch("x/y".to_owned()) };
    let at = Timestamp::from_millis(1_790_000_000_000);
    let added = |n: u8| Added {
        site,
        layout: Layout { head: 200, length: u64::from(n) << 20 },
        name: name(n),
        address: Address { space: space.clone(), key: ObjectKey::new(&format!("a/{n}")).unwrap() },
        writer: WriterId::from_bytes([n; 16]),
        stored_at: at,
        used_at: at,
        cost_ms: 12,
        pinned: n == 2,
    };
    vec![
        Fact::Added(Box::new(added(1))),
        Fact::Added(Box::new(added(2))),
        Fact::Removed { site, name: name(1) },
        Fact::Moved { from: site, to: Box::new(added(2)) },
        Fact::Used(vec![(name(2), at); 3]),
        Fact::Pinned { name: name(2), pinned: true },
        Fact::Cost { name: name(2), cost_ms: 99 },
        Fact::Diverged(Divergence {
            name: name(2),
            kept: WriterId::from_bytes([2; 16]),
            refused: WriterId::from_bytes([3; 16]),
            at,
            length: 5,
            digest: 6,
        }),
    ]
}

fn encoded() -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for fact in facts() {
        fact.encode(&mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn read(bytes: &[u8], pieces: usize) -> (Vec<Fact>, u64) {
    let mut records = Records::default();
    let mut all = Vec::new();
    for piece in bytes.chunks(pieces) {
        records.feed(piece);
        all.extend(std::iter::from_fn(|| records.next()));
    }
    (all, records.damaged())
}

#[test]
fn facts_come_back_however_they_are_read() {
    let (bytes, _) = encoded();
    for pieces in [1, 7, 100, bytes.len()] {
        assert_eq!(read(&bytes, pieces), (facts(), 0));
    }
}

#[test]
fn a_torn_tail_loses_itself_alone_and_what_follows_is_found() {
    let (bytes, ends) = encoded();
    for cut in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert!(read(&bytes[..cut], 64).0 == facts()[..whole], "cut at {cut}");
        let mut torn = bytes[..cut].to_vec();
        torn.extend(&bytes);
        let mut expected = facts()[..whole].to_vec();
        expected.extend(facts());
        let lost = read(&torn, 64).0 != expected;
        assert!(!lost, "cut at {cut} (records end at {ends:?}), then written on");
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_loses_one_fact(at in any::<prop::sample::Index>(), bit in 0u8..8, pieces in 1usize..300) {
        let (mut bytes, ends) = encoded();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let hit = ends.iter().filter(|end| **end <= at).count();
        let mut expected = facts();
        expected.remove(hit);
        prop_assert_eq!(read(&bytes, pieces).0, expected);
    }

    #[test]
    fn zeros_lose_what_they_cover(at in any::<prop::sample::Index>(), length in 1usize..600) {
        let (mut bytes, ends) = encoded();
        let from = at.index(bytes.len());
        let to = (from + length).min(bytes.len());
        bytes[from..to].fill(0);
        let (read, _) = read(&bytes, 128);
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let untouched = begins.zip(&ends).zip(facts()).filter(|((begin, end), _)| **end <= from || *begin >= to);
        let untouched: Vec<_> = untouched.map(|(_, fact)| fact).collect();
        for fact in &untouched {
            prop_assert!(read.contains(fact));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_fail(bytes in prop::collection::vec(prop::sample::select(vec![1u8, 0x1e, 2, 5, 0, 255]), 0..400)) {
        read(&bytes, 17);
    }
}
