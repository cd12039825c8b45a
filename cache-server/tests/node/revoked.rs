//! What was taken back: who is shut out, what goes, and what stays; while a node runs, and while none does. And how fast
//! somebody may ask, and what is written down of it all.

use std::path::Path;
use std::time::Duration;

use hearth_cache_server::{AccessError, AccessFiles, Kind, Rate, Revocation, Revoked, StoredToken};
use hearth_model::{ExecutionId, ManualClock, Millis, Scope, Timestamp};
use hearth_trust::{Claims, StaticToken, Token, TokenId};

use crate::world::{NOW, REPOSITORY, World, body, claims, key, send, signer, trusted};

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

#[tokio::test]
async fn who_asks_too_fast_misses_and_nothing_breaks() {
    let world = World::new().await;
    let token = StaticToken::new(TokenId::new(NOW), [1; 32]);
    let limited = StoredToken {
        id: token.id(),
        name: "a hurried one".to_owned(),
        kind: Kind::Machine,
        hash: token.hash(),
        rights: Kind::Machine.usual_rights(),
        realms: vec![REPOSITORY.parse().unwrap()],
        reads: vec![Scope::Trusted],
        writes: Some(Scope::Trusted),
        daily_quota: None,
        created_at: NOW,
        expires_at: None,
        rate: Some(Rate { per_second: 1, burst: 3 }),
    };
    let add = AccessFiles::of(world.root()).change(|lists| -> Result<(), AccessError> {
        lists.book.add(limited).unwrap();
        Ok(())
    });
    add.unwrap();
    let world = world.restart(|_| {}).await;
    world.put(&key(9), &trusted(), b"there").await;
    let (url, shown) = (world.url(), token.expose());
    let ask = async |method: &str, path: &str| send(&url, method, path, &shown, b"x".to_vec()).await.status;
    assert_eq!([ask("GET", &key(9)).await, ask("PUT", &key(1)).await, ask("GET", &key(1)).await], [200, 201, 200]);
    // The clock of this node stands still, so nothing comes back.
    assert_eq!([ask("GET", &key(9)).await, ask("HEAD", &key(9)).await, ask("PUT", &key(2)).await], [404, 404, 201]);
    for _ in 0..5 {
        assert_eq!(ask("GET", ".sccache_check").await, 200);
        assert_eq!(ask("PUT", ".sccache_check").await, 201);
    }
    assert_eq!(world.get(&key(2), &trusted()).await.status, 404);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(ask("GET", &key(9)).await, 200);
    world.stop().await;
}

#[tokio::test]
async fn every_write_and_removal_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::at(dir.path(), ManualClock::at(NOW), |_| {}).await;
    let (execution, token) = job("pr/7");
    world.put(&key(1), &token, b"one").await;
    world.put(&key(1), &token, b"another").await;
    world.send("DELETE", &key(1), &token, Vec::new()).await;
    world.stop().await;
    let text = std::fs::read_to_string(dir.path().join("audit/writes.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["act"].as_str(), line["outcome"].as_str())).collect();
    let write = Some("write");
    assert_eq!(told, [(write, Some("stored")), (write, Some("divergent")), (Some("remove"), Some("removed"))]);
    assert!(lines.iter().all(|line| line["caller"] == execution.to_string() && line["scope"] == "pr/7"));
    assert!(!text.contains(token.expose()) && !text.contains("hj1"));
}
