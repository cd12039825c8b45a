//! The server killed at any moment, while it takes objects of all sizes: what it acknowledged is there and the same, what
//! it removed stays away, and whatever was under way is whole or absent.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hearth_trust::Token;

use crate::world::{Server, World};

const WRITERS: usize = 3;
/// Old objects that are looked at again in every round.
const OLD: usize = 40;

/// What a reader may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was acknowledged.
    Stored,
    /// Its removal was.
    Removed,
    /// The server died before it said anything.
    Open,
}

fn length(n: u64) -> usize {
    [4096, 100, 70_000, 4096, 300_000, 0, 4096, 3_000_000, 65_536, 9_000_000][usize::try_from(n % 10).unwrap()]
}

fn body(n: u64) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut bytes = Vec::with_capacity(length(n) + 8);
    while bytes.len() < length(n) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend((state >> 32).to_le_bytes());
    }
    bytes.truncate(length(n));
    bytes
}

/// Asks a server that may die meanwhile; `None` when it did.
fn ask(address: &str, method: &str, n: u64, token: &Token, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(crate::world::PATIENCE)).ok()?;
    let head = format!(
        "{method} /crash/{n} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        token.expose(),
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let status = std::str::from_utf8(&answer[..end]).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_off(end + 4)))
}

/// Stores, and now and then removes, until the server does not answer any more.
fn write(address: &str, token: &Token, next: &AtomicU64, fates: &Mutex<BTreeMap<u64, Fate>>) {
    let note = |n, fate| {
        fates.lock().unwrap().insert(n, fate);
    };
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        note(n, Fate::Open);
        let Some((status, _)) = ask(address, "PUT", n, token, &body(n)) else { return };
        assert_eq!(status, 201, "{n}");
        note(n, Fate::Stored);
        if n.is_multiple_of(5) {
            note(n, Fate::Open);
            let Some((status, _)) = ask(address, "DELETE", n, token, b"") else { return };
            assert_eq!(status, 204, "{n}");
            note(n, Fate::Removed);
        }
    }
}

#[track_caller]
fn check(server: &Server, token: &Token, n: u64, fate: Fate) {
    let (status, read) = ask(server.http(), "GET", n, token, b"").expect("the server answers");
    let same = status == 200 && read == body(n);
    let fits = match fate {
        Fate::Stored => same,
        Fate::Removed => status == 404,
        Fate::Open => same || status == 404,
    };
    assert!(fits, "{n}, {fate:?}: status {status}, {} bytes of {}", read.len(), length(n));
}

fn rounds(count: u64) {
    let world = World::new();
    let fates = Mutex::new(BTreeMap::new());
    let next = AtomicU64::new(0);
    let mut checked_until = 0;
    for round in 0..count {
        let mut server = world.serve();
        let (address, token) = (server.http().to_owned(), server.trusted());
        // What the last round left, and some of what is older.
        let known: Vec<(u64, Fate)> = fates.lock().unwrap().iter().map(|(n, fate)| (*n, *fate)).collect();
        let old = known.iter().step_by(known.len() / OLD + 1);
        let new = known.iter().filter(|(n, _)| *n >= checked_until);
        old.chain(new).for_each(|(n, fate)| check(&server, &token, *n, *fate));
        checked_until = next.load(Ordering::Relaxed);
        thread::scope(|threads| {
            for _ in 0..WRITERS {
                threads.spawn(|| write(&address, &token, &next, &fates));
            }
            // Any moment will do; it is another one in each round.
            thread::park_timeout(Duration::from_millis(20 + round * 97 % 400));
            server.signal("KILL");
            server.ended();
        });
    }
    let server = world.serve();
    let token = server.trusted();
    let fates = fates.into_inner().unwrap();
    for (n, fate) in &fates {
        check(&server, &token, *n, *fate);
    }
    let count = |wanted| fates.values().filter(|fate| **fate == wanted).count();
    #[expect(clippy::print_stdout, reason = "what was shown, for people")]
    {
        println!("{} stored, {} removed, {} open", count(Fate::Stored), count(Fate::Removed), count(Fate::Open));
    }
    assert!(count(Fate::Stored) > 10 && count(Fate::Removed) > 0, "too little happened to show anything");
    assert_eq!(server.metric("cache_corrupt_objects_total"), 0);
}

#[test]
fn a_killed_server_keeps_its_word() {
    rounds(10);
}

#[test]
#[ignore = "takes minutes"]
fn a_killed_server_keeps_its_word_a_hundred_times() {
    rounds(100);
}
