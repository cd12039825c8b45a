//! A job's near node, before a good far side and before every bad one: an answer within the limits, always.

use std::time::{Duration, Instant};

use hearth_cache_server::{Backend, FarConfig, FarNode, ProbeError, Relay, RelayCounts, Secret};
use hearth_model::Millis;
use hearth_trust::{Claims, Signer};

use crate::far::{Far, Manner};
use crate::raw::Raw;
use crate::world::{Answer, NOW, World, body, claims, key, send, trusted};

const READ: Duration = Duration::from_millis(300);
const WRITE: Duration = Duration::from_millis(500);
/// What a busy machine may add to a limit.
const SLACK: Duration = Duration::from_millis(1500);

struct Near {
    relay: Relay,
    secret: Secret,
}

impl Near {
    async fn before(backend: Backend) -> Self {
        let secret = Secret::random().unwrap();
        let relay = Relay::start(backend, secret.clone()).await.unwrap();
        Self { relay, secret }
    }

    async fn before_far(url: &str, token: &str) -> Self {
        let mut config = FarConfig::new(url.to_owned(), Secret::new(token.to_owned()));
        (config.read, config.write) = (READ, WRITE);
        config.breaker_pause = Duration::from_mins(10);
        Self::before(Backend::Far(FarNode::new(config).unwrap())).await
    }

    async fn ask(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let url = format!("http://{}/", self.relay.addr());
        send(&url, method, path, self.secret.expose(), body).await
    }

    async fn get(&self, n: u8) -> Answer {
        self.ask("GET", &key(n), Vec::new()).await
    }

    async fn put(&self, n: u8, body: Vec<u8>) -> u16 {
        self.ask("PUT", &key(n), body).await.status
    }
}

/// Reads and writes through a relay before a bad far side: misses and discards, each in time, and after three failures
/// in a row at once and without asking.
async fn check_bad(what: &str, manner: Manner) -> RelayCounts {
    let far = Far::start(manner).await;
    let near = Near::before_far(&far.url, "token").await;
    assert_eq!(near.ask("GET", ".sccache_check", Vec::new()).await.status, 200, "{what}");

    let began = Instant::now();
    let answer = near.get(1).await;
    assert!(matches!(answer.status, 404 | 0), "{what}: {}", answer.status);
    assert!(began.elapsed() < READ + SLACK, "{what}: a read took {:?}", began.elapsed());

    let began = Instant::now();
    assert_eq!(near.put(2, body(1, 3_000_000)).await, 201, "{what}");
    assert!(began.elapsed() < WRITE + SLACK, "{what}: a write took {:?}", began.elapsed());
    near.get(3).await;
    near.get(3).await;

    let asked = far.asked();
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(near.get(4).await.status, 404, "{what}");
        assert_eq!(near.put(5, body(1, 100_000)).await, 201, "{what}");
    }
    assert!(began.elapsed() < SLACK, "{what}: spared requests took {:?}", began.elapsed());
    assert_eq!(far.asked(), asked, "{what}: it was asked on");
    let counts = near.relay.stop().await;
    assert_eq!((counts.gets, counts.puts, counts.stored), (13, 11, 0), "{what}");
    assert!(counts.spared >= 20, "{what}: {counts:?}");
    counts
}

#[tokio::test]
async fn a_far_side_that_hangs_costs_hits_and_no_time() {
    let counts = check_bad("hangs", Manner::Hang).await;
    assert_eq!((counts.timeouts, counts.errors, counts.discarded), (1, 0, 11));
}

#[tokio::test]
async fn a_far_side_that_fails_costs_hits_and_no_time() {
    let error = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let busy = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n";
    for (what, manner) in [
        ("answers 500", Manner::Later(Duration::ZERO, error)),
        ("answers 500 before the body", Manner::Say(error)),
        ("answers 429", Manner::Later(Duration::ZERO, busy)),
        ("closes", Manner::Close),
        ("talks nonsense", Manner::Say("220 smtp ready\r\n\r\n")),
        ("sends half a head", Manner::Say("HTTP/1.1 200 OK\r\nContent-")),
        ("redirects", Manner::Say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")),
    ] {
        let counts = check_bad(what, manner).await;
        assert_eq!((counts.timeouts, counts.errors), (0, 3), "{what}");
    }
}

#[tokio::test]
async fn a_far_side_that_breaks_off_in_the_middle_is_a_miss() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (what, manner) in [
        ("dies after the head", Manner::Say(half)),
        ("hangs after the head", Manner::SayAndHang(half)),
        ("dies in the body", Manner::Say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")),
        ("hangs in the body", Manner::SayAndHang("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")),
        ("does not say how long", Manner::Say("HTTP/1.1 200 OK\r\n\r\nsomething")),
    ] {
        let far = Far::start(manner).await;
        let near = Near::before_far(&far.url, "token").await;
        let began = Instant::now();
        let answer = near.get(1).await;
        assert!(matches!(answer.status, 404 | 0), "{what}: {answer:?}");
        assert!(began.elapsed() < READ + READ + SLACK, "{what}: took {:?}", began.elapsed());
        near.relay.stop().await;
    }
}

#[tokio::test]
async fn a_far_side_that_is_gone_costs_hits_and_no_time() {
    let world = World::new().await;
    let near = Near::before_far(&world.url(), trusted().expose()).await;
    near.put(1, body(1, 1000)).await;
    near.get(1).await.is(&body(1, 1000), "read back");
    world.stop().await;
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(near.get(1).await.status, 404);
        assert_eq!(near.put(2, body(1, 1000)).await, 201);
    }
    assert!(began.elapsed() < SLACK);
    assert!(matches!(near.relay.probe().await, Err(ProbeError::Unreachable { .. })));
    near.relay.stop().await;
}

#[tokio::test]
async fn a_slow_far_side_within_the_limits_is_used() {
    let found = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfound";
    let far = Far::start(Manner::Later(Duration::from_millis(50), found)).await;
    let near = Near::before_far(&far.url, "token").await;
    assert_eq!(near.get(1).await.body, b"found");
    assert_eq!(near.put(1, body(1, 1_000_000)).await, 201);
    let counts = near.relay.stop().await;
    assert_eq!((counts.hits, counts.stored), (1, 1));
}

/// Before a far side whose limits are longer than any test.
async fn patient(far: &Far) -> Near {
    let mut config = FarConfig::new(far.url.clone(), Secret::new("token".to_owned()));
    (config.read, config.write) = (Duration::from_mins(10), Duration::from_mins(10));
    config.awake = Duration::from_millis(100);
    Near::before(Backend::Far(FarNode::new(config).unwrap())).await
}

#[tokio::test]
async fn a_far_side_that_hangs_is_not_waited_for_as_a_slow_one_is() {
    let far = Far::start(Manner::Hang).await;
    let near = patient(&far).await;
    let began = Instant::now();
    assert_eq!(near.get(1).await.status, 404);
    assert!(began.elapsed() < SLACK, "a read took {:?}", began.elapsed());
    near.relay.stop().await;

    let near = patient(&far).await;
    let began = Instant::now();
    assert_eq!(near.put(1, body(1, 3_000_000)).await, 201);
    assert!(began.elapsed() < SLACK, "a write took {:?}", began.elapsed());
    let counts = near.relay.stop().await;
    assert_eq!((counts.timeouts, counts.discarded), (1, 1));
}

#[tokio::test]
async fn a_far_side_that_is_slow_and_awake_is_waited_for() {
    let found = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfound";
    let far = Far::start(Manner::AwakeAndLater(Duration::from_millis(600), found)).await;
    let near = patient(&far).await;
    assert_eq!(near.get(1).await.body, b"found");
    assert_eq!(near.put(1, body(1, 1_000_000)).await, 201);
    let counts = near.relay.stop().await;
    assert_eq!((counts.hits, counts.stored, counts.timeouts), (1, 1, 0));
}

#[tokio::test]
async fn a_far_side_that_recovers_is_used_again() {
    let far = Far::start(Manner::Close).await;
    let mut config = FarConfig::new(far.url.clone(), Secret::new("token".to_owned()));
    config.breaker_pause = Duration::from_millis(50);
    let near = Near::before(Backend::Far(FarNode::new(config).unwrap())).await;
    for _ in 0..4 {
        assert_eq!(near.get(1).await.status, 404);
    }
    far.turn(Manner::Later(Duration::ZERO, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfound"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while near.get(1).await.status != 200 {
        assert!(Instant::now() < deadline, "it was never asked again");
    }
    near.relay.stop().await;
}

#[tokio::test]
async fn a_far_sides_considered_no_is_no_failure() {
    let full = "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\n\r\n";
    let far = Far::start(Manner::Later(Duration::ZERO, full)).await;
    let near = Near::before_far(&far.url, "token").await;
    for _ in 0..6 {
        assert_eq!(near.put(1, body(1, 200_000)).await, 201);
    }
    assert_eq!(far.asked(), 6);
    let counts = near.relay.stop().await;
    assert_eq!((counts.discarded, counts.errors, counts.spared), (6, 0, 0));
}

#[tokio::test]
async fn a_connection_outlives_an_early_answer_of_the_far_side() {
    let far = Far::start(Manner::Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")).await;
    let near = Near::before_far(&far.url, "token").await;
    let sent = body(1, 2_000_000);
    let mut raw = Raw::connect(&near.relay.addr().to_string()).await;
    for _ in 0..2 {
        let secret = near.secret.expose();
        let head = format!(
            "PUT /{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {}\r\n\r\n",
            key(1),
            sent.len()
        );
        raw.send(head.as_bytes()).await;
        raw.send(&sent).await;
        assert_eq!(raw.status().await, Some(201));
    }
    near.relay.stop().await;
}

#[tokio::test]
async fn a_probe_says_why_the_far_side_is_no_use() {
    let world = World::new().await;
    let near = Near::before_far(&world.url(), trusted().expose()).await;
    near.relay.probe().await.unwrap();
    let forged = Signer::from_key([9; 32]).sign(&claims(&["trusted"], None));
    let near = Near::before_far(&world.url(), forged.expose()).await;
    assert!(matches!(near.relay.probe().await, Err(ProbeError::Refused)));
    world.stop().await;

    let hung = Far::start(Manner::Hang).await;
    let began = Instant::now();
    let near = Near::before_far(&hung.url, "token").await;
    assert!(matches!(near.relay.probe().await, Err(ProbeError::TooSlow)));
    assert!(began.elapsed() < READ + SLACK);
    let broken = Far::start(Manner::Say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")).await;
    let near = Near::before_far(&broken.url, "token").await;
    assert!(matches!(near.relay.probe().await, Err(ProbeError::Answer { status: 502 })));
}

#[tokio::test]
async fn a_relay_before_its_own_node_shows_the_job_its_scopes_only() {
    let world = World::new().await;
    world.put(&key(1), &trusted(), &body(1, 400_000)).await;
    let job = claims(&["pr/7", "trusted"], Some("pr/7"));
    let node = world.node.clone();
    let near = Near::before(Backend::Node { node, claims: job }).await;
    near.relay.probe().await.unwrap();
    assert_eq!(near.ask("PROPFIND", "0/", Vec::new()).await.status, 207);
    assert_eq!(near.ask("MKCOL", "0/", Vec::new()).await.status, 201);
    assert_eq!(near.ask("PUT", ".sccache_check", b"Hello, World!".to_vec()).await.status, 201);
    near.get(1).await.is(&body(1, 400_000), "read back");
    assert_eq!(near.get(2).await.status, 404);
    assert_eq!(near.put(2, body(2, 1000)).await, 201);
    assert_eq!(near.ask("HEAD", &key(2), Vec::new()).await.status, 200);
    assert_eq!(near.ask("DELETE", &key(2), Vec::new()).await.status, 403);
    assert_eq!(world.get(&key(2), &trusted()).await.status, 404);
    let counts = near.relay.stop().await;
    let expected = RelayCounts {
        requests: 8,
        check_requests: 1,
        propfind_requests: 1,
        mkcol_requests: 1,
        other_requests: 1,
        gets: 3,
        hits: 2,
        misses: 1,
        puts: 1,
        stored: 1,
        bytes_in: 1000 + 13,
        bytes_out: 400_000,
        ..RelayCounts::default()
    };
    assert_eq!(counts, expected);
    world.stop().await;
}

#[tokio::test]
async fn a_relay_opens_for_its_own_secret_only() {
    let world = World::new().await;
    let node = world.node.clone();
    let job = claims(&["trusted"], Some("trusted"));
    let near = Near::before(Backend::Node { node, claims: job }).await;
    near.put(1, b"object".to_vec()).await;
    let url = format!("http://{}/", near.relay.addr());
    // Not even a token that the node itself would take.
    for secret in ["", "x", trusted().expose()] {
        assert_eq!(send(&url, "GET", &key(1), secret, Vec::new()).await.status, 404);
        assert_eq!(send(&url, "PUT", &key(2), secret, Vec::new()).await.status, 403);
    }
    let counts = near.relay.stop().await;
    assert_eq!((counts.refused, counts.gets, counts.puts), (6, 0, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_relay_whose_claims_have_expired_misses_and_discards() {
    let world = World::new().await;
    let node = world.node.clone();
    let job = Claims { expires_at: NOW + Millis(1), ..claims(&["trusted"], Some("trusted")) };
    let near = Near::before(Backend::Node { node, claims: job }).await;
    assert_eq!(near.put(1, body(1, 300_000)).await, 201);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(near.get(1).await.status, 404);
    assert_eq!(near.put(2, body(2, 300_000)).await, 201);
    assert!(matches!(near.relay.probe().await, Err(ProbeError::Refused)));
    let counts = near.relay.stop().await;
    assert_eq!((counts.stored, counts.discarded, counts.misses), (1, 1, 1));
    world.stop().await;
}

#[test]
fn an_address_that_is_none_is_refused() {
    for endpoint in ["", "cache", "ftp://cache/", "http://cache/?x=1", "http://"] {
        let config = FarConfig::new(endpoint.to_owned(), Secret::new(String::new()));
        assert!(FarNode::new(config).is_err(), "{endpoint}");
    }
}
