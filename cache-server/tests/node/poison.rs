//! Nothing authenticates what a compiler made: whoever may write an entry may have every build that reads it print, or
//! run, what he likes. So a pull request's entry, planted before anybody else's, must reach builds of that pull request
//! and no trusted one: shown with the real sccache, which takes it for good.

use std::path::Path;

use crate::environment::{sccache, skip};
use crate::sccache::{Build, Storage};
use crate::world::{World, pull_request, trusted};

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

/// One build with a client of its own; what cargo printed.
async fn printed(build: Build, storage: Storage) -> (Build, String) {
    let work = move || {
        let built = build.build_anew(&storage);
        (build, built.printed)
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pull_request_plants_reaches_it_and_no_trusted_build() {
    let Some(sccache) = sccache() else {
        return skip("there is no sccache on the path, and HEARTH_TEST_SCCACHE names none");
    };
    let world = World::new().await;
    let build = Build::new(sccache);
    let own_machine = build.place("attacker");
    let (build, clean) = printed(build, Storage::Directory(own_machine.clone())).await;
    assert!(!clean.contains(PLANTED));
    let entries = entries(&own_machine);
    assert!(!entries.is_empty(), "the attacker's own build left nothing");
    for (key, entry) in &entries {
        let planted = with_message(entry, PLANTED);
        assert_eq!(world.put(key, &pull_request(7), &planted).await, 201);
    }

    let through = |token: &hearth_trust::Token| Storage::WebDav { url: world.url(), secret: token.expose().to_owned() };
    let (build, of_trusted) = printed(build, through(&trusted())).await;
    assert!(!of_trusted.contains(PLANTED), "a trusted build printed\n{of_trusted}");
    let (build, of_other) = printed(build, through(&pull_request(8))).await;
    assert!(!of_other.contains(PLANTED), "another pull request's build printed\n{of_other}");
    // That the poison works shows that it was kept away, and did not just fail.
    let (_build, of_own) = printed(build, through(&pull_request(7))).await;
    assert!(of_own.contains(PLANTED), "the pull request's own build printed\n{of_own}");
    world.stop().await;
}
