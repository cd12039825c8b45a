//! Who may read and write which entry, with a token and with an address that was handed out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_model::Millis;
use hearth_trust::{Claims, Signer, Token};
use serde_json::{Value, json};

use super::{
    Job, SERVICE, call, client, create, entry, finalize, get, pull_request, put, restore, save, send, trusted,
};
use crate::world::{NOW, World, body, signer};
#[tokio::test]
async fn scopes_hold_and_what_a_request_claims_of_them_is_nothing() {
    let world = World::new().await;
    save(&world, &trusted(), "k-main", b"main").await;
    save(&world, &pull_request(7), "k-pr", b"pr").await;
    let claimed = json!({
        "key": "k-pr", "version": "v",
        "metadata": { "repository_id": "1", "scope": [{ "scope": "pr/7", "permission": "3" }] },
    });
    for shown in [trusted().shown, pull_request(8).shown] {
        let answer = call(&world, &shown, "CacheService/GetCacheEntryDownloadURL", &claimed).await;
        assert_eq!(answer.json()["ok"], json!(false));
        assert_eq!(restore(&world, &shown, "k-", &[]).await.unwrap().0, "k-main");
    }
    // Its own comes first, then the rest of what it reads, in order.
    assert_eq!(restore(&world, &pull_request(7).shown, "k-", &[]).await.unwrap().0, "k-pr");
    assert_eq!(restore(&world, &pull_request(7).shown, "k-main", &[]).await.unwrap().1, b"main");
    let elsewhere = Job::of(Claims { repository: "github.com/acme/other".to_owned(), ..trusted().claims });
    assert_eq!(restore(&world, &elsewhere.shown, "k-", &["k"]).await, None);
    // What a pull request stores under a trusted key is its own.
    save(&world, &pull_request(7), "k-main", b"poison").await;
    assert_eq!(restore(&world, &trusted().shown, "k-main", &[]).await.unwrap().1, b"main");
    world.stop().await;
}

#[tokio::test]
async fn who_may_not_write_is_let_alone() {
    let world = World::new().await;
    let reader = Job::new(&["trusted"], None, 1);
    let answer = call(&world, &reader.shown, "CacheService/CreateCacheEntry", &entry("k")).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "ok": false, "signed_upload_url": "", "message": "" })));
    // sccache takes that for an error, so who speaks protobuf gets an address at which everything is well.
    let url = format!("{}{SERVICE}CacheService/CreateCacheEntry", world.url());
    let request = client().post(url).bearer_auth(&reader.shown).header("content-type", "application/protobuf");
    let answer = send(request.body(&b"\x12\x01k\x1a\x01v"[..])).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/protobuf".parse().unwrap()));
    let at = answer.body.windows(7).position(|bytes| bytes == b"http://").unwrap();
    let url = String::from_utf8(answer.body[at..].to_vec()).unwrap();
    assert_eq!(put(&url, body(1, 100_000)).await.status, 201);
    assert_eq!(finalize(&world, &reader, "k", 100_000).await.json()["ok"], json!(true));
    assert_eq!(restore(&world, &trusted().shown, "k", &[]).await, None);
    let status = world.node.status();
    assert_eq!((status.discarded, status.stored, status.objects), (2, 0, 0));
    world.stop().await;
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_token() {
    let world = World::new().await;
    let job = trusted();
    save(&world, &job, "k", b"secret").await;
    let coat = |header: &str, payload: &Value, signature: &str| {
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload.to_string()))
    };
    let forge = |payload: &Value| coat(r#"{"alg":"none"}"#, payload, "");
    let wide = json!({
        "scp": "Actions.Results:1:1", "ac": "[{\"Scope\":\"trusted\",\"Permission\":3}]", "exp": 9_999_999_999u64,
        "repository_id": "1",
    });
    let stranger = Signer::from_key([1; 32]).sign(&job.claims);
    let expired = signer().sign(&Claims { expires_at: NOW, ..job.claims.clone() });
    let carrying = |token: &Token| {
        let mut payload = wide.clone();
        payload["hearth"] = json!(token.expose());
        forge(&payload)
    };
    for shown in [String::new(), "x".to_owned(), forge(&wide), carrying(&stranger), carrying(&expired)] {
        assert_eq!(restore(&world, &shown, "k", &["k"]).await, None, "{shown:.30}");
        for method in ["CacheService/CreateCacheEntry", "CacheService/FinalizeCacheEntryUpload"] {
            let answer = call(&world, &shown, method, &entry("new")).await;
            assert_eq!(answer.error(), (403, "permission_denied".to_owned()), "{shown:.30}");
        }
        for method in ["CreateArtifact", "FinalizeArtifact", "ListArtifacts", "GetSignedArtifactURL", "DeleteArtifact"]
        {
            let answer = call(&world, &shown, &format!("ArtifactService/{method}"), &job.ids()).await;
            assert_eq!(answer.error(), (403, "permission_denied".to_owned()), "{method} {shown:.30}");
        }
    }
    // A pull request in a coat that says more is a pull request.
    let mut payload = wide.clone();
    payload["hearth"] = json!(signer().sign(&pull_request(7).claims).expose());
    save(&world, &Job { shown: forge(&payload), ..pull_request(7) }, "mine", b"x").await;
    assert_eq!(restore(&world, &job.shown, "mine", &[]).await, None);
    world.stop().await;
}

#[tokio::test]
async fn an_address_is_good_for_what_it_was_made_for_and_for_an_hour() {
    let world = World::new().await;
    let job = Job::of(Claims { expires_at: NOW + Millis::from_minutes(600), ..trusted().claims });
    save(&world, &job, "k", b"bytes").await;
    let answer = call(&world, &job.shown, "CacheService/GetCacheEntryDownloadURL", &entry("k")).await.json();
    let down = answer["signed_download_url"].as_str().unwrap().to_owned();
    let up = create(&world, &job, "new").await;
    let denied = (403, "AuthenticationFailed".to_owned());
    let (path, query) = up.split_once('?').unwrap();
    let errand = path.rsplit('/').next().unwrap();
    let other = String::from_utf8(URL_SAFE_NO_PAD.decode(errand).unwrap()).unwrap().replace("v/new", "v/own");
    for forged in [
        up.replace("sig=", "sig=A"),
        up.replace("sp=w", "sp=r"),
        up.replace("se=", "se=9"),
        up.replace("/.gha/", "/.artifacts/"),
        format!("{up}&sp=w"),
        path.to_owned(),
        format!("{}?{query}", path.replace(errand, &URL_SAFE_NO_PAD.encode(other))),
        format!("{path}?{}", down.split_once('?').unwrap().1),
    ] {
        assert_eq!(put(&forged, b"poison".to_vec()).await.error(), denied, "{forged}");
    }
    assert_eq!(get(&up).await.status, 405, "an upload is no download");
    assert_eq!(put(&up, b"good".to_vec()).await.status, 201);
    assert_eq!(get(&down).await.body, b"bytes");
    world.clock.advance(std::time::Duration::from_mins(61));
    assert_eq!(get(&down).await.error(), denied);
    assert_eq!(put(&up, b"late".to_vec()).await.error(), denied);
    assert_eq!(world.node.status().refused, 0, "who comes with an address needs no token");
    world.stop().await;
}
