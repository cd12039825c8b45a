//! What somebody without a good token gets: no object, no place to write, and no answer that fails a build.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_model::{Millis, Scope};
use hearth_trust::{Claims, Signer};

use crate::raw::status_of;
use crate::world::{NOW, World, claims, key, send, signer, trusted};

#[tokio::test]
async fn without_a_good_token_a_read_is_a_miss_and_a_write_is_refused() {
    let world = World::new().await;
    world.put(&key(1), &trusted(), b"secret").await;
    let good = trusted();
    let mut truncated = good.expose().to_owned();
    truncated.pop();
    let forged = Signer::from_key([1; 32]).sign(&claims(&["trusted"], Some("trusted")));
    let expired = signer().sign(&Claims { expires_at: NOW, ..claims(&["trusted"], Some("trusted")) });
    let secrets = ["", "x", &truncated, &format!("{}A", good.expose()), forged.expose(), expired.expose()];
    for secret in secrets {
        let ask = |method: &'static str, path: String| {
            let url = world.url();
            async move { send(&url, method, &path, secret, b"poison".to_vec()).await }
        };
        let read = ask("GET", key(1)).await;
        assert_eq!((read.status, read.body.len()), (404, 0), "{secret}");
        assert_eq!(ask("HEAD", key(1)).await.status, 404, "{secret}");
        assert_eq!(ask("PUT", key(2)).await.status, 403, "{secret}");
        assert_eq!(ask("GET", ".sccache_check".to_owned()).await.status, 404, "{secret}");
        assert_eq!(ask("PUT", ".sccache_check".to_owned()).await.status, 403, "{secret}");
        assert_eq!(ask("PROPFIND", "a/b/".to_owned()).await.status, 207, "{secret}");
    }
    assert_eq!(world.get(&key(2), &good).await.status, 404);
    assert_eq!(world.objects(), 1);
    assert_eq!(world.node.status().refused, 6 * secrets.len() as u64);
    world.stop().await;
}

#[tokio::test]
async fn a_token_ends_while_its_connection_is_open() {
    let world = World::new().await;
    let short =
        signer().sign(&Claims { expires_at: NOW + Millis::from_secs(1), ..claims(&["trusted"], Some("trusted")) });
    let mut raw = crate::raw::Raw::connect(&world.address).await;
    let get = format!("GET /.sccache_check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", short.expose());
    raw.send(get.as_bytes()).await;
    assert_eq!(raw.status().await, Some(200));
    assert_eq!(raw.take(13).await, b"Hello, World!");
    world.clock.advance(std::time::Duration::from_secs(1));
    raw.send(get.as_bytes()).await;
    assert_eq!(raw.status().await, Some(404));
    world.stop().await;
}

#[tokio::test]
async fn a_token_of_another_scope_reads_nothing_of_this_one() {
    let world = World::new().await;
    let branch = signer().sign(&claims(&["branch/x", "trusted"], Some("branch/x")));
    world.put(&key(1), &branch, b"branch").await;
    // A branch whose name looks like another scope's.
    for scope in [Scope::Branch("branch/x".to_owned()), Scope::Branch("x/".to_owned()), Scope::PullRequest(0)] {
        let reads = [scope.to_string(), "trusted".to_owned()];
        let reads: Vec<&str> = reads.iter().map(String::as_str).collect();
        let token = signer().sign(&claims(&reads, None));
        assert_eq!(world.get(&key(1), &token).await.status, 404, "{scope}");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_password_of_basic_authorization_is_a_token() {
    let world = World::new().await;
    let pair = STANDARD.encode(format!("anybody:{}", trusted().expose()));
    let head = format!("GET /.sccache_check HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\n\r\n");
    assert_eq!(status_of(&world.address, &head).await, Some(200));
    world.stop().await;
}
