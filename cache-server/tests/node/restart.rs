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
    world.get(&key(0), &trusted()).await;
    let world = world.restart(|config| config.budget = Bytes(400_000)).await;
    world.until(|status| status.evicted > 0 && status.bytes <= Bytes(340_000)).await;
    assert_eq!(world.get(&key(0), &trusted()).await.status, 200);
    assert_eq!(world.get(&key(9), &trusted()).await.status, 200);
    assert_eq!(world.get(&key(1), &trusted()).await.status, 404);
    world.stop().await;
}

#[tokio::test]
async fn strangers_in_the_directory_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    let theirs = [root.join("segments/notes.txt"), root.join("segments/0123"), root.join("log/x.log")];
    for path in &theirs {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"a person's").unwrap();
    }
    let world = World::at(&root, ManualClock::at(NOW), |_| {}).await;
    assert_eq!(world.settled().await.objects, 0);
    world.stop().await;
    assert!(theirs.iter().all(|path| path.exists()));
}

#[tokio::test]
async fn a_log_that_is_lost_is_made_anew_from_the_segments() {
    let world = World::new().await;
    for n in 0..20 {
        world.put(&key(n), &trusted(), &body(u64::from(n), if n < 2 { 9_000_000 } else { 5000 })).await;
    }
    world.send("DELETE", &key(7), &trusted(), Vec::new()).await;
    world.send("DELETE", &key(1), &trusted(), Vec::new()).await;
    world.send("DELETE", &key(8), &trusted(), Vec::new()).await;
    assert_eq!(world.objects(), 17);
    let logs = world.logs();
    let world = world.restart_after(|| logs.iter().for_each(|log| std::fs::remove_file(log).unwrap()), |_| {}).await;
    world.until(|status| status.objects == 17).await;
    for n in 0..20 {
        let answer = world.get(&key(n), &trusted()).await;
        assert_eq!(answer.status, if [1, 7, 8].contains(&n) { 404 } else { 200 }, "{n}");
    }
    world.get(&key(0), &trusted()).await.is(&body(0, 9_000_000), "a big one");
    let world = world.restart(|_| {}).await;
    assert_eq!(world.settled().await.objects, 17, "the new log has them");
    world.stop().await;
}

#[tokio::test]
async fn a_log_with_damage_loses_nothing_that_the_segments_have() {
    let world = World::new().await;
    for n in 0..20 {
        world.put(&key(n), &trusted(), &body(u64::from(n), 5000)).await;
    }
    let log = world.logs().remove(0);
    let damage = || {
        let mut bytes = std::fs::read(&log).unwrap();
        let length = bytes.len();
        bytes[length / 3..length / 2].fill(0);
        bytes[length / 2 + 300] ^= 1;
        std::fs::write(&log, bytes).unwrap();
    };
    let world = world.restart_after(damage, |_| {}).await;
    world.until(|status| status.objects == 20).await;
    for n in 0..20 {
        world.get(&key(n), &trusted()).await.is(&body(u64::from(n), 5000), "after the damage");
    }
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
    let mut left = 0;
    for n in 0..10 {
        left += u64::from(other.get(&key(n), &trusted()).await.status == 200);
    }
    assert!((1..=4).contains(&left), "{left} objects are left");
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
    // Below 95 percent nothing has to go.
    node.until(|status| status.bytes <= Bytes(380_000)).await;
    let mut sharing = config(&root);
    share(&mut sharing);
    let shared = Node::open(sharing, signer(), Arc::new(ManualClock::at(NOW))).await;
    assert!(matches!(shared, Err(NodeError::InUse { .. })), "it is alone from then on");
    node.stop().await;
}
