//! S3 as its clients speak it: boto3 and sccache as they are, and requests that no client would send.

use std::process::Command;

use hearth_host::clock::SystemClock;
use hearth_model::{Bytes, Clock, ManualClock, Millis};
use hearth_trust::{Claims, Token};

use crate::environment::{for_builds, python_with, sccache, skip};
use crate::sccache::{Build, CRATES, Storage};
use crate::world::{World, claims, signer};

const BOTO3: &str = include_str!("s3_clients.py");

/// A node whose clock shows the time that clients sign with.
async fn world_of_now() -> (World, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemClock::default().now();
    // Room for uploads in parts, which may take a quarter of it, and one writer half of that.
    let change = |config: &mut hearth_cache_server::NodeConfig| config.budget = Bytes::gib(1);
    (World::at(&dir.path().join("cache"), ManualClock::at(now), change).await, dir)
}

/// An access key id and its secret.
fn keys(token: &Token) -> [String; 2] {
    [token.expose().to_owned(), signer().s3_secret(token.expose()).to_string()]
}

fn job(world: &World, reads: &[&str], writes: &str) -> Claims {
    Claims { expires_at: world.clock.now() + Millis::from_minutes(60), ..claims(reads, Some(writes)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_finds_all_that_it_asks_for() {
    let Some(python) = python_with("boto3") else { return skip("no python3 has boto3") };
    let (world, _dir) = world_of_now().await;
    let writer = job(&world, &["trusted"], "trusted");
    let pull = job(&world, &["pr/7", "trusted"], "pr/7");
    let other = Claims { repository: "github.com/acme/other".to_owned(), ..writer.clone() };
    let expired = Claims { expires_at: world.clock.now() - Millis(1), ..writer.clone() };
    let mut command = Command::new(python);
    command.env_clear().envs(for_builds()).args(["-c", BOTO3, &world.url(), "bucket"]);
    for claims in [writer, pull, other, expired] {
        command.args(keys(&signer().sign(&claims)));
    }
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sccache_asks_once_for_each_read_and_each_store() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let (world, _dir) = world_of_now().await;
    let [id, secret] = keys(&signer().sign(&job(&world, &["pr/7", "trusted"], "pr/7")));
    let (build, storage) = (Build::new(sccache), Storage::S3 { url: world.url(), id, secret });
    let (cold, after_cold, warm, after_warm) = tokio::task::block_in_place(|| {
        let (cold, after_cold) = (build.build_anew(&storage).counted, world.node.status());
        (cold, after_cold, build.build_anew(&storage).counted, world.node.status())
    });
    assert_eq!(cold, [0, CRATES, 0], "hits, misses, write errors of the cold build");
    assert_eq!(warm, [CRATES, 0, 0], "hits, misses, write errors of the warm build");
    assert_eq!((after_cold.hits, after_cold.misses, after_cold.puts, after_cold.stored), (0, CRATES, CRATES, CRATES));
    assert_eq!((after_warm.hits, after_warm.misses, after_warm.puts), (CRATES, CRATES, CRATES));
    assert_eq!(after_warm.refused, 0);
    world.stop().await;
}
