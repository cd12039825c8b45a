//! Damaged files: a miss or a broken-off answer, never wrong bytes; removed and counted; the next build stores anew.

use std::fs;
use std::path::Path;

use crate::world::{World, body, key, trusted};

/// Stores one object in a node without memory tier, damages its file, reads it: never whole, and gone afterwards.
async fn check(what: &str, length: usize, damage: impl FnOnce(&Path)) {
    let world = World::with(|config| config.memory = hearth_model::Bytes(0)).await;
    world.settled().await;
    let token = trusted();
    let sent = body(1, length);
    assert_eq!(world.put(&key(1), &token, &sent).await, 201);
    world.get(&key(1), &token).await.is(&sent, "read back");
    let files = world.objects();
    damage(&files[0]);

    let answer = world.get(&key(1), &token).await;
    assert!(matches!(answer.status, 404 | 0), "{what}: served {} bytes", answer.body.len());
    assert_eq!(world.until(|status| status.corrupt == 1).await.objects, 0, "{what}");
    assert_eq!(world.get(&key(1), &token).await.status, 404, "{what}");
    assert!(world.objects().is_empty(), "{what}");

    assert_eq!(world.put(&key(1), &token, &sent).await, 201, "{what}");
    world.get(&key(1), &token).await.is(&sent, what);
    world.stop().await;
}

fn flip(at: usize) -> impl FnOnce(&Path) {
    move |path| flip_at(path, |_| at)
}

fn flip_from_end(back: usize) -> impl FnOnce(&Path) {
    move |path| flip_at(path, |length| length - back)
}

fn flip_at(path: &Path, at: impl FnOnce(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn truncate(by: usize) -> impl FnOnce(&Path) {
    move |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - by]).unwrap();
    }
}

#[tokio::test]
async fn flipped_bits_are_never_served() {
    check("first byte of a small object", 1000, flip(0)).await;
    check("last byte of a small object", 1000, flip(999)).await;
    check("hash of a small object", 1000, flip(1003)).await;
    check("footer of a small object", 1000, flip_from_end(20)).await;
    check("first segment of a big object", 3_000_000, flip(70_000)).await;
    check("last segment of a big object", 3_000_000, flip(2_999_999)).await;
    check("footer of a big object", 3_000_000, flip_from_end(1)).await;
}

#[tokio::test]
async fn truncated_files_are_never_served() {
    check("one byte", 1000, truncate(1)).await;
    check("the footer", 1000, truncate(140)).await;
    check("nearly all", 3_000_000, truncate(3_000_000)).await;
    check("a chunk", 3_000_000, truncate(65_536)).await;
    check("everything", 1000, |path| fs::write(path, b"").unwrap()).await;
    check("zeros of the same length", 1000, |path| {
        let length = fs::metadata(path).unwrap().len();
        fs::write(path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_object_in_foreign_place_is_never_served() {
    let world = World::with(|config| config.memory = hearth_model::Bytes(0)).await;
    let token = trusted();
    world.put(&key(1), &token, b"one").await;
    let one = world.objects();
    world.put(&key(2), &token, b"two").await;
    let two = world.objects().into_iter().find(|path| !one.contains(path)).unwrap();
    fs::copy(&one[0], two).unwrap();
    assert_eq!(world.get(&key(2), &token).await.status, 404);
    assert_eq!(world.get(&key(1), &token).await.body, b"one");
    world.stop().await;
}

#[tokio::test]
async fn a_damaged_near_object_does_not_hide_a_good_far_one() {
    let world = World::with(|config| config.memory = hearth_model::Bytes(0)).await;
    world.settled().await;
    let near = crate::world::pull_request(7);
    world.put(&key(1), &near, b"near").await;
    let near_file = world.objects().remove(0);
    world.put(&key(1), &trusted(), b"far").await;
    flip(1)(&near_file);
    assert_eq!(world.get(&key(1), &near).await.body, b"far");
    assert_eq!(world.node.status().corrupt, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_file_that_somebody_removed_is_a_miss() {
    let world = World::with(|config| config.memory = hearth_model::Bytes(0)).await;
    world.settled().await;
    world.put(&key(1), &trusted(), b"one").await;
    fs::remove_file(&world.objects()[0]).unwrap();
    assert_eq!(world.get(&key(1), &trusted()).await.status, 404);
    let status = world.node.status();
    assert_eq!((status.objects, status.corrupt), (0, 0));
    world.stop().await;
}
