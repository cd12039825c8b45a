//! What the cache has saved, and what it knows of misses, as seen by whoever asks the node.

use std::time::Duration;

use hearth_model::Millis;

use crate::world::{World, compilation, pull_request, sccache_key, trusted};

#[tokio::test]
async fn a_hit_saves_what_its_writer_took_to_compile() {
    let world = World::new().await;
    let object = compilation("serde", 1, 10_000);
    assert_eq!(world.get(&sccache_key(1), &trusted()).await.status, 404);
    let writer = trusted();
    assert_eq!(world.get(&sccache_key(1), &writer).await.status, 404);
    world.clock.advance(Duration::from_secs(7));
    assert_eq!(world.put(&sccache_key(1), &writer, &object).await, 201);
    assert_eq!(world.node.status().saved, Millis(0));
    for _ in 0..2 {
        world.get(&sccache_key(1), &pull_request(5)).await.is(&object, "read back");
    }
    assert_eq!(world.node.status().saved, Millis::from_secs(14));
    let report = world.node.savings(5);
    let realm = &report.realms[0];
    assert_eq!((realm.hits, realm.misses, realm.saved), (2, 2, Millis::from_secs(14)));
    let missed = &report.missed[0];
    assert_eq!((&*missed.name, missed.misses, missed.spent), ("serde", 1, Millis::from_secs(7)));
    world.stop().await;
}

#[tokio::test]
async fn what_is_stored_without_a_miss_costs_nobody_knows_what() {
    let world = World::new().await;
    world.put(&sccache_key(1), &trusted(), &compilation("serde", 1, 10_000)).await;
    assert_eq!(world.get(&sccache_key(1), &trusted()).await.status, 200);
    assert_eq!(world.node.status().saved, Millis(0));
    assert!(world.node.savings(5).missed.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_sccache_does_not_make_is_dropped_and_counted() {
    let world = World::new().await;
    world.settled().await;
    let good = compilation("serde", 1, 300_000);
    let page = b"<html><body>502 Bad Gateway</body></html>".to_vec();
    for (n, bad) in (0..).zip([page, vec![0; 300_000], good[..299_000].to_vec(), Vec::new()]) {
        assert_eq!(world.put(&sccache_key(n), &trusted(), &bad).await, 201, "{n}");
        assert_eq!(world.get(&sccache_key(n), &trusted()).await.status, 404, "{n}");
    }
    let status = world.node.status();
    assert_eq!((status.malformed, status.stored, status.objects), (4, 0, 0));
    assert_eq!(world.put(&sccache_key(0), &trusted(), &good).await, 201);
    world.get(&sccache_key(0), &trusted()).await.is(&good, "in the place of what was dropped");
    world.stop().await;
}
