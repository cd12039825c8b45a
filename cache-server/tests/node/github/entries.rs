//! Entries of the cache: found by key and by prefix, whole and in part, and never changed.

use serde_json::json;

use super::{Job, call, client, create, entry, finalize, put, restore, save, send, trusted};
use crate::world::{World, body};
#[tokio::test]
async fn an_entry_is_found_by_key_by_prefix_and_by_restore_key_and_the_newest_wins() {
    let world = World::new().await;
    let job = trusted();
    for (key, bytes) in [("cargo-1", "one"), ("cargo-2", "two"), ("cargo-2-old", "older"), ("npm-1", "npm")] {
        save(&world, &job, key, bytes.as_bytes()).await;
    }
    let found = |key: &str, bytes: &str| Some((key.to_owned(), bytes.as_bytes().to_vec()));
    assert_eq!(restore(&world, &job.shown, "cargo-1", &[]).await, found("cargo-1", "one"));
    assert_eq!(restore(&world, &job.shown, "cargo-", &[]).await, found("cargo-2-old", "older"), "newest below the key");
    assert_eq!(restore(&world, &job.shown, "x", &["y", "cargo-2", "npm-"]).await, found("cargo-2-old", "older"));
    assert_eq!(restore(&world, &job.shown, "x", &["npm-", "cargo-"]).await, found("npm-1", "npm"), "keys in order");
    assert_eq!(restore(&world, &job.shown, "x", &["y"]).await, None);
    let other_version = json!({ "key": "cargo-1", "version": "w" });
    let answer = call(&world, &job.shown, "CacheService/GetCacheEntryDownloadURL", &other_version).await;
    assert_eq!(answer.json()["ok"], json!(false), "versions are equal or nothing");
    // An old one again: newest is by time, not by order of the alphabet.
    save(&world, &job, "cargo-0", b"zero").await;
    assert_eq!(restore(&world, &job.shown, "cargo-", &[]).await, found("cargo-0", "zero"));
    world.stop().await;
}

#[tokio::test]
async fn an_entry_does_not_change() {
    let world = World::new().await;
    let job = trusted();
    let first = create(&world, &job, "k").await;
    let same_job_again = create(&world, &job, "k").await;
    let other_job = trusted();
    let late = create(&world, &other_job, "k").await;
    assert_eq!(put(&first, b"first".to_vec()).await.status, 201);
    assert_eq!(put(&late, b"late!".to_vec()).await.status, 201);
    assert_eq!(finalize(&world, &job, "k", 5).await.status, 200);
    // Who asks again because the answer was lost is told the same; the address is worth nothing any more.
    assert_eq!(finalize(&world, &job, "k", 5).await.status, 200);
    for replayed in [&first, &same_job_again, &late, &format!("{first}&comp=block&blockid=AQ%3D%3D")] {
        assert_eq!(put(replayed, b"again".to_vec()).await.error(), (409, "BlobAlreadyExists".to_owned()));
    }
    let answer = call(&world, &job.shown, "CacheService/CreateCacheEntry", &entry("k")).await;
    assert_eq!(answer.error(), (409, "already_exists".to_owned()));
    // Two jobs at once: the first one wins, and the second one is not told that anything is wrong.
    assert_eq!(finalize(&world, &other_job, "k", 5).await.json()["ok"], json!(true));
    assert_eq!(restore(&world, &job.shown, "k", &[]).await, Some(("k".to_owned(), b"first".to_vec())));
    assert_eq!(world.node.status().divergent, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_part_of_an_entry_can_be_asked_for() {
    let world = World::new().await;
    let job = trusted();
    let bytes = body(1, 200_000);
    save(&world, &job, "k", &bytes).await;
    let answer = call(&world, &job.shown, "CacheService/GetCacheEntryDownloadURL", &entry("k")).await.json();
    let url = answer["signed_download_url"].as_str().unwrap();
    for (header, range) in [("bytes=0-0", 0..1), ("bytes=100000-", 100_000..200_000), ("bytes=-5", 199_995..200_000)] {
        let part = send(client().get(url).header("range", header)).await;
        assert_eq!((part.status, part.body.as_slice()), (206, &bytes[range.clone()]), "{header}");
        let expected = format!("bytes {}-{}/200000", range.start, range.end - 1);
        assert_eq!(part.headers["content-range"], expected.as_str());
    }
    let behind = send(client().get(url).header("x-ms-range", "bytes=200000-")).await;
    assert_eq!(behind.error(), (416, "InvalidRange".to_owned()));
    let head = send(client().head(url)).await;
    assert_eq!((head.status, head.body.len(), &head.headers["content-length"]), (200, 0, &"200000".parse().unwrap()));
    assert_eq!(put(url, b"x".to_vec()).await.status, 405);
    world.stop().await;
}

#[tokio::test]
async fn the_check_of_sccache_is_always_there() {
    let world = World::new().await;
    for job in [trusted(), Job::new(&["trusted"], None, 1)] {
        let check = "sccache/.sccache_check";
        let (key, bytes) = restore(&world, &job.shown, check, &[]).await.unwrap();
        assert_eq!((key.as_str(), bytes.as_slice()), (check, &b"Hello, World!"[..]));
        // Not a refusal to sccache: it may write.
        let answer = call(&world, &job.shown, "CacheService/CreateCacheEntry", &entry(check)).await;
        assert_eq!(answer.error(), (409, "already_exists".to_owned()));
    }
    assert_eq!(restore(&world, "nobody", "sccache/.sccache_check", &[]).await, None, "a miss, and no error");
    assert_eq!(world.node.status().objects, 0);
    world.stop().await;
}
