//! The index holds what it was told, and its sums are those of its entries.

use hearth_model::{Scope, WriterId};
use proptest::prelude::*;

use super::*;
use crate::index::Site;
use crate::keys::Address;
use crate::segments::{Layout, SegmentId};

const T0: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn added(n: u8, length: u64, offset: u32) -> Added {
    let space = Space { realm: "r".into(), scope: Scope::PullRequest(u64::from(n % 3)) };
    let address = Address { space, key: ObjectKey::new(&format!("k{n}")).unwrap() };
    Added {
        site: Site { segment: SegmentId { owner: 1, number: 1 }, offset },
        layout: Layout { head: 200, length },
        name: address.name(),
        address,
        writer: WriterId::from_bytes([n; 16]),
        stored_at: T0,
        used_at: T0,
        cost_ms: 0,
        pinned: false,
    }
}

#[test]
fn the_first_record_of_a_name_stays() {
    let index = Index::default();
    let first = added(1, 100, 16);
    let place = Place { slot: 0, offset: 16, layout: first.layout };
    assert_eq!(index.insert(&first, 0), Insertion::New);
    assert_eq!(index.insert(&first, 0), Insertion::Known);
    assert_eq!(index.insert(&added(1, 100, 999), 0), Insertion::Taken(place));
    let elsewhere = Place { offset: 999, ..place };
    assert!(index.remove(first.name, Some(elsewhere)).is_none());
    assert!(index.relocate(first.name, place, elsewhere) && !index.relocate(first.name, place, elsewhere));
    assert!(index.remove(first.name, Some(elsewhere)).is_some());
    assert!(!index.contains(first.name));
}

#[test]
fn a_use_is_told_once_with_its_last_time() {
    let index = Index::default();
    let object = added(1, 100, 16);
    index.insert(&object, 0);
    let later = T0 + hearth_model::Millis::from_secs(5);
    index.touch(object.name, T0);
    index.touch(object.name, later);
    index.touch(added(2, 1, 1).name, later);
    assert_eq!(index.take_uses(), [(object.name, later)]);
    assert_eq!(index.take_uses(), []);
    index.touch(object.name, later);
    assert_eq!(index.take_uses().len(), 1);
}

#[test]
fn room_is_set_aside_within_the_budget_and_given_back() {
    let index = Index::default();
    let set_aside = |size| index.set_aside(size, 4096, Bytes(3 * 4096));
    assert!(set_aside(4096) && set_aside(4096));
    assert!(!set_aside(1));
    index.release(4096);
    assert!(!set_aside(4097) && !set_aside(u64::MAX));
    assert!(set_aside(4096));
}

proptest! {
    #[test]
    fn the_sums_are_the_sums_of_the_entries(steps in prop::collection::vec((any::<bool>(), 0..12u8, 0..200_000u64), 0..80)) {
        let index = Index::default();
        for (add, n, length) in steps {
            if add {
                index.insert(&added(n, length, 16), 0);
            } else {
                index.remove(added(n, length, 16).name, None);
            }
        }
        let all = [0, 1, 2].map(|part| index.slice(part, 3)).concat();
        prop_assert_eq!(index.objects(), all.len() as u64);
        prop_assert_eq!(index.bytes(), all.iter().map(|c| Bytes(c.bytes)).sum());
        prop_assert_eq!(Usage::sum(&index.classes()).bytes, index.bytes().0);
        let usages = index.usages();
        prop_assert_eq!(usages.iter().map(|(_, usage)| usage.objects).sum::<u64>(), index.objects());
        prop_assert_eq!(Bytes(usages.iter().map(|(_, usage)| usage.bytes).sum()), index.bytes());
        for (space, usage) in usages {
            prop_assert_eq!(index.usage(&space), usage);
            prop_assert!(usage.objects > 0);
        }
    }
}
