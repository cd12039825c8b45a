//! The dialect: what sccache asks for is answered as it needs it, and everything else is refused without harm.

use crate::raw::{Raw, status_of};
use crate::world::{World, key, pull_request, trusted};

#[tokio::test]
async fn collections_are_virtual_and_stores_need_no_parents() {
    let world = World::new().await;
    let token = trusted();
    for path in ["", "a/", "team/0/1/2/"] {
        let answer = world.send("PROPFIND", path, &token, b"<propfind/>".to_vec()).await;
        assert_eq!(answer.status, 207, "{path}");
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains(&format!("<D:href>/{path}</D:href>")), "{text}");
        assert!(text.contains("<D:collection/>"), "{text}");
        assert_eq!(world.send("MKCOL", path, &token, Vec::new()).await.status, 201, "{path}");
    }
    assert_eq!(world.put(&key(1), &token, b"object").await, 201);
    assert_eq!(world.get(&format!("/{}", key(1)), &token).await.body, b"object", "two slashes are one");
    let head = world.send("HEAD", &key(1), &token, Vec::new()).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(world.objects(), 1);
    world.stop().await;
}

#[tokio::test]
async fn the_check_object_is_answered_from_memory() {
    let world = World::with(|config| config.budget = hearth_model::Bytes(0)).await;
    let token = trusted();
    for prefix in ["", "team/x/"] {
        let path = format!("{prefix}.sccache_check");
        assert_eq!(world.get(&path, &token).await.body, b"Hello, World!");
        assert_eq!(world.put(&path, &token, b"Hello, World!").await, 201);
        assert_eq!(world.put(&path, &token, &vec![0; 100_000]).await, 413);
    }
    assert_eq!(world.objects(), 0);
    world.stop().await;
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let world = World::new().await;
    let token = trusted();
    world.put(&key(1), &token, b"object").await;
    for method in ["POST", "PATCH", "MOVE", "COPY", "LOCK", "TRACE"] {
        assert_eq!(world.send(method, &key(1), &token, Vec::new()).await.status, 405, "{method}");
    }
    assert_eq!(world.send("OPTIONS", "", &token, Vec::new()).await.status, 200);
    assert_eq!(world.get(&key(1), &token).await.body, b"object");
    world.stop().await;
}

#[tokio::test]
async fn path_tricks_are_misses_and_store_nothing() {
    let world = World::new().await;
    let long = format!("{}/{}", "a".repeat(10_000), key(1));
    for path in [
        format!("../{}", key(1)),
        format!("x/../../{}", key(1)),
        format!("%2e%2e/{}", key(1)),
        format!("%2E%2E%2F{}", key(1)),
        format!("%00/{}", key(1)),
        format!("./{}", key(1)),
        format!("{}?x=1", key(1)),
        "%2egha/entry".to_owned(),
        long,
    ] {
        let token = trusted();
        let head = |method: &str, more: &str| {
            format!("{method} /{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{more}\r\n", token.expose())
        };
        assert_eq!(status_of(&world.address, &head("GET", "")).await, Some(404), "{path:.40}");
        let put = status_of(&world.address, &head("PUT", "Content-Length: 0\r\n")).await;
        assert!(matches!(put, Some(400 | 404)), "{path:.40}: {put:?}");
    }
    assert_eq!(world.objects(), 0);
    world.stop().await;
}

#[tokio::test]
async fn plain_clients_store_find_and_remove_under_any_path() {
    let world = World::new().await;
    let (token, stranger) = (trusted(), pull_request(7));
    for path in ["ac/0123", "ccache/ab/cdef", "gradle/with%20blank", "pi%C3%B1ata", &"a".repeat(1024)] {
        assert_eq!(world.put(path, &token, path.as_bytes()).await, 201, "{path:.40}");
        world.get(path, &token).await.is(path.as_bytes(), path);
        assert_eq!(world.send("DELETE", path, &stranger, Vec::new()).await.status, 404, "{path:.40}");
        world.get(path, &stranger).await.is(path.as_bytes(), path);
        assert_eq!(world.send("DELETE", path, &token, Vec::new()).await.status, 204, "{path:.40}");
        assert_eq!(world.get(path, &token).await.status, 404, "{path:.40}");
        assert_eq!(world.send("DELETE", path, &token, Vec::new()).await.status, 404, "{path:.40}");
    }
    world.put("a/%62", &token, b"one").await;
    world.get("%61/b", &token).await.is(b"one", "however it is spelled");
    assert_eq!(world.send("DELETE", ".sccache_check", &token, Vec::new()).await.status, 405);
    world.stop().await;
}

#[tokio::test]
async fn content_is_stored_only_under_its_own_digest() {
    let world = World::new().await;
    let token = trusted();
    // SHA-256 of `hello`.
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for path in [format!("cas/{digest}"), format!("main/cas/{digest}")] {
        assert_eq!(world.put(&path, &token, b"hullo").await, 400);
        assert_eq!(world.get(&path, &token).await.status, 404);
        assert_eq!(world.put(&path, &token, b"hello").await, 201);
        world.get(&path, &token).await.is(b"hello", &path);
    }
    assert_eq!(world.put(&format!("ac/{digest}"), &token, b"an action's result").await, 201);
    world.stop().await;
}

#[tokio::test]
async fn oversized_and_broken_heads_are_refused() {
    let world = World::new().await;
    let huge = format!("GET /.sccache_check HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    assert_eq!(status_of(&world.address, &huge).await, Some(431));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    assert_eq!(status_of(&world.address, &many).await, Some(431));
    assert_eq!(status_of(&world.address, "GET /a\0b HTTP/1.1\r\n\r\n").await, Some(400));
    assert_eq!(status_of(&world.address, "nonsense\r\n\r\n").await, Some(400));
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_nobody_needs_is_not_waited_for() {
    let world = World::with(|config| config.limits.client_stall = std::time::Duration::from_millis(50)).await;
    let head = "PROPFIND /a/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    let mut raw = Raw::connect(&world.address).await;
    raw.send(head.as_bytes()).await;
    assert_eq!(raw.status().await, Some(207));
    raw.rest().await;
    world.stop().await;
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once() {
    let world = World::with(|config| config.limits.connections = 1).await;
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = Raw::connect(&world.address).await;
    first.send(get.as_bytes()).await;
    assert_eq!(first.status().await, Some(404));
    let mut second = Raw::connect(&world.address).await;
    assert!(second.rest().await.is_empty());
    // The first one is not disturbed.
    first.send(get.as_bytes()).await;
    assert_eq!(first.status().await, Some(404));
    world.stop().await;
}
