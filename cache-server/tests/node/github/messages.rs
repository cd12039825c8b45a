//! Messages that no honest client sends.

use serde_json::json;

use super::{SERVICE, call, client, entry, send, trusted};
use crate::world::World;
#[tokio::test]
async fn bad_messages_get_a_clear_answer_and_change_nothing() {
    let world = World::new().await;
    let job = trusted();
    let long = "k".repeat(513);
    for key in ["", "a,b", "a\0b", "a\nb", &long] {
        for method in ["CreateCacheEntry", "FinalizeCacheEntryUpload", "GetCacheEntryDownloadURL"] {
            let answer = call(&world, &job.shown, &format!("CacheService/{method}"), &entry(key)).await;
            assert_eq!(answer.error(), (400, "invalid_argument".to_owned()), "{method} {key:.10}");
        }
    }
    let many = json!({ "key": "k", "version": "v", "restore_keys": vec!["r"; 1000] });
    let answer = call(&world, &job.shown, "CacheService/GetCacheEntryDownloadURL", &many).await;
    assert_eq!(answer.error(), (400, "invalid_argument".to_owned()));
    let negative = json!({ "key": "k", "version": "v", "size_bytes": "-1" });
    let answer = call(&world, &job.shown, "CacheService/FinalizeCacheEntryUpload", &negative).await;
    assert_eq!(answer.error(), (400, "invalid_argument".to_owned()));
    let url = |method: &str| format!("{}{SERVICE}{method}", world.url());
    let post = |url: String, kind: &str, body: Vec<u8>| {
        send(client().post(url).bearer_auth(&job.shown).header("content-type", kind).body(body))
    };
    let create = "CacheService/CreateCacheEntry";
    for (kind, bytes) in [
        ("application/json", b"{".to_vec()),
        ("application/json", vec![b'['; 60_000]),
        ("application/json", vec![b' '; 1_000_000]),
        ("application/protobuf", vec![0xff; 60_000]),
        ("application/protobuf", vec![0; 1_000_000]),
    ] {
        let answer = post(url(create), kind, bytes).await;
        assert_eq!(answer.error(), (400, "malformed".to_owned()), "{kind}");
    }
    for (method, kind) in [
        (create, "text/plain"),
        ("CacheService/DropAll", "application/json"),
        ("OtherService/X", "application/json"),
        ("", "application/json"),
        ("ArtifactService/ListArtifacts", "application/protobuf"),
    ] {
        assert_eq!(post(url(method), kind, b"{}".to_vec()).await.error(), (404, "bad_route".to_owned()), "{method}");
    }
    assert_eq!(world.node.status().objects, 0);
    world.stop().await;
}
