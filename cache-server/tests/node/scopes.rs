//! Who sees what: own scope, base, trusted, and never anything else.

use hearth_cache_server::Groups;
use hearth_model::{Bytes, ExecutionId};
use hearth_trust::Claims;

use crate::world::{Answer, NOW, REPOSITORY, World, body, claims, key, pull_request, signer, trusted};

fn hit(body: &[u8]) -> Answer {
    Answer { status: 200, body: body.to_vec() }
}

fn miss() -> Answer {
    Answer { status: 404, body: Vec::new() }
}

#[tokio::test]
async fn a_pull_request_reads_trusted_and_trusted_never_reads_a_pull_request() {
    let world = World::new().await;
    world.put(&key(1), &trusted(), b"from main").await;
    world.put(&key(2), &pull_request(7), b"from pr 7").await;
    for settled in ["before", "after"] {
        assert_eq!(world.get(&key(1), &pull_request(7)).await, hit(b"from main"), "{settled}");
        assert_eq!(world.get(&key(2), &pull_request(7)).await, hit(b"from pr 7"), "{settled}");
        assert_eq!(world.get(&key(2), &pull_request(8)).await, miss(), "{settled}");
        assert_eq!(world.get(&key(2), &trusted()).await, miss(), "{settled}");
        world.settled().await;
    }
    world.stop().await;
}

#[tokio::test]
async fn the_own_scope_comes_before_base_and_base_before_trusted() {
    let world = World::new().await;
    let base = signer().sign(&claims(&["branch/next", "trusted"], Some("branch/next")));
    let reader = pull_request(7);
    world.settled().await;
    world.put(&key(1), &trusted(), b"trusted").await;
    // Twice, so that the memory tier holds the trusted one when a nearer one appears.
    assert_eq!(world.get(&key(1), &reader).await, hit(b"trusted"));
    assert_eq!(world.get(&key(1), &reader).await, hit(b"trusted"));
    world.put(&key(1), &base, b"base").await;
    assert_eq!(world.get(&key(1), &reader).await, hit(b"base"));
    world.put(&key(1), &reader, b"own").await;
    assert_eq!(world.get(&key(1), &reader).await, hit(b"own"));
    assert_eq!(world.get(&key(1), &base).await, hit(b"base"));
    assert_eq!(world.get(&key(1), &trusted()).await, hit(b"trusted"));
    world.stop().await;
}

#[tokio::test]
async fn one_repository_never_sees_another() {
    let world = World::new().await;
    let other = signer()
        .sign(&Claims { repository: "github.com/acme/rocke".to_owned(), ..claims(&["trusted"], Some("trusted")) });
    world.put(&key(1), &trusted(), b"secret").await;
    assert_eq!(world.get(&key(1), &other).await, miss());
    assert_eq!(world.send("HEAD", &key(1), &other, Vec::new()).await, miss());
    // Nor can it take the place: both keep their own.
    assert_eq!(world.put(&key(1), &other, b"poison").await, 201);
    assert_eq!(world.get(&key(1), &trusted()).await, hit(b"secret"));
    assert_eq!(world.node.status().divergent, 0);
    world.stop().await;
}

#[tokio::test]
async fn two_prefixes_are_two_places() {
    let world = World::new().await;
    world.put(&format!("a/{}", key(1)), &trusted(), b"a").await;
    world.put(&format!("b/{}", key(1)), &trusted(), b"b").await;
    assert_eq!(world.get(&format!("a/{}", key(1)), &trusted()).await, hit(b"a"));
    assert_eq!(world.get(&key(1), &trusted()).await, miss());
    world.stop().await;
}

#[tokio::test]
async fn a_reader_is_told_that_all_is_well_and_stores_nothing() {
    let world = World::new().await;
    let reader = signer().sign(&claims(&["trusted"], None));
    assert_eq!(world.put(".sccache_check", &reader, b"Hello, World!").await, 201);
    assert_eq!(world.put(&key(1), &reader, &body(1, 400_000)).await, 201);
    assert_eq!(world.get(&key(1), &trusted()).await, miss());
    let status = world.node.status();
    assert_eq!((status.discarded, status.stored, status.objects), (1, 0, 0));
    assert_eq!(world.objects(), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_group_shares_what_it_trusts_and_nothing_else() {
    let other = "github.com/acme/launchpad";
    let repositories = [REPOSITORY.to_owned(), other.to_owned()];
    let world = World::with(|config| config.groups = Groups::new([("acme", repositories.as_slice())]).unwrap()).await;
    let of_other = |claims: Claims| signer().sign(&Claims { repository: other.to_owned(), ..claims });
    let other_trusted = of_other(claims(&["trusted"], Some("trusted")));
    let other_pull_request = of_other(claims(&["pr/7", "trusted"], Some("pr/7")));
    world.put(&key(1), &trusted(), b"shared").await;
    world.put(&key(2), &other_pull_request, b"own").await;
    for reader in [&trusted(), &other_trusted, &other_pull_request, &pull_request(7)] {
        assert_eq!(world.get(&key(1), reader).await, hit(b"shared"));
    }
    for stranger in [&trusted(), &other_trusted, &pull_request(7)] {
        assert_eq!(world.get(&key(2), stranger).await, miss());
    }
    world.stop().await;
}

#[tokio::test]
async fn a_scope_holds_no_more_than_its_quota_whoever_fills_it() {
    let world = World::with(|config| config.scope_quota = Some(Bytes::kib(64))).await;
    for (n, token) in [(1, pull_request(7)), (2, pull_request(7)), (3, pull_request(8)), (4, trusted()), (5, trusted())]
    {
        assert_eq!(world.put(&key(n), &token, &body(u64::from(n), 40_000)).await, 201);
    }
    let mut found = Vec::new();
    for (n, token) in [(1, pull_request(7)), (2, pull_request(7)), (3, pull_request(8)), (4, trusted()), (5, trusted())]
    {
        found.push(world.get(&key(n), &token).await.status);
    }
    assert_eq!(found, [200, 404, 200, 200, 200]);
    world.stop().await;
}

#[tokio::test]
async fn an_execution_stores_no_more_than_its_quota() {
    let world = World::new().await;
    let limited =
        |execution| Claims { execution, quota: Some(Bytes(1000)), ..claims(&["pr/7", "trusted"], Some("pr/7")) };
    let one = signer().sign(&limited(ExecutionId::new(NOW)));
    let other = signer().sign(&limited(ExecutionId::new(NOW)));
    for (n, token, length) in [(1, &one, 600), (2, &one, 401), (3, &one, 400), (4, &one, 1), (5, &other, 1000)] {
        assert_eq!(world.put(&key(n), token, &body(1, length)).await, 201);
    }
    let mut found = Vec::new();
    for n in 1..=5 {
        found.push(world.get(&key(n), &one).await.status);
    }
    assert_eq!(found, [200, 404, 200, 404, 200]);
    assert_eq!(world.node.status().discarded, 2);
    world.stop().await;
}
