//! Disks that fail under a running server: clients are answered in time and never wrongly, readiness says what is wrong,
//! and what comes back is served again.

use std::time::{Duration, Instant};

use hearth_trust::Token;

use crate::disk::{Disk, Kind};
use crate::environment::skip;
use crate::world::{Server, World, key, until};

/// The limits of a read and a write are one and two seconds; a machine that is busy with other builds adds to them.
const READ: Duration = Duration::from_secs(4);
const WRITE: Duration = Duration::from_secs(5);
/// Nothing is in memory, so that every read is one of the disk; and it is only full when it is full.
const ON_DISK: &str = "[store]\nfree_reserve = \"0B\"\nmemory = \"0B\"\n";
/// Too big for the appender to take along with others.
const BIG: usize = 3_000_000;

fn world_on(disk: &Disk) -> World {
    let world = World::at(disk.path().join("server"));
    world.configure(ON_DISK);
    world
}

fn body(n: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| n.wrapping_mul(31).wrapping_add(at.to_le_bytes()[0] ^ at.to_le_bytes()[1])).collect()
}

fn ready(server: &Server) {
    until("the server is ready", || server.admin("/readyz").status == 200);
}

/// The server lives, is not ready, and says why.
#[track_caller]
fn not_ready(server: &Server, check: &str, reasons: &[&str]) {
    let answer = server.admin("/readyz");
    assert_eq!(answer.status, 503, "{}", answer.text());
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let of = said["checks"].as_array().unwrap().iter().find(|line| line["name"] == check);
    let reason = of.unwrap()["reason"].as_str().unwrap_or_default();
    assert!(reasons.iter().any(|wanted| reason.contains(wanted)), "{said}");
    assert_eq!(server.admin("/healthz").status, 200);
}

/// An upload is declined in time.
#[track_caller]
fn declined(server: &Server, token: &Token, n: u8, length: usize) {
    let began = Instant::now();
    let status = server.ask("PUT", &key(n), token, &body(n, length)).status;
    assert!(matches!(status, 503 | 507), "{status}");
    assert!(began.elapsed() < WRITE, "{:?}", began.elapsed());
}

/// A read is answered in time, by the object or by a miss.
#[track_caller]
fn whole_or_missing(server: &Server, token: &Token, n: u8, length: usize) {
    let began = Instant::now();
    let answer = server.ask("GET", &key(n), token, b"");
    assert!(began.elapsed() < READ, "{:?}", began.elapsed());
    match answer.status {
        200 => assert!(answer.body == body(n, length), "wrong bytes"),
        status => assert_eq!(status, 404),
    }
}

#[track_caller]
fn stored(server: &Server, token: &Token, n: u8, length: usize) {
    assert_eq!(server.ask("PUT", &key(n), token, &body(n, length)).status, 201);
    assert!(server.ask("GET", &key(n), token, b"").body == body(n, length));
}

#[test]
fn a_full_disk_is_not_ready_and_serves_what_it_has() {
    let Some(disk) = Disk::mount(Kind::Ext4) else { return };
    let world = world_on(&disk);
    let server = world.serve();
    let token = server.trusted();
    ready(&server);
    stored(&server, &token, 1, 1000);
    let filler = disk.fill();
    declined(&server, &token, 2, BIG);
    not_ready(&server, "directory", &["is full"]);
    assert!(server.ask("GET", &key(1), &token, b"").body == body(1, 1000), "reads go on");
    assert_eq!(server.ask("PUT", "/.sccache_check", &token, b"Hello, World!").status, 201);
    std::fs::remove_file(filler).unwrap();
    stored(&server, &token, 2, BIG);
    ready(&server);
}

#[test]
fn a_disk_that_hangs_costs_clients_no_more_than_their_limits() {
    let Some(disk) = Disk::mount(Kind::Ext4) else { return };
    let world = world_on(&disk);
    let server = world.serve();
    let token = server.trusted();
    ready(&server);
    stored(&server, &token, 1, 1000);
    stored(&server, &token, 2, BIG);
    disk.freeze();
    declined(&server, &token, 3, 1000);
    declined(&server, &token, 4, BIG);
    whole_or_missing(&server, &token, 1, 1000);
    whole_or_missing(&server, &token, 2, BIG);
    assert_eq!(server.ask("GET", "/.sccache_check", &token, b"").body, b"Hello, World!");
    until("the writer is seen to be stuck", || server.admin("/readyz").text().contains("at one write for"));
    not_ready(&server, "directory", &["no answer within"]);
    disk.thaw();
    ready(&server);
    stored(&server, &token, 5, 1000);
    stored(&server, &token, 6, BIG);
    whole_or_missing(&server, &token, 2, BIG);
}

#[test]
fn a_disk_that_breaks_gives_misses_and_after_a_restart_what_it_had() {
    let Some(disk) = Disk::mount(Kind::Xfs) else { return };
    let world = world_on(&disk);
    let mut server = world.serve();
    let token = server.trusted();
    ready(&server);
    stored(&server, &token, 1, 1000);
    stored(&server, &token, 2, BIG);
    until("all has reached the disk", || server.admin("/metrics").text().contains("\ncache_unsynced_seconds 0.0\n"));
    disk.shut_down();
    for (n, length) in [(1, 1000), (2, BIG)] {
        whole_or_missing(&server, &token, n, length);
    }
    declined(&server, &token, 3, 1000);
    declined(&server, &token, 4, BIG);
    not_ready(&server, "directory", &["Input/output error"]);
    not_ready(&server, "writes", &["nput/output error"]);
    assert_eq!(server.ask("PUT", "/.sccache_check", &token, b"Hello, World!").status, 201);
    server.stop();
    disk.take_away();
    let mounted = disk.mount_again();
    assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    let server = world.serve();
    ready(&server);
    assert!(server.ask("GET", &key(1), &token, b"").body == body(1, 1000));
    assert!(server.ask("GET", &key(2), &token, b"").body == body(2, BIG));
    stored(&server, &token, 3, 1000);
}

#[test]
fn a_directory_that_is_taken_away_is_not_ready_until_it_is_back() {
    let Some(disk) = Disk::mount(Kind::Ext4) else { return };
    let world = world_on(&disk);
    let server = world.serve();
    let token = server.trusted();
    ready(&server);
    stored(&server, &token, 1, 1000);
    disk.take_away();
    not_ready(&server, "directory", &["No such file", "is not the directory"]);
    whole_or_missing(&server, &token, 1, 1000);
    assert_eq!(server.ask("PUT", "/.sccache_check", &token, b"Hello, World!").status, 201);
    let mounted = disk.mount_again();
    assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    ready(&server);
    assert!(server.ask("GET", &key(1), &token, b"").body == body(1, 1000));
    stored(&server, &token, 2, BIG);
}

#[test]
fn a_disk_that_becomes_read_only_is_not_ready_and_serves_what_it_has() {
    let Some(disk) = Disk::mount(Kind::Ext4) else { return };
    let world = world_on(&disk);
    let mut server = world.serve();
    let token = server.trusted();
    ready(&server);
    stored(&server, &token, 1, 1000);
    stored(&server, &token, 2, BIG);
    until("all has reached the disk", || server.admin("/metrics").text().contains("\ncache_unsynced_seconds 0.0\n"));
    if !disk.becomes_read_only() {
        return skip("this system's ext4 makes no error when it is asked to");
    }
    declined(&server, &token, 3, 1000);
    declined(&server, &token, 4, BIG);
    not_ready(&server, "directory", &["Read-only"]);
    assert!(server.ask("GET", &key(1), &token, b"").body == body(1, 1000), "reads go on");
    assert!(server.ask("GET", &key(2), &token, b"").body == body(2, BIG), "reads go on");
    assert_eq!(server.ask("PUT", "/.sccache_check", &token, b"Hello, World!").status, 201);
    server.stop();
    disk.take_away();
    disk.check();
    let mounted = disk.mount_again();
    assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    let server = world.serve();
    ready(&server);
    assert!(server.ask("GET", &key(1), &token, b"").body == body(1, 1000));
    assert!(server.ask("GET", &key(2), &token, b"").body == body(2, BIG));
    stored(&server, &token, 3, 1000);
}

#[test]
fn a_disk_that_is_unplugged_gives_objects_or_misses_and_is_not_ready() {
    let Some(disk) = Disk::mount(Kind::Ext4) else { return };
    let world = world_on(&disk);
    let server = world.serve();
    let token = server.trusted();
    ready(&server);
    stored(&server, &token, 1, 1000);
    stored(&server, &token, 2, BIG);
    until("all has reached the disk", || server.admin("/metrics").text().contains("\ncache_unsynced_seconds 0.0\n"));
    disk.unplug();
    // The system takes writes for a while longer; what it took and cannot keep shows when it is synced.
    let mut n = 3;
    until("it is noticed", || {
        let began = Instant::now();
        let status = server.ask("PUT", &key(n), &token, &body(n, 1000)).status;
        assert!(matches!(status, 201 | 503 | 507), "{status}");
        assert!(began.elapsed() < WRITE, "{:?}", began.elapsed());
        n = n % 200 + 3;
        server.admin("/readyz").status == 503
    });
    for (n, length) in [(1, 1000), (2, BIG)] {
        whole_or_missing(&server, &token, n, length);
    }
    assert_eq!(server.admin("/healthz").status, 200);
    assert_eq!(server.ask("PUT", "/.sccache_check", &token, b"Hello, World!").status, 201);
}
