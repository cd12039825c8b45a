//! What a store says of itself is what was stored, also after a restart.

use hearth_model::Millis;

use super::*;
use crate::appender::Filed;
use crate::reads::Part;
use crate::testing::{NOW, Shed, body, plain, reserved, space};

#[tokio::test]
async fn objects_are_listed_in_order_and_by_pages() {
    let shed = Shed::new().await;
    for key in ["b/2", "a/1", "b/1", "c", "b/10"] {
        shed.put(&plain(1, key), key.as_bytes()).await.unwrap();
    }
    shed.put(&plain(2, "b/1"), b"elsewhere").await.unwrap();
    let shed = shed.restart(|_| {}).await;
    assert_eq!(shed.page(1, "", "", 9).await, ["a/1", "b/1", "b/10", "b/2", "c"]);
    assert_eq!(shed.page(1, "b/", "", 2).await, ["b/1", "b/10"]);
    assert_eq!(shed.page(1, "b/", "b/10", 2).await, ["b/2"]);
    assert!(shed.page(3, "", "", 9).await.is_empty());
}

#[tokio::test]
async fn everything_that_one_writer_stored_can_be_removed() {
    let shed = Shed::new().await;
    for n in 0..10 {
        let address = plain(n % 2, &n.to_string());
        shed.put_as(u8::from(n < 6), &address, Some(1000), &body(n, 1000)).await.unwrap();
    }
    let shed = shed.restart(|_| {}).await;
    let filter = Filter { writer: Some(WriterId::from_bytes([1; 16])), ..Filter::default() };
    let mut found = 0;
    shed.store.scan(&filter, |listed| found += listed.length).unwrap();
    assert_eq!(found, 6000);
    let on = Arc::clone(&shed.store);
    let removed = tokio::task::spawn_blocking(move || on.remove_where(&filter, |_| true).unwrap()).await.unwrap();
    assert_eq!((removed, shed.store.book.index.objects()), (6, 4));
    let shed = shed.restart(|_| {}).await;
    assert_eq!(shed.get(&plain(0, "0"), Part::Whole).await, None);
    assert_eq!(shed.get(&plain(1, "9"), Part::Whole).await, Some(body(9, 1000)));
    let usages: u64 = shed.store.usages().iter().map(|(_, usage)| usage.objects).sum();
    assert_eq!((usages, shed.store.usage(&space(0)).objects), (4, 2));
}

#[tokio::test]
async fn a_filter_takes_what_is_in_its_time_and_scope() {
    let shed = Shed::new().await;
    for n in 0..3 {
        shed.put(&plain(n, "x"), &body(n, 10)).await.unwrap();
        shed.clock.advance(std::time::Duration::from_secs(10));
    }
    let count = |filter: Filter| {
        let mut count = 0;
        shed.store.scan(&filter, |_| count += 1).unwrap();
        count
    };
    let at = |seconds| Some(NOW + Millis::from_secs(seconds));
    assert_eq!(count(Filter::default()), 3);
    assert_eq!(count(Filter { since: at(10), before: at(20), ..Filter::default() }), 1);
    assert_eq!(count(Filter::of_space(&space(2))), 1);
    assert_eq!(count(Filter { realm: Some("other".into()), ..Filter::default() }), 0);
    assert_eq!(count(Filter { key_prefix: Some("xy".to_owned()), ..Filter::default() }), 0);
}

#[tokio::test]
async fn reserved_keys_are_found_by_prefix() {
    let shed = Shed::new().await;
    for key in ["v1/linux-a", "v1/linux-c", "v1/linux-b", "v2/linux"] {
        shed.put(&reserved(1, key), key.as_bytes()).await.unwrap();
        shed.clock.advance(std::time::Duration::from_secs(1));
    }
    let shed = shed.restart(|_| {}).await;
    assert_eq!(shed.store.reserved_keys(&space(1), ".gha/v1", Some(".gha/v1/linux-a"), 9).len(), 2);
    let (length, stored, used) = shed.store.times(reserved(1, "v2/linux").name()).unwrap();
    assert_eq!((length, stored, used), (8, NOW + Millis::from_secs(3), NOW + Millis::from_secs(3)));
}

#[tokio::test]
async fn pins_survive() {
    let shed = Shed::new().await;
    let address = plain(1, "x");
    shed.put(&address, b"x").await.unwrap();
    let (on, name) = (Arc::clone(&shed.store), address.name());
    assert!(tokio::task::spawn_blocking(move || on.set_pinned(name, true)).await.unwrap());
    let shed = shed.restart(|_| {}).await;
    let entry = shed.store.book.index.get(name).unwrap();
    assert!(entry.is_pinned() && entry.cost_ms() == 3);
}

#[tokio::test]
async fn who_diverged_from_whom_is_written_down() {
    let shed = Shed::new().await;
    for length in [5000, 400_000] {
        let address = plain(1, &length.to_string());
        let put = |writer, seed| {
            let (address, data) = (address.clone(), body(seed, length));
            let shed = &shed;
            async move { shed.put_as(writer, &address, Some(data.len() as u64), &data).await }
        };
        assert_eq!(put(1, 1).await, Ok(Filed::New));
        assert_eq!(put(2, 1).await, Ok(Filed::Same));
        assert_eq!(put(2, 2).await, Ok(Filed::Divergent));
    }
    let mut all = Vec::new();
    let told = shed.store.book.logs.read_all(|fact| {
        if let Fact::Diverged(divergence) = fact {
            all.push((divergence.kept, divergence.refused));
        }
    });
    assert_eq!(told.unwrap().damaged, 0);
    let writer = |n| WriterId::from_bytes([n; 16]);
    assert_eq!(all, [(writer(1), writer(2)); 2]);
}

#[tokio::test]
async fn any_part_of_an_object_can_be_read_and_attributes_come_back() {
    let shed = Shed::with(|config| config.max_object = hearth_model::Bytes::mib(64)).await;
    for length in [0, 1, 65_536, 262_144, 262_145, 700_001, 9_000_000] {
        let address = plain(1, &length.to_string());
        let data = body(5, length);
        let known = (length % 2 == 0).then_some(length as u64);
        assert_eq!(shed.put_as(1, &address, known, &data).await, Ok(Filed::New), "{length}");
        let end = length as u64;
        let parts = [
            Part::Whole,
            Part::From(end / 2),
            Part::From(end),
            Part::Last(1000),
            Part::Between(65_535, 65_536),
            Part::Between(300_000, 600_001),
        ];
        for part in parts {
            let range = part.of(end);
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            let read = shed.get(&address, part).await.unwrap();
            assert!(read == data[range], "{length} {part:?}: {} bytes", read.len());
        }
        let info = shed.find(&address, Part::Whole).await.unwrap().info;
        assert_eq!((&*info.attributes, info.length, info.cost_ms), ("{}", end, 3));
    }
}
