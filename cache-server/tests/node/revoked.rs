//! What was taken back: who is shut out, what goes, and what stays; while a node runs, and while none does.

use std::path::Path;
use std::time::Duration;

use hearth_cache_server::{AccessError, AccessFiles, Revocation, Revoked};
use hearth_model::{ExecutionId, Millis, Scope, Timestamp};
use hearth_trust::{Claims, Token};

use crate::world::{NOW, REPOSITORY, World, body, claims, key, signer, trusted};

fn job(scope: &str) -> (ExecutionId, Token) {
    let claims = claims(&[scope, "trusted"], Some(scope));
    (claims.execution, signer().sign(&claims))
}

fn revoke(root: &Path, at: Timestamp, what: Revoked) {
    let change = AccessFiles::of(root).change(|lists| -> Result<(), AccessError> {
        lists.revoked = lists.revoked.with(Revocation { at, what }).unwrap();
        Ok(())
    });
    change.unwrap();
}

/// Waits, but not for ever, until so many objects are left.
async fn left(world: &World, objects: u64) {
    world.until(|status| status.objects == objects).await;
}

#[tokio::test]
async fn a_revoked_job_leaves_nothing_behind_and_others_keep_what_they_have() {
    let world = World::new().await;
    world.settled().await;
    let ((bad, bad_token), (_, good_token)) = (job("pr/7"), job("pr/7"));
    // A big one as well, which lies elsewhere than small ones.
    for (n, token, length) in [(1, &bad_token, 100), (2, &bad_token, 3_000_000), (3, &good_token, 100)] {
        assert_eq!(world.put(&key(n), token, &body(u64::from(n), length)).await, 201);
    }
    world.put(&key(4), &trusted(), b"trusted").await;
    left(&world, 4).await;
    revoke(world.root(), NOW, Revoked::Job { execution: bad });
    left(&world, 2).await;
    for (n, expected) in [(1, 404), (2, 404), (3, 200), (4, 200)] {
        assert_eq!(world.get(&key(n), &good_token).await.status, expected, "{n}");
    }
    assert_eq!(world.get(&key(4), &bad_token).await.status, 404);
    assert_eq!(world.put(&key(5), &bad_token, b"again").await, 403);
    // It is gone for good, and its place is free.
    let world = world.restart(|_| {}).await;
    world.settled().await;
    assert_eq!(world.get(&key(1), &good_token).await.status, 404);
    assert_eq!(world.put(&key(1), &good_token, b"good").await, 201);
    assert_eq!(world.get(&key(1), &good_token).await.body, b"good");
    world.stop().await;
}

#[tokio::test]
async fn a_scope_that_is_revoked_while_no_node_runs_is_empty_when_one_does() {
    let world = World::new().await;
    world.settled().await;
    let (running, other) = (job("pr/7"), job("pr/8"));
    world.put(&key(1), &running.1, b"of pr 7").await;
    world.put(&key(2), &other.1, b"of pr 8").await;
    let what = Revoked::Scope { realm: REPOSITORY.to_owned(), scope: Scope::PullRequest(7) };
    let later = ExecutionId::new(NOW + Millis(1));
    let root = world.root().to_owned();
    let world = world.restart_after(|| revoke(&root, NOW, what), |_| {}).await;
    left(&world, 1).await;
    assert_eq!(world.put(&key(3), &running.1, b"x").await, 403);
    assert_eq!(world.get(&key(2), &other.1).await.status, 200);
    let claims = Claims { execution: later, ..claims(&["pr/7", "trusted"], Some("pr/7")) };
    let fresh = signer().sign(&claims);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.put(&key(1), &fresh, b"anew").await, 201);
    assert_eq!(world.get(&key(1), &fresh).await.body, b"anew");
    world.stop().await;
}

#[tokio::test]
async fn a_stretch_of_time_is_taken_out_of_the_middle() {
    let world = World::new().await;
    world.settled().await;
    for n in 1..=3 {
        world.put(&key(n), &trusted(), b"x").await;
        world.clock.advance(Duration::from_mins(1));
    }
    let (from, until) = (NOW + Millis::from_secs(60), NOW + Millis::from_secs(120));
    revoke(world.root(), NOW, Revoked::Stored { realms: "*".parse().unwrap(), from, until });
    left(&world, 2).await;
    let mut found = Vec::new();
    for n in 1..=3 {
        found.push(world.get(&key(n), &trusted()).await.status);
    }
    assert_eq!(found, [200, 404, 200]);
    world.stop().await;
}
