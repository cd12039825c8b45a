//! Writes: whole or not at all, the first one wins, and a client that misbehaves leaves nothing behind.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::raw::Raw;
use crate::world::{World, body, key, send, trusted};

fn put_head(n: u8, more: &str) -> String {
    let token = trusted();
    format!("PUT /{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{more}\r\n", key(n), token.expose())
}

#[tokio::test]
async fn objects_of_every_size_come_back_bit_for_bit() {
    let world = World::new().await;
    let chunk = 64 * 1024;
    let sizes = [0, 1, chunk - 1, chunk, chunk + 1, 4 * chunk - 1, 4 * chunk, 4 * chunk + 1, 8 * chunk, 5_000_001];
    for (n, size) in (0..).zip(sizes) {
        let sent = body(u64::from(n), size);
        assert_eq!(world.put(&key(n), &trusted(), &sent).await, 201, "{size}");
        // From disk, then from memory where it has a place there.
        world.get(&key(n), &trusted()).await.is(&sent, &size.to_string());
        world.get(&key(n), &trusted()).await.is(&sent, &size.to_string());
    }
    assert!(world.unfinished().is_empty());
    let world = world.restart(|config| config.memory = hearth_model::Bytes(0)).await;
    for (n, size) in (0..).zip(sizes) {
        world.get(&key(n), &trusted()).await.is(&body(u64::from(n), size), &size.to_string());
    }
    world.stop().await;
}

#[tokio::test]
async fn the_first_writer_wins_and_the_second_is_counted() {
    let world = World::new().await;
    for (n, length) in [(1, 10), (2, 900_000)] {
        let before = world.node.status();
        assert_eq!(world.put(&key(n), &trusted(), &body(1, length)).await, 201);
        assert_eq!(world.put(&key(n), &trusted(), &body(1, length)).await, 201);
        assert_eq!(world.put(&key(n), &trusted(), &body(2, length)).await, 201);
        assert_eq!(world.put(&key(n), &trusted(), &body(1, length + 1)).await, 201);
        world.get(&key(n), &trusted()).await.is(&body(1, length), "read back");
        let status = world.node.status();
        assert_eq!(status.stored - before.stored, 1);
        assert_eq!(status.duplicate - before.duplicate, 1);
        assert_eq!(status.divergent - before.divergent, 2);
    }
    assert!(world.unfinished().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn of_many_writers_at_once_exactly_one_wins() {
    let world = World::new().await;
    let mut writers = JoinSet::new();
    for seed in 0..8 {
        let url = world.url();
        writers.spawn(async move { send(&url, "PUT", &key(1), trusted().expose(), body(seed, 300_000)).await.status });
    }
    while let Some(status) = writers.join_next().await {
        assert_eq!(status.unwrap(), 201);
    }
    let status = world.node.status();
    assert_eq!((status.stored, status.divergent, status.objects), (1, 7, 1));
    let kept = world.get(&key(1), &trusted()).await.body;
    assert!((0..8).any(|seed| kept == body(seed, 300_000)));
    assert!(world.unfinished().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::new().await;
    for sent in [0, 10, 700_000] {
        let mut raw = Raw::connect(&world.address).await;
        raw.send(put_head(1, "Content-Length: 1000000\r\n").as_bytes()).await;
        raw.send(&body(1, sent)).await;
        drop(raw);
    }
    world.until(|status| status.failed == 3).await;
    world.until(|_| world.unfinished().is_empty()).await;
    assert_eq!(world.get(&key(1), &trusted()).await.status, 404);
    assert_eq!(world.objects(), 0);
    // The space that was set aside for them is given back.
    let world = world.restart(|config| config.budget = hearth_model::Bytes::mib(1)).await;
    assert_eq!(world.put(&key(1), &trusted(), &body(1, 900_000)).await, 201);
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_stalls_is_cut_off() {
    let world = World::with(|config| config.limits.client_stall = Duration::from_millis(50)).await;
    let mut raw = Raw::connect(&world.address).await;
    raw.send(put_head(1, "Content-Length: 1000\r\n").as_bytes()).await;
    raw.send(b"only this").await;
    assert_eq!(raw.status().await, Some(400));
    assert_eq!(world.node.status().failed, 1);
    assert!(world.unfinished().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn an_upload_that_trickles_ends_at_its_limit() {
    let world = World::with(|config| config.limits.upload = Duration::from_millis(200)).await;
    let mut raw = Raw::connect(&world.address).await;
    raw.send(put_head(1, "Content-Length: 1000000\r\n").as_bytes()).await;
    // It goes on until the node has closed the connection.
    while raw.offer(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = world.until(|status| status.failed == 1).await;
    assert_eq!(status.stored, 0);
    world.stop().await;
}

#[tokio::test]
async fn lengths_must_be_said_and_be_true() {
    let world = World::with(|config| config.max_object = hearth_model::Bytes(1000)).await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (more, status) in [
        ("", 411),
        (chunked, 411),
        ("Content-Length: 1001\r\n", 413),
        ("Content-Length: 18446744073709551615\r\n", 431),
        ("Content-Length: 99999999999999999999\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: x\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
    ] {
        let mut raw = Raw::connect(&world.address).await;
        raw.send(put_head(1, more).as_bytes()).await;
        assert_eq!(raw.status().await, Some(status), "{more}");
    }
    // More than was promised is the next request, and no good one; the object is what was promised.
    let mut raw = Raw::connect(&world.address).await;
    raw.send(put_head(1, "Content-Length: 4\r\n").as_bytes()).await;
    raw.send(b"fourand more\r\n\r\n").await;
    assert_eq!(raw.status().await, Some(201));
    assert_eq!(raw.status().await, Some(400));
    assert_eq!(world.get(&key(1), &trusted()).await.body, b"four");
    world.stop().await;
}

#[tokio::test]
async fn a_stop_lets_an_upload_finish() {
    let world = World::new().await;
    let sent = body(1, 600_000);
    let mut raw = Raw::connect(&world.address).await;
    raw.send(put_head(1, "Content-Length: 600000\r\n").as_bytes()).await;
    raw.send(&sent[..300_000]).await;
    world.until(|status| status.bytes > hearth_model::Bytes(600_000)).await;
    let node = world.node.clone();
    let mut stopping = JoinSet::new();
    stopping.spawn(async move { node.stop().await });
    raw.send(&sent[300_000..]).await;
    assert_eq!(raw.status().await, Some(201));
    stopping.join_next().await.unwrap().unwrap();
    let world = world.restart(|_| {}).await;
    world.get(&key(1), &trusted()).await.is(&sent, "read back");
    world.stop().await;
}
