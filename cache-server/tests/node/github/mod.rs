//! GitHub's services byte for byte, and with GitHub's own clients.

mod artifacts;
mod clients;
mod entries;
mod messages;
mod rights;
mod uploads;

use hearth_trust::{Claims, Class, RuntimeToken};
use serde_json::{Value, json};

use crate::world::{NOW, World, claims, signer};

pub(crate) const SERVICE: &str = "twirp/github.actions.results.api.v1.";

/// A job as GitHub's clients see one: it shows its runtime token.
pub(crate) struct Job {
    claims: Claims,
    pub(crate) shown: String,
}

impl Job {
    fn new(reads: &[&str], writes: Option<&str>, run: u64) -> Self {
        Self::of(Claims { run: Some(run), class: Class::Branch, ..claims(reads, writes) })
    }

    pub(crate) fn of(claims: Claims) -> Self {
        let shown = RuntimeToken::around(&signer().sign(&claims), &claims, NOW).expose().to_owned();
        Self { claims, shown }
    }

    fn ids(&self) -> Value {
        json!({
            "workflow_run_backend_id": self.claims.run_backend(),
            "workflow_job_run_backend_id": self.claims.execution,
        })
    }
}

fn trusted() -> Job {
    Job::new(&["trusted"], Some("trusted"), 1)
}

fn pull_request(number: u64) -> Job {
    let own = format!("pr/{number}");
    Job::new(&[&own, "branch/next", "trusted"], Some(&own), 100 + number)
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status, and the error's code in Twirp's or Azure's words.
    fn error(&self) -> (u16, String) {
        let azure = self.headers.get("x-ms-error-code").map(|code| code.to_str().unwrap().to_owned());
        (self.status, azure.unwrap_or_else(|| self.json()["code"].as_str().unwrap_or_default().to_owned()))
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Reply {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Reply { status, headers, body: answer.bytes().await.unwrap().to_vec() }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn call(world: &World, shown: &str, method: &str, message: &Value) -> Reply {
    let url = format!("{}{SERVICE}{method}", world.url());
    let request = client().post(url).bearer_auth(shown).header("content-type", "application/json");
    send(request.body(message.to_string())).await
}

pub(crate) async fn put(url: &str, body: Vec<u8>) -> Reply {
    send(client().put(url).header("x-ms-blob-type", "BlockBlob").header("content-length", body.len()).body(body)).await
}

async fn get(url: &str) -> Reply {
    send(client().get(url)).await
}

fn entry(key: &str) -> Value {
    json!({ "key": key, "version": "v" })
}

/// The address to upload an entry to.
async fn create(world: &World, job: &Job, key: &str) -> String {
    let answer = call(world, &job.shown, "CacheService/CreateCacheEntry", &entry(key)).await;
    assert_eq!((answer.status, &answer.json()["ok"]), (200, &json!(true)), "{key}: {}", answer.json());
    answer.json()["signed_upload_url"].as_str().unwrap().to_owned()
}

async fn finalize(world: &World, job: &Job, key: &str, size: usize) -> Reply {
    let message = json!({ "key": key, "version": "v", "size_bytes": size.to_string() });
    call(world, &job.shown, "CacheService/FinalizeCacheEntryUpload", &message).await
}

async fn save(world: &World, job: &Job, key: &str, bytes: &[u8]) {
    let url = create(world, job, key).await;
    assert_eq!(put(&url, bytes.to_vec()).await.status, 201);
    let answer = finalize(world, job, key, bytes.len()).await;
    assert_eq!((answer.status, &answer.json()["ok"]), (200, &json!(true)), "{key}");
    // The index orders entries by the second.
    world.clock.advance(std::time::Duration::from_secs(1));
}

/// Which key was found, and its bytes.
async fn restore(world: &World, shown: &str, key: &str, restore_keys: &[&str]) -> Option<(String, Vec<u8>)> {
    let message = json!({ "key": key, "restore_keys": restore_keys, "version": "v" });
    let answer = call(world, shown, "CacheService/GetCacheEntryDownloadURL", &message).await;
    assert_eq!(answer.status, 200, "{key}");
    let answer = answer.json();
    if answer["ok"] == json!(false) {
        return None;
    }
    let found = get(answer["signed_download_url"].as_str().unwrap()).await;
    assert_eq!(found.status, 200);
    Some((answer["matched_key"].as_str().unwrap().to_owned(), found.body))
}
