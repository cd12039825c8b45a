//! GitHub's own clients, unmodified: `@actions/cache` and `@actions/artifact` in a Node.js of this machine, and the
//! sccache that is on it, which speaks the same service in protobuf.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hearth_model::{Bytes, ExecutionId};
use hearth_trust::{Claims, Class, RuntimeToken};
use serde_json::{Value, json};

use crate::environment::{actions_clients, for_builds, on_path, sccache, skip};
use crate::sccache::{Build, CRATES, Storage};
use crate::world::{NOW, World, claims, signer};

const MIB: u64 = 1024 * 1024;

/// A job's runtime token.
fn token(reads: &[&str], writes: Option<&str>, run: u64) -> String {
    let execution = ExecutionId::new(NOW);
    let claims = Claims { execution, run: Some(run), class: Class::Branch, ..claims(reads, writes) };
    RuntimeToken::around(&signer().sign(&claims), &claims, NOW).expose().to_owned()
}

/// What an action finds in its environment.
fn environment(world: &World, dir: &Path) -> Vec<(&'static str, String)> {
    let dir = dir.to_str().unwrap().to_owned();
    vec![
        ("ACTIONS_RESULTS_URL", world.url()),
        ("ACTIONS_CACHE_SERVICE_V2", "true".to_owned()),
        ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
        ("GITHUB_WORKSPACE", dir.clone()),
        ("RUNNER_TEMP", dir),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ]
}

/// Has GitHub's clients take these steps, and returns what came of each.
fn drive(world: &World, clients: &Path, dir: &Path, steps: &Value) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/github/actions.mjs");
    let (input, output) = (dir.join("steps"), dir.join("results"));
    std::fs::write(&input, steps.to_string()).unwrap();
    // The clients talk on their standard output; results go their own way.
    let mut command = Command::new("sh");
    command.args(["-c", "exec node \"$1\" 3>\"$2\"", "sh"]).arg(script).arg(&output);
    command.current_dir(dir).env_clear().envs(for_builds()).envs(environment(world, dir));
    command.env("ACTIONS_CLIENTS", clients).stdin(std::fs::File::open(input).unwrap());
    // The clients block; the node goes on beside them.
    let said = tokio::task::block_in_place(|| succeed(&mut command));
    let results = std::fs::read_to_string(output).unwrap();
    let results: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(results.len(), steps.as_array().unwrap().len(), "{}", String::from_utf8_lossy(&said.stdout));
    results
}

fn succeed(command: &mut Command) -> Output {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", text(&output.stdout), text(&output.stderr));
    output
}

fn clients() -> Option<PathBuf> {
    let clients = actions_clients().filter(|_| on_path("node").is_some());
    if clients.is_none() {
        skip("there is no node on the path, or HEARTH_TEST_ACTIONS names no directory with GitHub's clients");
    }
    clients
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_cache_saves_and_restores() {
    let Some(clients) = clients() else { return };
    // One archive is too big for one request.
    let world = World::with(|config| config.budget = Bytes::gib(4)).await;
    let dir = tempfile::tempdir().unwrap();
    let main = token(&["trusted"], Some("trusted"), 1);
    let pr = token(&["pr/7", "trusted"], Some("pr/7"), 2);
    let branch = token(&["branch/x", "trusted"], Some("branch/x"), 3);
    let reader = token(&["trusted"], None, 4);
    let save = |token: &str, key: &str| json!({ "step": "save", "token": token, "key": key, "file": "target/a", "length": 100_000 });
    let restore = |token: &str, key: &str, restore_keys: &[&str]| json!({ "step": "restore", "token": token, "key": key, "file": "target/a", "restoreKeys": restore_keys });
    let first = json!([
        save(&main, "cargo-1"),
        save(&main, "cargo-1"),
        save(&pr, "cargo-pr"),
        save(&reader, "cargo-reader"),
        restore(&main, "cargo-1", &[]),
        restore(&pr, "nothing", &["cargo-p", "cargo-"]),
        restore(&main, "cargo-pr", &[]),
        restore(&branch, "cargo-pr", &["npm-"]),
        restore(&branch, "x", &["npm-", "cargo-"]),
        restore(&main, "cargo-reader", &[]),
    ]);
    let results = drive(&world, &clients, dir.path(), &first);
    let (one, own) = (&results[0]["digest"], &results[2]["digest"]);
    let saved: Vec<bool> = results[..4].iter().map(|result| result["saved"] == json!(true)).collect();
    assert_eq!(saved, [true, false, true, false], "entries do not change; who may not write is told nothing worse");
    let hit = |key: &str, digest: &Value| json!({ "hit": key, "digest": digest });
    let miss = json!({ "hit": null, "digest": null });
    assert_eq!(results[4], hit("cargo-1", one));
    assert_eq!(results[5], hit("cargo-pr", own));
    assert_eq!(results[6..8], [miss.clone(), miss.clone()], "a pull request's entry is its own");
    assert_eq!(results[8], hit("cargo-1", one));
    assert_eq!(results[9], miss);

    world.clock.advance(std::time::Duration::from_secs(5));
    let mut big = save(&main, "cargo-2");
    big["length"] = json!(130 * MIB);
    let second = json!([big, restore(&main, "cargo-", &[])]);
    let results = drive(&world, &clients, dir.path(), &second);
    assert_eq!(results[1], hit("cargo-2", &results[0]["digest"]), "the newest, in blocks");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_artifact_hands_files_from_job_to_job() {
    let Some(clients) = clients() else { return };
    let world = World::with(|config| config.budget = Bytes::gib(4)).await;
    let dir = tempfile::tempdir().unwrap();
    let maker = token(&["trusted"], None, 1);
    let other_job = token(&["trusted"], Some("trusted"), 1);
    let other_run = token(&["trusted"], Some("trusted"), 2);
    let upload = |name: &str, length: u64| json!({ "step": "upload", "token": maker, "name": name, "length": length, "retentionDays": 1 });
    let one = |step: &str, token: &str, name: &str| json!({ "step": step, "token": token, "name": name });
    let steps = json!([
        upload("small", 1000),
        upload("big", 50 * MIB),
        upload("small", 5),
        one("list", &other_job, ""),
        one("list", &other_run, ""),
        one("download", &other_job, "small"),
        one("download", &other_job, "big"),
        one("download", &other_run, "small"),
        one("delete", &other_job, "small"),
        one("download", &other_job, "small"),
        upload("small", 2000),
        one("download", &other_job, "small"),
    ]);
    let results = drive(&world, &clients, dir.path(), &steps);
    assert!(results[2]["failed"].as_str().unwrap().contains("already"), "{}", results[2]);
    assert_eq!(results[3], json!({ "names": ["big", "small"], "digests": true }));
    assert_eq!(results[4]["names"], json!([]), "another run");
    for (made, found) in [(0, 5), (1, 6), (10, 11)] {
        let expected = json!({
            "id": results[made]["id"], "digest": results[made]["digest"], "digestMismatch": false,
        });
        assert_eq!(results[found], expected);
    }
    for absent in [7, 9] {
        assert!(results[absent]["failed"].as_str().unwrap().contains("not found"), "{}", results[absent]);
    }
    assert_eq!(results[8]["id"], results[0]["id"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sccache_stores_and_finds_through_the_cache_service() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let world = World::new().await;
    let build = Build::new(sccache);
    let compile = |token: String| {
        let storage = Storage::Gha { url: world.url(), token };
        tokio::task::block_in_place(|| build.build_anew(&storage).counted)
    };
    let main = || token(&["trusted"], Some("trusted"), 1);
    let (misses, hits) = ([0, CRATES, 0], [CRATES, 0, 0]);
    assert_eq!(compile(token(&["trusted"], None, 3)), misses, "a reader is told of no error");
    assert_eq!(compile(token(&["pr/7", "trusted"], Some("pr/7"), 2)), misses, "what he wrote is nowhere");
    assert_eq!(compile(main()), misses, "what a pull request wrote is its own");
    assert_eq!(compile(main()), hits);
    assert_eq!(compile(token(&["pr/8", "trusted"], Some("pr/8"), 4)), hits);
    let status = world.node.status();
    assert_eq!((status.stored, status.discarded, status.objects), (2 * CRATES, CRATES, 2 * CRATES));
    world.stop().await;
}
