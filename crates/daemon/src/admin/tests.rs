//! Real connections on ephemeral ports.

use std::future::pending;

use axum::routing::post;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::metrics::BuildInfo;
use crate::tasks::{Finish, Tasks};

const BUILD: BuildInfo = BuildInfo { program: "hearth", version: "1.2.3", commit: "abc" };

/// A daemon that serves its admin endpoints.
struct World {
    address: SocketAddr,
    tasks: Tasks,
}

impl World {
    async fn new(readiness: impl FnOnce(Readiness) -> Readiness) -> Self {
        let tasks = Tasks::new(Stop::default());
        let settings = AdminSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            reach: Reach::ThisMachine,
            names: vec!["ci.example".to_owned()],
        };
        let pages = Router::new()
            .route("/own", get(async || ([(header::CACHE_CONTROL, "max-age=60")], "own page")))
            .route("/form", post(async |body: String| body.len().to_string()))
            .route("/stuck", get(async || pending::<()>().await));
        let readiness = readiness(Readiness::new(tasks.stop().clone()));
        let admin = Admin::new(settings, Metrics::new(BUILD), readiness).with_pages(pages);
        let listening = admin.listen().await.unwrap();
        let address = listening.address();
        tasks.spawn("admin", listening.serve(tasks.stop().clone()));
        Self { address, tasks }
    }

    /// Sends this text and gives back all that comes.
    async fn say(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str, host: &str) -> String {
        let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.say(&text).await
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[tokio::test]
async fn a_living_process_is_healthy_and_shows_its_metrics() {
    let world = World::new(|readiness| readiness).await;
    let health = world.get("/healthz", "localhost").await;
    assert_eq!((status(&health), body(&health)), ("200", "ok\n"));
    let metrics = world.get("/metrics", "localhost:1").await;
    assert!(
        metrics.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{metrics}"
    );
    assert!(body(&metrics).contains("hearth_build_info{program=\"hearth\""));
    assert!(body(&metrics).ends_with("# EOF\n"));
}

#[tokio::test]
async fn only_our_own_names_are_answered() {
    let world = World::new(|readiness| readiness).await;
    let port = world.address.port();
    for good in [
        "localhost".to_owned(),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "LocalHost".to_owned(),
        "ci.example:80".to_owned(),
    ] {
        assert_eq!(status(&world.get("/healthz", &good).await), "200", "{good}");
    }
    for bad in ["evil.example", "localhost.evil.example", "127.0.0.2", "", "a@b@c", "ci.example."] {
        assert_eq!(status(&world.get("/healthz", bad).await), "421", "{bad}");
    }
    for (text, code) in [
        ("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", "421"),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "421"),
        ("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "421"),
        ("GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"),
    ] {
        assert_eq!(status(&world.say(text).await), code, "{text}");
    }
}

#[tokio::test]
async fn every_answer_carries_strict_headers_unless_a_page_chose_its_own() {
    let world = World::new(|readiness| readiness).await;
    for (path, host) in [("/own", "localhost"), ("/nowhere", "localhost"), ("/own", "evil.example")] {
        let answer = world.get(path, host).await;
        for line in [
            "content-security-policy: default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
             object-src 'none'\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            "cross-origin-opener-policy: same-origin\r\n",
            "cross-origin-resource-policy: same-origin\r\n",
        ] {
            assert!(answer.contains(line), "{path} {host}: {line} not in {answer}");
        }
    }
    assert!(world.get("/own", "localhost").await.contains("cache-control: max-age=60\r\n"));
    assert!(world.get("/healthz", "localhost").await.contains("cache-control: no-store\r\n"));
}

#[tokio::test]
async fn readiness_names_each_check_with_its_reason() {
    let world = World::new(|readiness| {
        readiness.with("ledger", async || Ok(())).with("disk", async || Err("3 MiB left".to_owned()))
    })
    .await;
    let answer = world.get("/readyz", "localhost").await;
    assert_eq!(status(&answer), "503");
    assert_eq!(
        body(&answer),
        r#"{"ready":false,"checks":[{"name":"ledger","ready":true},{"name":"disk","ready":false,"reason":"3 MiB left"}]}"#
    );
    let world = World::new(|readiness| readiness.with("ledger", async || Ok(()))).await;
    let answer = world.get("/readyz", "localhost").await;
    assert_eq!(
        (status(&answer), body(&answer)),
        ("200", r#"{"ready":true,"checks":[{"name":"ledger","ready":true}]}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_or_panics_is_not_ready() {
    let world = World::new(|readiness| {
        readiness
            .with("deaf", pending)
            .with("fragile", async || panic!("as the test wants"))
            .with("ledger", async || Ok(()))
    })
    .await;
    assert_eq!(
        body(&world.get("/readyz", "localhost").await),
        r#"{"ready":false,"checks":[{"name":"deaf","ready":false,"reason":"no answer within 2 s"},{"name":"fragile","ready":false,"reason":"no answer within 2 s"},{"name":"ledger","ready":true}]}"#
    );
}

#[tokio::test]
async fn a_stopping_daemon_is_not_ready() {
    let stop = Stop::default();
    stop.signal(15);
    let answer = Readiness::new(stop).answer().await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn slow_pages_slow_clients_and_large_requests_are_cut_off() {
    let world = World::new(|readiness| readiness).await;
    assert_eq!(status(&world.get("/stuck", "localhost").await), "503");
    assert_eq!(world.say("GET /healthz HTTP/1.1\r\nHost: loc").await, "");
    for (length, code) in [(64 << 10, "200"), ((64 << 10) + 1, "413")] {
        let head =
            format!("POST /form HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let answer = world.say(&(head + &"x".repeat(length))).await;
        assert_eq!(status(&answer), code, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_clients_cannot_keep_others_out() {
    let world = World::new(|readiness| readiness).await;
    let mut silent = Vec::new();
    for _ in 0..70 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    let before = tokio::time::Instant::now();
    assert_eq!(status(&world.get("/healthz", "localhost").await), "200");
    let waited = before.elapsed();
    assert!(waited.as_secs() == 10, "only the limit of connections makes us wait: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stop_closes_the_door_and_ends_idle_connections() {
    let world = World::new(|readiness| readiness).await;
    let mut kept = TcpStream::connect(world.address).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    world.tasks.stop().signal(15);
    let deadline = std::time::Duration::from_mins(1);
    assert_eq!(world.tasks.finish(deadline).await, Finish::Orderly);
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn the_network_is_served_only_when_asked_for_and_a_taken_port_is_named() {
    let admin = |listen: SocketAddr, reach| {
        let settings = AdminSettings { listen, reach, names: Vec::new() };
        Admin::new(settings, Metrics::new(BUILD), Readiness::new(Stop::default())).listen()
    };
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    assert_eq!(
        admin(everywhere, Reach::ThisMachine).await.unwrap_err().to_string(),
        "the admin address 0.0.0.0:0 can be reached from other machines and needs no password; \
         choose a loopback address like 127.0.0.1, or allow the network explicitly"
    );
    let taken = admin(everywhere, Reach::Network).await.unwrap().address();
    assert_ne!(taken.port(), 0);
    let first = admin("127.0.0.1:0".parse().unwrap(), Reach::ThisMachine).await.unwrap();
    assert_eq!(
        admin(first.address(), Reach::ThisMachine).await.unwrap_err().to_string(),
        format!("cannot listen on {} for the admin endpoints", first.address())
    );
}
