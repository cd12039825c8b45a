//! S3 as its clients speak it: boto3 as it is.

use std::process::Command;

use hearth_model::{Bytes, Clock, Millis};
use hearth_trust::Claims;

use crate::environment::{for_builds, python_with, skip};
use crate::world::{World, s3_keys, signer};

const BOTO3: &str = include_str!("s3_clients.py");

#[tokio::test(flavor = "multi_thread")]
async fn boto3_finds_all_that_it_asks_for() {
    let Some(python) = python_with("boto3") else { return skip("no python3 has boto3") };
    // Room for uploads in parts, which may take a quarter of it, and one writer half of that.
    let world = World::of_now(|config| config.budget = Bytes::gib(1)).await;
    let writer = world.job(&["trusted"], "trusted");
    let pull = world.job(&["pr/7", "trusted"], "pr/7");
    let other = Claims { repository: "github.com/acme/other".to_owned(), ..writer.clone() };
    let expired = Claims { expires_at: world.clock.now() - Millis(1), ..writer.clone() };
    let mut command = Command::new(python);
    command.env_clear().envs(for_builds()).args(["-c", BOTO3, &world.url(), "bucket"]);
    for claims in [writer, pull, other, expired] {
        command.args(s3_keys(&signer().sign(&claims)));
    }
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    world.stop().await;
}
