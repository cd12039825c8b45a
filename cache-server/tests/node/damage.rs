//! Damaged segments: a miss or a broken-off answer, never wrong bytes; removed and counted; the next build stores anew.

use std::fs;
use std::path::Path;

use hearth_model::{Bytes, ManualClock};

use crate::world::{NOW, World, body, key, pull_request, trusted};

/// Where an object lies: its segment, its data in there, and their length.
struct Place<'a> {
    path: &'a Path,
    data: usize,
    length: usize,
}

/// Stores one object in a node without memory tier, damages it, reads it: never whole, and gone afterwards.
async fn check(what: &str, length: usize, damage: impl FnOnce(&Place<'_>)) {
    let world = World::with(|config| config.memory = Bytes(0)).await;
    world.settled().await;
    let token = trusted();
    let sent = body(1, length);
    assert_eq!(world.put(&key(1), &token, &sent).await, 201);
    world.get(&key(1), &token).await.is(&sent, "read back");
    let (path, data) = world.find(&sent);
    damage(&Place { path: &path, data, length });

    let answer = world.get(&key(1), &token).await;
    assert!(matches!(answer.status, 404 | 0), "{what}: served {} bytes", answer.body.len());
    assert_eq!(world.until(|status| status.corrupt == 1).await.objects, 0, "{what}");
    assert_eq!(world.get(&key(1), &token).await.status, 404, "{what}");

    assert_eq!(world.put(&key(1), &token, &sent).await, 201, "{what}");
    world.get(&key(1), &token).await.is(&sent, what);
    let world = world.restart(|_| {}).await;
    world.get(&key(1), &token).await.is(&sent, what);
    world.stop().await;
}

/// Flips a bit as far behind the beginning of the data; before them with a negative number.
fn flip(at: isize) -> impl FnOnce(&Place<'_>) {
    move |place| change(place.path, |bytes| bytes[place.data.checked_add_signed(at).unwrap()] ^= 1)
}

/// Flips a bit as far behind the end of the data.
fn flip_behind(at: usize) -> impl FnOnce(&Place<'_>) {
    move |place| change(place.path, |bytes| bytes[place.data + place.length + at] ^= 1)
}

fn truncate(by: usize) -> impl FnOnce(&Place<'_>) {
    move |place| change(place.path, |bytes| bytes.truncate(bytes.len() - by))
}

/// Changes a file without replacing it.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn flipped_bits_are_never_served() {
    check("first byte of a small object", 1000, flip(0)).await;
    check("last byte of a small object", 1000, flip(999)).await;
    check("head of a small object", 1000, flip(-40)).await;
    check("hash of a small object", 1000, flip_behind(3)).await;
    check("end of a small object", 1000, flip_behind(20)).await;
    check("first piece of a big object", 3_000_000, flip(70_000)).await;
    check("last piece of a big object", 3_000_000, flip(2_999_999)).await;
    check("hash of a big object", 3_000_000, flip_behind(1)).await;
    check("an object that has a segment of its own", 9_000_000, flip(5_000_000)).await;
}

#[tokio::test]
async fn truncated_segments_are_never_served() {
    check("one byte", 1000, truncate(1)).await;
    check("the end", 1000, truncate(24)).await;
    check("nearly all", 3_000_000, truncate(3_000_000)).await;
    check("a chunk", 3_000_000, truncate(65_536)).await;
    check("everything", 1000, |place| fs::write(place.path, b"").unwrap()).await;
    check("zeros of the same length", 1000, |place| change(place.path, |bytes| bytes.fill(0))).await;
}

#[tokio::test]
async fn an_object_in_foreign_place_is_never_served() {
    let world = World::with(|config| config.memory = Bytes(0)).await;
    let token = trusted();
    // As long as each other, so that one record fits in the place of the other.
    let (one, two) = (body(1, 1000), body(2, 1000));
    world.put(&key(1), &token, &one).await;
    world.put(&key(2), &token, &two).await;
    let ((path, first), (_, second)) = (world.find(&one), world.find(&two));
    change(&path, |bytes| {
        let head = first - bytes[..first].windows(4).rposition(|mark| mark == b"\x01\x1eHr").unwrap();
        bytes.copy_within(first - head..second - head, second - head);
    });
    assert_eq!(world.get(&key(2), &token).await.status, 404);
    assert_eq!(world.get(&key(1), &token).await.body, one);
    world.stop().await;
}

#[tokio::test]
async fn a_damaged_near_object_does_not_hide_a_good_far_one() {
    let world = World::with(|config| config.memory = Bytes(0)).await;
    world.settled().await;
    let near = pull_request(7);
    world.put(&key(1), &near, &body(1, 5000)).await;
    world.put(&key(1), &trusted(), &body(2, 5000)).await;
    let (path, data) = world.find(&body(1, 5000));
    flip(1)(&Place { path: &path, data, length: 5000 });
    assert_eq!(world.get(&key(1), &near).await.body, body(2, 5000));
    assert_eq!(world.node.status().corrupt, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_segment_that_somebody_removed_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::at(dir.path(), ManualClock::at(NOW), |config| config.memory = Bytes(0)).await;
    world.put(&key(1), &trusted(), b"one").await;
    let segment = world.segments().remove(0);
    let world = world.restart_after(|| fs::remove_file(segment).unwrap(), |_| {}).await;
    world.settled().await;
    assert_eq!(world.get(&key(1), &trusted()).await.status, 404);
    let status = world.node.status();
    assert_eq!((status.objects, status.corrupt), (0, 0));
    assert_eq!(world.put(&key(1), &trusted(), b"one").await, 201);
    world.get(&key(1), &trusted()).await.is(b"one", "stored anew");
    world.stop().await;
}
