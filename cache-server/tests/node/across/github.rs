//! The same people before GitHub's services: entries of the cache by scope, artifacts by run.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Dialect, OTHER_REPOSITORY, Tools, Who, everybody};
use crate::github::{SERVICE, send};
use crate::world::REPOSITORY;

/// One call of GitHub's services, with what the caller shows there.
async fn call(tools: &Tools, who: &Who, method: &str, message: &Value) -> (u16, Value) {
    let mut request = tools.client.post(format!("{}{SERVICE}{method}", tools.url));
    if let Some(shown) = who.coat.as_ref().or(who.shown.as_ref()) {
        request = request.bearer_auth(shown);
    }
    let answer = send(request.header("content-type", "application/json").body(message.to_string())).await;
    (answer.status, answer.json())
}

/// Uploads what a service has given an address for, if it has.
async fn upload(tools: &Tools, created: &Value, body: &str) {
    let Some(url) = created["signed_upload_url"].as_str().filter(|url| !url.is_empty()) else { return };
    let request = tools.client.put(url).header("x-ms-blob-type", "BlockBlob").body(body.to_owned());
    // A conflict is as good: somebody, who was the caller himself, has been here.
    assert!(matches!(send(request).await.status, 201 | 409));
}

/// Stores an entry of GitHub's cache, as far as the caller may.
async fn save(tools: &Tools, who: &Who, key: &str, body: &str) {
    let mut message = json!({ "key": key, "version": "v" });
    let (status, created) = call(tools, who, "CacheService/CreateCacheEntry", &message).await;
    assert_eq!(status == 403, !who.is_somebody, "{}: {status}", who.name);
    upload(tools, &created, body).await;
    message["size_bytes"] = json!(body.len().to_string());
    let (status, _) = call(tools, who, "CacheService/FinalizeCacheEntryUpload", &message).await;
    assert_eq!(status == 403, !who.is_somebody, "{}: {status}", who.name);
}

async fn restore(tools: &Tools, who: &Who, key: &str) -> Option<String> {
    // Both ways to ask: by the whole key, and by the beginning of one.
    let message = json!({ "key": key, "version": "v", "restore_keys": [key] });
    let (status, found) = call(tools, who, "CacheService/GetCacheEntryDownloadURL", &message).await;
    assert_eq!(status, 200, "{}", who.name);
    let url = found["signed_download_url"].as_str().filter(|url| !url.is_empty())?;
    Some(String::from_utf8(send(tools.client.get(url)).await.body).unwrap())
}

#[tokio::test]
async fn nobody_sees_or_changes_through_github_s_cache_what_he_may_not() {
    let (world, tools, everybody) = everybody().await;
    for (n, writer) in everybody.iter().enumerate() {
        let (key, body) = (format!("by-{n}-"), format!("by {}", writer.name));
        save(&tools, writer, &key, &body).await;
        for reader in &everybody {
            let may = reader.sees.contains(&writer.name);
            let seen = restore(&tools, reader, &key).await;
            assert_eq!(seen, may.then(|| body.clone()), "{} reads: {body}", reader.name);
            // Neither does another dialect lead there.
            for through in Dialect::ALL {
                let (status, seen) = through.ask(&tools, reader, "GET", &format!(".gha/v/{key}"), "").await;
                assert!(status >= 400 && !seen.contains(&body), "{} through {through:?}: {status}", reader.name);
            }
        }
    }
    let (trusted, others) = everybody.split_first().unwrap();
    save(&tools, trusted, "late", "what main built").await;
    for attacker in others {
        for key in ["late", "early"] {
            save(&tools, attacker, key, &format!("poison of {}", attacker.name)).await;
        }
    }
    save(&tools, trusted, "early", "what main built").await;
    for reader in everybody.iter().filter(|who| matches!(who.name, "trusted" | "release" | "target" | "person")) {
        for key in ["late", "early"] {
            let seen = restore(&tools, reader, key).await;
            assert_eq!(seen.as_deref(), Some("what main built"), "{} reads {key}", reader.name);
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn nobody_sees_artifacts_of_another_repository() {
    let (world, tools, everybody) = everybody().await;
    // Jobs of one run hand things to each other, whatever each of them may store; all of these are of run 42.
    let repository = |who: &Who| match (&who.coat, who.is_somebody, who.name) {
        (Some(_), true, "other repository") => Some(OTHER_REPOSITORY),
        (Some(_), true, _) => Some(REPOSITORY),
        _ => None,
    };
    let ids = |who: &Who| {
        let payload = who.coat.as_ref().and_then(|coat| coat.split('.').nth(1)).unwrap_or("e30");
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let scopes = payload["scp"].as_str().unwrap_or("Actions.Results:42:1").to_owned();
        let mut parts = scopes.split(':').skip(1).map(str::to_owned);
        json!({ "workflow_run_backend_id": parts.next(), "workflow_job_run_backend_id": parts.next() })
    };
    for (n, writer) in everybody.iter().enumerate() {
        let body = format!("by {}", writer.name);
        let named = |who: &Who| {
            let mut message = ids(who);
            message["name"] = json!(format!("by-{n}"));
            message
        };
        let mut message = named(writer);
        let (status, created) = call(&tools, writer, "ArtifactService/CreateArtifact", &message).await;
        assert_eq!(status == 200, repository(writer).is_some(), "{}: {created}", writer.name);
        upload(&tools, &created, &body).await;
        message["size"] = json!(body.len().to_string());
        let (status, answer) = call(&tools, writer, "ArtifactService/FinalizeArtifact", &message).await;
        assert_eq!(status == 200, repository(writer).is_some(), "{}: {answer}", writer.name);
        for reader in &everybody {
            let may = repository(reader).is_some() && repository(reader) == repository(writer);
            let (_, signed) = call(&tools, reader, "ArtifactService/GetSignedArtifactURL", &named(reader)).await;
            let seen = match signed["signed_url"].as_str() {
                Some(url) => Some(String::from_utf8(send(tools.client.get(url)).await.body).unwrap()),
                None => None,
            };
            assert_eq!(seen, may.then(|| body.clone()), "{} reads: {body}", reader.name);
            // Whoever names the maker's run as his own is not of it.
            if !may && repository(writer).is_some() {
                let (status, _) = call(&tools, reader, "ArtifactService/DeleteArtifact", &named(writer)).await;
                assert!(matches!(status, 403 | 404), "{}: {status}", reader.name);
            }
        }
    }
    world.stop().await;
}
