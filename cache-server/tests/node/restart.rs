//! A node that comes back: serves at once, knows what is there, remembers what was used, and is alone in its place.

use std::sync::Arc;
use std::time::Duration;

use hearth_cache_server::{IndexState, Node, NodeError, Ownership};
use hearth_model::{Bytes, ManualClock};

use crate::world::{NOW, World, body, config, key, signer, trusted};

#[tokio::test]
async fn objects_survive_and_are_counted_again() {
    let world = World::new().await;
    for n in 0..20 {
        world.put(&key(n), &trusted(), &body(u64::from(n), 5000)).await;
    }
    let before = world.node.status();
    let world = world.restart(|_| {}).await;
    world.get(&key(3), &trusted()).await.is(&body(3, 5000), "read back");
    let after = world.settled().await;
    assert_eq!((after.objects, after.bytes), (before.objects, before.bytes));
    world.stop().await;
}

#[tokio::test]
async fn what_was_used_last_survives_a_smaller_budget() {
    let world = World::with(|config| config.memory = Bytes(0)).await;
    world.settled().await;
    for n in 0..10 {
        world.clock.advance(Duration::from_secs(1));
        world.put(&key(n), &trusted(), &body(u64::from(n), 90_000)).await;
    }
    // The oldest one is read, long enough after it was stored for the disk to be told.
    world.clock.advance(Duration::from_mins(10));
    world.get(&key(0), &trusted()).await;
    let newest = || world.objects().iter().filter_map(|path| path.metadata().ok()?.modified().ok()).max();
    let told = std::time::UNIX_EPOCH + Duration::from_millis(u64::try_from(NOW.as_millis()).unwrap() + 610_000);
    world.until(|_| newest() == Some(told)).await;
    let world = world.restart(|config| config.budget = Bytes(400_000)).await;
    world.until(|status| status.evicted > 0 && status.bytes <= Bytes(340_000)).await;
    assert_eq!(world.get(&key(0), &trusted()).await.status, 200);
    assert_eq!(world.get(&key(9), &trusted()).await.status, 200);
    assert_eq!(world.get(&key(1), &trusted()).await.status, 404);
    world.stop().await;
}

#[tokio::test]
async fn leftovers_of_an_earlier_life_are_swept_and_strangers_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    std::fs::create_dir_all(root.join("uploads")).unwrap();
    std::fs::create_dir_all(root.join("objects/00")).unwrap();
    std::fs::write(root.join("uploads/17"), b"half").unwrap();
    std::fs::write(root.join("objects/00/notes.txt"), b"a person's").unwrap();
    let world = World::at(&root, ManualClock::at(NOW), |_| {}).await;
    assert!(world.unfinished().is_empty());
    assert_eq!(world.settled().await.objects, 0);
    assert!(root.join("objects/00/notes.txt").exists());
    world.stop().await;
}

#[tokio::test]
async fn a_directory_has_one_node_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::at(dir.path(), ManualClock::at(NOW), |_| {}).await;
    let open = || Node::open(config(dir.path()), signer(), Arc::new(ManualClock::at(NOW)));
    assert!(matches!(open().await, Err(NodeError::InUse { .. })));
    world.stop().await;
    open().await.unwrap().stop().await;
}

#[tokio::test]
async fn a_place_that_is_no_directory_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"").unwrap();
    let error = Node::open(config(&path), signer(), Arc::new(ManualClock::at(NOW))).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot use the cache directory {}", path.display()));
}

#[tokio::test]
async fn nodes_that_share_a_directory_see_each_others_objects_and_a_trim_keeps_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    let shared = |config: &mut hearth_cache_server::NodeConfig| config.ownership = Ownership::Shared;
    let one = World::at(&root, ManualClock::at(NOW), shared).await;
    let other = World::at(&root, ManualClock::at(NOW), shared).await;
    for n in 0..10 {
        one.put(&key(n), &trusted(), &body(u64::from(n), 90_000)).await;
    }
    other.get(&key(3), &trusted()).await.is(&body(3, 90_000), "stored by the other node");
    let mut small = config(&root);
    small.budget = Bytes(400_000);
    hearth_cache_server::trim(small, Arc::new(ManualClock::at(NOW))).await.unwrap();
    let left: u64 = one.objects().iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!((1..=400_000).contains(&left), "{left} bytes are left");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_node_opens_beside_jobs_that_share_its_directory_and_takes_over_when_they_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    let share = |config: &mut hearth_cache_server::NodeConfig| config.ownership = Ownership::Shared;
    let job = World::at(&root, ManualClock::at(NOW), share).await;
    job.put(&key(1), &trusted(), &body(1, 90_000)).await;
    let node = World::at(&root, ManualClock::at(NOW), |config| config.budget = Bytes(400_000)).await;
    let another = Node::open(config(&root), signer(), Arc::new(ManualClock::at(NOW))).await;
    assert!(matches!(another, Err(NodeError::InUse { .. })), "one node keeps the directory");

    // What the job stores is found though this node was not told.
    node.until(|status| status.objects == 1).await;
    job.put(&key(2), &trusted(), &body(2, 90_000)).await;
    node.get(&key(2), &trusted()).await.is(&body(2, 90_000), "stored by the job");
    assert_eq!(node.node.status().index, IndexState::Loading);
    job.stop().await;
    // The next look at the directory is when room is needed, at the latest.
    for n in 3..8 {
        node.put(&key(n), &trusted(), &body(u64::from(n), 90_000)).await;
    }
    node.settled().await;
    node.until(|status| status.bytes <= Bytes(340_000)).await;
    let mut sharing = config(&root);
    share(&mut sharing);
    let shared = Node::open(sharing, signer(), Arc::new(ManualClock::at(NOW))).await;
    assert!(matches!(shared, Err(NodeError::InUse { .. })), "it is alone from then on");
    node.stop().await;
}
