//! Two nodes, one behind the other: what each client sees while the one behind is there, slow, silent, gone, forged, and
//! back again.

use std::time::{Duration, Instant};

use hearth_cache_server::{
    AccessError, AccessFiles, Kind, NodeConfig, Right, Rights, Secret, StoredToken, UpstreamConfig, UpstreamMode,
    UpstreamPlace,
};
use hearth_trust::{StaticToken, TokenId};

use crate::far::{Far, Manner};
use crate::world::{NOW, World, body, claims, key, pull_request, send, trusted};

/// A read's limit, and what a busy machine may take beyond it.
const READ: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(700);

/// A token with the right of a peer for the realms, once the node knows it.
async fn peer_token(world: &World, realms: &str) -> Secret {
    let token = StaticToken::new(TokenId::new(NOW), [7; 32]);
    let stored = StoredToken {
        id: token.id(),
        name: "near".to_owned(),
        kind: Kind::Peer,
        hash: token.hash(),
        rights: Rights::of(&[Right::Peer]),
        realms: vec![realms.parse().unwrap()],
        reads: Vec::new(),
        writes: None,
        daily_quota: None,
        created_at: NOW,
        expires_at: None,
        rate: None,
    };
    let add = |lists: &mut hearth_cache_server::Lists| {
        lists.book.add(stored).unwrap();
        Ok::<_, AccessError>(())
    };
    AccessFiles::of(world.root()).change(add).unwrap();
    let token = Secret::new(token.expose().to_string());
    let deadline = Instant::now() + Duration::from_secs(20);
    while send(&world.url(), "GET", ".peer/v1/", token.expose(), Vec::new()).await.status != 200 {
        assert!(Instant::now() < deadline, "the token was never good");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    token
}

fn behind(url: &str, token: Secret) -> impl FnOnce(&mut NodeConfig) {
    let place = UpstreamPlace::Peer { endpoint: url.to_owned(), token, ca: None };
    |config| {
        config.upstream =
            Some(UpstreamConfig { breaker_pause: Duration::from_millis(200), ..UpstreamConfig::new(place) });
    }
}

/// A far node with an open door for peers.
pub(crate) async fn far_world() -> (World, Secret) {
    let far = World::new().await;
    let token = peer_token(&far, "github.com/acme/*").await;
    (far, token)
}

#[tokio::test]
async fn what_is_behind_is_found_kept_and_stays_when_it_goes() {
    let (far, token) = far_world().await;
    let near = World::with(behind(&far.url(), token)).await;
    let sizes = [(1, 0), (2, 13), (3, 70_000), (4, 3_000_000)];
    for (n, size) in sizes {
        assert_eq!(far.put(&key(n), &trusted(), &body(u64::from(n), size)).await, 201);
    }
    for (n, size) in sizes {
        near.get(&key(n), &trusted()).await.is(&body(u64::from(n), size), "through");
    }
    assert_eq!(near.get(&key(9), &trusted()).await.status, 404);
    near.until(|status| status.objects == 4).await;
    let upstream = near.node.upstream().unwrap();
    assert_eq!((upstream.hits, upstream.misses), (4, 1));
    far.stop().await;
    for (n, size) in sizes {
        near.get(&key(n), &pull_request(7)).await.is(&body(u64::from(n), size), "kept");
    }
    near.stop().await;
}

#[tokio::test]
async fn scopes_hold_through_the_tier() {
    let (far, token) = far_world().await;
    let near = World::with(behind(&far.url(), token)).await;
    far.put(&key(1), &pull_request(7), b"from pull request 7").await;
    far.put(&key(2), &pull_request(7), b"another by 7").await;
    far.put(&key(2), &trusted(), b"trusted").await;
    assert_eq!(near.get(&key(1), &trusted()).await.status, 404);
    assert_eq!(near.get(&key(1), &pull_request(8)).await.status, 404);
    near.get(&key(2), &pull_request(7)).await.is(b"another by 7", "the nearest scope");
    near.get(&key(2), &trusted()).await.is(b"trusted", "the default branch");
    // What is here is not asked for there, though a nearer scope might have another.
    near.get(&key(2), &pull_request(8)).await.is(b"trusted", "what is here");
    near.get(&key(1), &pull_request(7)).await.is(b"from pull request 7", "his own");
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn what_is_stored_goes_up_even_after_a_restart() {
    let (far, token) = far_world().await;
    let near = World::with(|config| {
        behind(&far.url(), token.clone())(config);
        config.upstream.as_mut().unwrap().mode = UpstreamMode::Offline;
    })
    .await;
    for n in 1..=20 {
        assert_eq!(near.put(&key(n), &trusted(), &body(u64::from(n), 10_000)).await, 201);
    }
    assert_eq!(near.node.upstream().unwrap().queued_objects, 20);
    assert_eq!(far.node.status().objects, 0);
    let near = near.restart(behind(&far.url(), token)).await;
    far.until(|status| status.objects == 20).await;
    near.until_upstream(|upstream| upstream.queued_objects == 0 && upstream.carried == 20).await;
    for n in 1..=20 {
        far.get(&key(n), &trusted()).await.is(&body(u64::from(n), 10_000), "carried");
    }
    // What came from there does not go back.
    far.put(&key(50), &trusted(), b"theirs").await;
    near.get(&key(50), &trusted()).await.is(b"theirs", "through");
    assert_eq!(near.node.upstream().unwrap().queued_objects, 0);
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn an_upstream_that_hangs_costs_one_wait_and_no_write() {
    let hung = Far::start(Manner::Hang).await;
    let near = World::with(behind(&hung.url, Secret::new("x".to_owned()))).await;
    let began = Instant::now();
    assert_eq!(near.get(&key(1), &trusted()).await.status, 404);
    assert!(began.elapsed() < READ + SLACK, "{:?}", began.elapsed());
    for n in 2..40 {
        let began = Instant::now();
        assert_eq!(near.get(&key(n), &trusted()).await.status, 404);
        assert_eq!(near.put(&key(n), &trusted(), b"object").await, 201);
        // Trials are made by nobody who waits.
        assert!(began.elapsed() < READ, "{n}: {:?}", began.elapsed());
    }
    near.get(&key(2), &trusted()).await.is(b"object", "from here");
    assert_eq!(near.node.upstream().unwrap().queued_objects, 38);
    near.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_gone_and_comes_back_gets_everything_once() {
    let (far, token) = far_world().await;
    let near = World::with(behind(&far.url(), token)).await;
    let far = far.leave().await;
    for n in 1..=10 {
        assert_eq!(near.put(&key(n), &trusted(), &body(u64::from(n), 5000)).await, 201);
    }
    let far = far.again().await;
    far.until(|status| status.objects == 10).await;
    near.until_upstream(|upstream| upstream.queued_objects == 0).await;
    let status = far.node.status();
    assert_eq!((status.objects, status.duplicate, status.divergent), (10, 0, 0));
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn what_another_fleet_sealed_is_a_miss() {
    let (far, token) = far_world().await;
    let near = World::of_another_fleet([9; 32], behind(&far.url(), token)).await;
    far.put(&key(1), &trusted(), b"sealed with another key").await;
    let theirs = hearth_trust::Signer::from_key([9; 32]).sign(&claims(&["trusted"], Some("trusted")));
    assert_eq!(near.get(&key(1), &theirs).await.status, 404);
    assert_eq!(near.put(&key(2), &theirs, b"ours").await, 201);
    near.until_upstream(|upstream| upstream.queued_objects == 0).await;
    assert_eq!(far.node.status().objects, 1, "and it takes nothing from it");
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn what_waits_to_go_up_outlives_a_token_that_is_not_good_there() {
    let (far, token) = far_world().await;
    let unknown = StaticToken::new(TokenId::new(NOW), [9; 32]).expose().to_string();
    let near = World::with(behind(&far.url(), Secret::new(unknown))).await;
    for n in 1..=5 {
        assert_eq!(near.put(&key(n), &trusted(), &body(u64::from(n), 5000)).await, 201);
    }
    // It was tried, and is left alone.
    near.until_upstream(|upstream| upstream.spared).await;
    let upstream = near.node.upstream().unwrap();
    assert_eq!((upstream.queued_objects, upstream.carried, upstream.dropped), (5, 0, 0));
    let near = near.restart(behind(&far.url(), token)).await;
    far.until(|status| status.objects == 5).await;
    near.until_upstream(|upstream| upstream.queued_objects == 0).await;
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn a_realm_that_is_not_wanted_there_goes_no_further_and_holds_nothing_up() {
    let far = World::new().await;
    let token = peer_token(&far, "github.com/other/*").await;
    let near = World::with(behind(&far.url(), token)).await;
    assert_eq!(near.put(&key(1), &trusted(), b"not theirs").await, 201);
    near.until_upstream(|upstream| upstream.queued_objects == 0).await;
    let upstream = near.node.upstream().unwrap();
    assert!(!upstream.spared, "a no about one object is no failure: {upstream:?}");
    assert_eq!(far.node.status().objects, 0);
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn only_a_peer_of_the_realm_exchanges_records() {
    let far = World::new().await;
    let token = peer_token(&far, "github.com/other/*").await;
    far.put(&key(1), &trusted(), b"object").await;
    let list = |secret: String| {
        let url = far.url();
        async move { send(&url, "GET", ".peer/v1/", &secret, Vec::new()).await }
    };
    let names = list(token.expose().to_owned()).await;
    let name = String::from_utf8(names.body).unwrap().trim().to_owned();
    assert_eq!(name.len(), 64);
    let path = format!(".peer/v1/{name}");
    for (secret, status) in [(token.expose(), 404), (trusted().expose(), 403), ("", 401)] {
        assert_eq!(send(&far.url(), "GET", &path, secret, Vec::new()).await.status, status, "{path}");
    }
    for (secret, status) in [(trusted().expose(), 403), ("", 401), ("hs1.x.y", 401)] {
        assert_eq!(list(secret.to_owned()).await.status, status);
        assert_eq!(send(&far.url(), "PUT", &path, secret, b"x".to_vec()).await.status, status);
    }
    // What is no record changes nothing.
    for junk in [Vec::new(), b"junk".to_vec(), body(1, 100_000)] {
        assert_eq!(send(&far.url(), "PUT", &path, token.expose(), junk).await.status, 422);
    }
    far.get(&key(1), &trusted()).await.is(b"object", "as it was");
    far.stop().await;
}

#[tokio::test]
async fn an_empty_node_is_filled_from_another() {
    let (far, token) = far_world().await;
    for n in 0..30 {
        far.put(&key(n), &trusted(), &body(u64::from(n), 20_000)).await;
    }
    let near = World::new().await;
    near.put(&key(0), &trusted(), &body(0, 20_000)).await;
    let place = UpstreamPlace::Peer { endpoint: far.url(), token, ca: None };
    let warmed = near.node.warm_from(&place, 4, |_| {}).await.unwrap();
    assert_eq!((warmed.seen, warmed.present, warmed.fetched, warmed.failed), (30, 1, 29, 0));
    let again = near.node.warm_from(&place, 4, |_| {}).await.unwrap();
    assert_eq!((again.present, again.fetched), (30, 0));
    far.stop().await;
    for n in 0..30 {
        near.get(&key(n), &trusted()).await.is(&body(u64::from(n), 20_000), "warm");
    }
    assert!(near.node.warm_from(&place, 4, |_| {}).await.is_err());
    near.stop().await;
}
