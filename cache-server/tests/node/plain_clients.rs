//! Clients that speak plain HTTP: the ccache of this machine, and what Gradle and Bazel say on the wire.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_trust::Token;

use crate::environment::{for_builds, on_path, skip};
use crate::raw::Raw;
use crate::world::{World, body, pull_request, trusted};

struct Ccache {
    dir: tempfile::TempDir,
    storage: String,
}

impl Ccache {
    /// A machine of its own: nothing in its local cache, everything in the node.
    fn new(world: &World, token: &Token) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("one.c"), "int one(void) { return 1; }\n").unwrap();
        Self { dir, storage: format!("http://ci:{}@{}/ccache", token.expose(), world.address) }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("ccache");
        command.args(arguments).current_dir(self.dir.path()).env_clear().envs(for_builds());
        command.env("CCACHE_DIR", self.dir.path().join("local")).env("CCACHE_REMOTE_STORAGE", &self.storage);
        // Two machines compile in two directories.
        command.env("CCACHE_NOHASHDIR", "1").env("NO_PROXY", "127.0.0.1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Compiles, and returns how many reads the node answered, how many it did not, and how often it failed.
    fn compile(&self) -> [u64; 3] {
        self.run(&["gcc", "-c", "one.c", "-o", "one.o"]);
        assert!(self.dir.path().join("one.o").is_file());
        let stats = self.run(&["--print-stats"]);
        let count = |name: &str| {
            let of = |line: &str| line.split_once('\t').filter(|(found, _)| *found == name).map(|(_, n)| n.to_owned());
            stats.lines().find_map(of).expect("a count that every ccache keeps").parse().unwrap()
        };
        ["remote_storage_read_hit", "remote_storage_read_miss", "remote_storage_error"].map(count)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ccache_finds_what_another_machine_compiled() {
    if on_path("ccache").is_none() || on_path("gcc").is_none() {
        skip("ccache or gcc is not installed");
        return;
    }
    let world = World::new().await;
    let stored = tokio::task::block_in_place(|| {
        let [hits, misses, errors] = Ccache::new(&world, &trusted()).compile();
        assert!(hits == 0 && misses > 0 && errors == 0, "cold: {hits} hits, {misses} misses, {errors} errors");
        misses
    });
    assert_eq!(world.node.status().stored, stored, "what was missed was stored");
    tokio::task::block_in_place(|| {
        let [hits, misses, errors] = Ccache::new(&world, &pull_request(7)).compile();
        assert!(hits > 0 && misses == 0 && errors == 0, "warm: {hits} hits, {misses} misses, {errors} errors");
    });
    world.stop().await;
}

#[tokio::test]
async fn gradle_stores_with_a_password_and_waits_for_the_go_ahead() {
    let world = World::new().await;
    let authorization = STANDARD.encode(format!("gradle:{}", trusted().expose()));
    let entry = body(3, 100_000);
    let key = "cache/7f0d2e6a51fb0c9d8d3a2f4e1b6c7a90";
    let head = |method: &str, more: &str| {
        format!(
            "{method} /{key} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {authorization}\r\n{more}\r\n",
            world.address
        )
    };
    let mut raw = Raw::connect(&world.address).await;
    raw.send(head("GET", "Accept: */*\r\n").as_bytes()).await;
    assert_eq!(raw.status().await, Some(404));
    let expect = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", entry.len());
    raw.send(head("PUT", &expect).as_bytes()).await;
    assert_eq!(raw.status().await, Some(100));
    raw.send(&entry).await;
    assert_eq!(raw.status().await, Some(201));
    raw.send(head("GET", "").as_bytes()).await;
    assert_eq!(raw.status().await, Some(200));
    assert!(raw.take(entry.len()).await == entry);
    world.stop().await;
}

#[tokio::test]
async fn bazel_keeps_results_and_contents_apart() {
    let world = World::new().await;
    let (token, sha) = (trusted(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    // The same digits name a result and a content; a client may put an instance's name before both.
    for instance in ["", "main/"] {
        let (result, content) = (format!("{instance}ac/{sha}"), format!("{instance}cas/{sha}"));
        assert_eq!(world.get(&result, &token).await.status, 404);
        assert_eq!(world.put(&result, &token, b"result").await, 201);
        assert_eq!(world.put(&content, &token, b"hello").await, 201);
        world.get(&result, &token).await.is(b"result", &result);
        world.get(&content, &token).await.is(b"hello", &content);
        assert_eq!(world.send("HEAD", &content, &token, Vec::new()).await.status, 200);
    }
    world.stop().await;
}
