//! Nothing authenticates what a compiler made: whoever may write an entry may have every build that reads it print, or
//! run, what he likes. So a pull request's entry, planted before anybody else's, must reach builds of that pull request
//! and no trusted one: shown with the real sccache, which takes it for good.

use std::path::Path;

use hearth_model::Clock as _;
use hearth_trust::Claims;
use serde_json::json;

use crate::environment::{sccache, skip};
use crate::github::{self, Job};
use crate::sccache::{Build, Storage};
use crate::signing::{Pen, sha256};
use crate::world::{World, s3_keys, signer};

const PLANTED: &str = "planted by a pull request";

/// The entries that a build on the attacker's own machine leaves: path below the cache's root, and bytes.
fn entries(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Some(key) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.len() == 64) {
            let key = format!("{}/{}/{}/{key}", &key[..1], &key[1..2], &key[2..3]);
            found.push((key, std::fs::read(&path).unwrap()));
        }
    }
    found
}

/// The entry with one more member: what the compiler is said to have printed.
fn with_message(entry: &[u8], message: &str) -> Vec<u8> {
    let data = frame(message.as_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(&data);
    let end = entry.len() - 22;
    assert_eq!(&entry[end..end + 4], b"PK\x05\x06", "an archive without a comment");
    let number = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap());
    let (directory_size, directory_at) = (number(end + 12), number(end + 16));
    let members = u16::from_le_bytes(entry[end + 10..end + 12].try_into().unwrap()) + 1;
    let (directory, name) = (&entry[directory_at as usize..][..directory_size as usize], b"stderr");

    // Version 2.0, no flags, stored, 1980-01-01.
    let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    common.extend(sum.sum().to_le_bytes());
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    common.extend(length);
    common.extend(length);
    common.extend([6, 0, 0, 0]);

    let mut made = entry[..directory_at as usize].to_vec();
    made.extend([b"PK\x03\x04".as_slice(), &common, name, &data].concat());
    let new_directory_at = u32::try_from(made.len()).unwrap();
    made.extend(directory);
    // Made on Unix; no comment, first disk, no attributes, a file that everybody may read.
    made.extend([b"PK\x01\x02\x14\x03".as_slice(), &common, &[0; 6], &(0o100_644_u32 << 16).to_le_bytes()].concat());
    made.extend([&directory_at.to_le_bytes(), name.as_slice()].concat());
    let new_size = u32::try_from(made.len()).unwrap() - new_directory_at;
    made.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &members.to_le_bytes(), &members.to_le_bytes()].concat());
    made.extend([new_size.to_le_bytes(), new_directory_at.to_le_bytes()].concat());
    made.extend([0, 0]);
    made
}

/// A zstd frame with one raw block: members of an entry are compressed each by itself.
fn frame(content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("a short message");
    // A single segment whose length is one byte; the last block, uncompressed.
    let block = (u32::from(length) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, length], &block[..3], content].concat()
}

/// How the attacker and everybody else reach the node.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    WebDav,
    S3,
    Gha,
}

impl Dialect {
    /// Where a job's client stores.
    fn storage(self, world: &World, claims: &Claims) -> Storage {
        let (url, token) = (world.url(), signer().sign(claims));
        match self {
            Self::WebDav => Storage::WebDav { url, secret: token.expose().to_owned() },
            Self::S3 => {
                let [id, secret] = s3_keys(&token);
                Storage::S3 { url, id, secret }
            }
            Self::Gha => Storage::Gha { url, token: Job::of(claims.clone()).shown },
        }
    }

    /// Stores an entry where the client called `version` looks for it.
    async fn plant(self, world: &World, claims: &Claims, version: &str, key: &str, entry: Vec<u8>) {
        let token = signer().sign(claims);
        match self {
            Self::WebDav => assert_eq!(world.put(key, &token, &entry).await, 201),
            Self::S3 => {
                let [id, secret] = s3_keys(&token);
                let pen = Pen { id, secret, at: world.clock.now() };
                let path = format!("/bucket/sccache/{key}");
                let signed = pen.headers("PUT", &world.address, &path, "", &sha256(&entry));
                let request = github::client().put(format!("http://{}{path}", world.address)).body(entry);
                assert_eq!(signed.put_into(request).send().await.unwrap().status(), 200);
            }
            Self::Gha => {
                let job = Job::of(claims.clone());
                let mut message = json!({
                    "key": format!("sccache/{key}"),
                    "version": sha256(version.replace("sccache ", "sccache-v").as_bytes()),
                });
                let answer = github::call(world, &job.shown, "CacheService/CreateCacheEntry", &message).await;
                message["size_bytes"] = json!(entry.len().to_string());
                let url = answer.json()["signed_upload_url"].as_str().unwrap().to_owned();
                assert_eq!(github::put(&url, entry).await.status, 201);
                let method = "CacheService/FinalizeCacheEntryUpload";
                let answer = github::call(world, &job.shown, method, &message).await;
                assert_eq!(answer.json()["ok"], json!(true));
            }
        }
    }
}

async fn check(dialect: Dialect) {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let world = World::of_now(|_| {}).await;
    let build = Build::new(sccache);
    // What cargo prints in a build with a client of its own.
    let printed = |storage: &Storage| tokio::task::block_in_place(|| build.build_anew(storage).printed);
    let own_machine = build.place("attacker");
    let clean = printed(&Storage::Directory(own_machine.clone()));
    assert!(!clean.contains(PLANTED));
    let entries = entries(&own_machine);
    assert!(!entries.is_empty(), "the attacker's own build left nothing");
    let pull_request = |number: u64| {
        let own = format!("pr/{number}");
        world.job(&[&own, "trusted"], &own)
    };
    let version = build.version();
    for (key, entry) in &entries {
        dialect.plant(&world, &pull_request(7), &version, key, with_message(entry, PLANTED)).await;
    }

    let through = |claims: &Claims| printed(&dialect.storage(&world, claims));
    let of_trusted = through(&world.job(&["trusted"], "trusted"));
    assert!(!of_trusted.contains(PLANTED), "a trusted build printed\n{of_trusted}");
    let of_other = through(&pull_request(8));
    assert!(!of_other.contains(PLANTED), "another pull request's build printed\n{of_other}");
    // That the poison works shows that it was kept away, and did not just fail.
    let of_own = through(&pull_request(7));
    assert!(of_own.contains(PLANTED), "the pull request's own build printed\n{of_own}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pull_request_plants_through_webdav_reaches_it_and_no_trusted_build() {
    check(Dialect::WebDav).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pull_request_plants_through_s3_reaches_it_and_no_trusted_build() {
    check(Dialect::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pull_request_plants_through_the_cache_service_reaches_it_and_no_trusted_build() {
    check(Dialect::Gha).await;
}
