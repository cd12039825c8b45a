//! The byte budget: kept, by removing what was used least recently, while requests go on.

use std::time::Duration;

use hearth_model::Bytes;

use crate::world::{World, body, key, pull_request, trusted};

const OBJECT: usize = 100_000;

#[tokio::test]
async fn the_least_recently_used_objects_make_room() {
    let world = World::with(|config| config.budget = Bytes(1 << 20)).await;
    world.settled().await;
    let mut stored = 0;
    for n in 0..40 {
        world.clock.advance(Duration::from_secs(1));
        // Object 0 is read all the time, so it stays; memory must not hide that from the accounts.
        if n > 0 {
            assert_eq!(world.get(&key(0), &trusted()).await.status, 200, "{n}");
        }
        stored += u64::from(world.put(&key(n), &trusted(), &body(u64::from(n), OBJECT)).await == 201);
        assert!(world.node.status().bytes <= Bytes(1 << 20));
        world.until(|status| status.bytes.0 <= (1 << 20) / 100 * 95).await;
    }
    let status = world.node.status();
    assert_eq!(stored, 40, "there was always room in time");
    assert_eq!(status.objects + status.evicted, 40);
    assert!(status.evicted >= 30, "{status:?}");
    world.get(&key(0), &trusted()).await.is(&body(0, OBJECT), "read back");
    world.get(&key(39), &trusted()).await.is(&body(39, OBJECT), "read back");
    assert_eq!(world.get(&key(1), &trusted()).await.status, 404);
    world.stop().await;
}

#[tokio::test]
async fn an_object_that_never_fits_is_refused_and_evicts_nothing() {
    let world = World::with(|config| config.budget = Bytes(1 << 20)).await;
    world.settled().await;
    world.put(&key(1), &trusted(), &body(1, OBJECT)).await;
    assert_eq!(world.put(&key(2), &trusted(), &body(2, 2 << 20)).await, 507);
    assert_eq!(world.get(&key(1), &trusted()).await.status, 200);
    assert_eq!(world.node.status().evicted, 0);
    world.stop().await;
}

#[tokio::test]
async fn metrics_have_every_series_from_the_start_and_count() {
    use prometheus_client::encoding::text::encode;
    let world = World::with(|config| config.budget = Bytes(1 << 20)).await;
    let mut registry = prometheus_client::registry::Registry::default();
    world.node.register_metrics(&mut registry);
    let scrape = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    let before = scrape();
    for series in [
        "cache_read_requests_total{result=\"hit\"} 0",
        "cache_write_requests_total{result=\"divergent\"} 0",
        "cache_corrupt_objects_total 0",
        "cache_evicted_bytes_total 0",
        "cache_stored_bytes 0",
        "cache_budget_bytes 1048576",
    ] {
        assert!(before.lines().any(|line| line == series), "no `{series}` in\n{before}");
    }
    world.put(&key(1), &trusted(), &body(1, OBJECT)).await;
    world.get(&key(1), &trusted()).await;
    world.get(&key(2), &trusted()).await;
    let after = scrape();
    for series in [
        "cache_read_requests_total{result=\"hit\"} 1",
        "cache_read_requests_total{result=\"miss\"} 1",
        "cache_write_requests_total{result=\"stored\"} 1",
        "cache_received_bytes_total 100000",
        "cache_sent_bytes_total 100000",
        "cache_stored_objects 1",
    ] {
        assert!(after.lines().any(|line| line == series), "no `{series}` in\n{after}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_flood_of_one_pull_request_leaves_what_is_trusted() {
    let world = World::with(|config| config.budget = Bytes(4 << 20)).await;
    world.settled().await;
    for n in 0..20 {
        assert_eq!(world.put(&key(n), &trusted(), &body(u64::from(n), OBJECT)).await, 201);
    }
    for n in 100..200 {
        world.clock.advance(Duration::from_secs(1));
        world.put(&key(n), &pull_request(7), &body(u64::from(n), OBJECT)).await;
        world.until(|status| status.bytes.0 <= (4 << 20) / 100 * 95).await;
    }
    assert!(world.node.status().evicted >= 70, "{:?}", world.node.status());
    for n in 0..20 {
        assert_eq!(world.get(&key(n), &trusted()).await.status, 200, "{n}");
    }
    world.stop().await;
}
