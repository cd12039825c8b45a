//! The commands that look at a store and look after it, with a server that runs and without one.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Output;

use hearth_model::Scope;

use crate::transport::{Authority, https};
use crate::world::{Server, World, exists, key, until};

/// Big enough that gc is about something, small enough that many go into one segment.
const BODY: usize = 20_000;

fn body(n: u8) -> Vec<u8> {
    (0..BODY).map(|at| u8::try_from(at % 251).unwrap() ^ n).collect()
}

#[track_caller]
fn fill(server: &Server, objects: impl IntoIterator<Item = u8>) {
    let token = server.trusted();
    for n in objects {
        assert_eq!(server.ask("PUT", &key(n), &token, &body(n)).status, 201);
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn json(world: &World, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&world.printed(args)).unwrap()
}

#[track_caller]
fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The key of a fleet is the same everywhere.
fn share_key(from: &World, to: &World) {
    fs::DirBuilder::new().mode(0o700).create(to.dir()).unwrap();
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(to.dir().join("token.key")).unwrap();
    std::io::Write::write_all(&mut file, &fs::read(from.dir().join("token.key")).unwrap()).unwrap();
}

#[test]
fn a_store_is_shown_by_its_server_and_without_one() {
    let world = World::new();
    let nothing = world.run(&["stats"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(said(&nothing).contains("there is no store in"), "{}", said(&nothing));
    assert!(!exists(&world.dir()), "looking at nothing makes nothing");

    let mut server = world.serve();
    fill(&server, 1..=3);
    let branch = server.token(&[], Some(Scope::Branch("fast".into())));
    server.ask("PUT", &key(4), &branch, &body(4));
    assert_eq!(server.ask("GET", &key(1), &server.trusted(), b"").body, body(1));
    let socket = world.dir().join("control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let stats = json(&world, &["stats", "--json"]);
    assert_eq!(stats["process"], server.pid(), "{stats}");
    assert_eq!((&stats["node"]["objects"], &stats["node"]["hits"]), (&4.into(), &1.into()), "{stats}");
    let scopes = stats["scopes"].as_array().unwrap();
    assert_eq!((scopes[0]["scope"].as_str(), scopes[0]["objects"].as_u64()), (Some("trusted"), Some(3)), "{stats}");
    let by_server = world.run(&["ls", "--json"]);
    assert_eq!((lines(std::str::from_utf8(&by_server.stdout).unwrap()).len(), said(&by_server).as_str()), (4, ""));

    assert!(server.stop().success(), "{}", world.log());
    assert!(!exists(&socket), "nobody is there any more");
    let alone = world.run(&["ls", "--json", "--scope", "branch/fast"]);
    let listed = lines(std::str::from_utf8(&alone.stdout).unwrap());
    assert_eq!((listed.len(), listed[0]["key"].as_str()), (1, key(4).strip_prefix('/')));
    assert!(said(&alone).contains("opened the store by itself"), "{}", said(&alone));
    assert_eq!(world.printed(&["ls", "--limit", "2"]).lines().count(), 2);
    assert!(world.printed(&["stats"]).contains("branch/fast"));
}

#[test]
fn a_socket_that_a_killed_server_left_is_no_server() {
    let world = World::new();
    let mut server = world.serve();
    fill(&server, 1..=1);
    server.signal("KILL");
    server.ended();
    assert!(exists(&world.dir().join("control.sock")));
    assert_eq!(json(&world, &["stats", "--json"])["node"]["objects"], 1);
    let server = world.serve();
    assert_eq!(json(&world, &["stats", "--json"])["process"], server.pid());
}

#[test]
fn what_is_pinned_outlives_everything_else() {
    let world = World::new();
    let server = world.serve();
    fill(&server, 1..=9);
    let everything = world.run(&["pin"]);
    assert_eq!(everything.status.code(), Some(1));
    let pinned = key(5).trim_start_matches('/').to_owned();
    assert!(world.printed(&["pin", "--key", &pinned]).starts_with("1 objects changed"));
    // A key that is only the beginning of others is none of theirs.
    assert!(world.printed(&["pin", "--key", "objects"]).starts_with("0 objects changed"));
    let collected = json(&world, &["gc", "--to", "0B", "--json"]);
    assert_eq!((&collected["collected"]["evicted"], &collected["collected"]["objects"]), (&8.into(), &1.into()));
    let token = server.trusted();
    assert_eq!(server.ask("GET", &key(5), &token, b"").body, body(5));
    assert_eq!(server.ask("GET", &key(4), &token, b"").status, 404);
    assert!(world.printed(&["unpin", "--prefix", "objects/05"]).starts_with("1 objects changed"));
    assert!(world.printed(&["gc", "--to", "0B"]).starts_with("1 objects evicted"));
    assert_eq!(server.ask("GET", &key(5), &token, b"").status, 404);
    let wrong = world.run(&["gc", "--to", "much"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
}

#[test]
fn a_damaged_byte_is_found_listed_and_a_miss() {
    let world = World::new();
    let mut server = world.serve();
    fill(&server, 1..=3);
    assert!(world.printed(&["verify"]).starts_with("3 objects"), "under a running server");
    server.stop();
    damage(&world.dir().join("objects/segments"), &body(2)[100..200]);
    let found = world.run(&["verify", "--json"]);
    assert_eq!(found.status.code(), Some(3), "{}", said(&found));
    let found = lines(std::str::from_utf8(&found.stdout).unwrap());
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0]["address"][2].as_str(), key(2).strip_prefix('/'));
    assert_eq!(found[1]["verified"]["damaged"], 1);
    assert!(world.printed(&["verify"]).starts_with("2 objects"));
    let server = world.serve();
    let token = server.trusted();
    assert_eq!(server.ask("GET", &key(2), &token, b"").status, 404);
    assert_eq!(server.ask("GET", &key(3), &token, b"").body, body(3));
}

/// Turns one bit where these bytes are stored.
#[track_caller]
fn damage(segments: &Path, bytes: &[u8]) {
    for file in fs::read_dir(segments).unwrap() {
        let path = file.unwrap().path();
        let mut stored = fs::read(&path).unwrap();
        if let Some(at) = stored.windows(bytes.len()).position(|window| window == bytes) {
            stored[at] ^= 1;
            fs::write(&path, stored).unwrap();
            return;
        }
    }
    unreachable!("nobody has stored these bytes");
}

#[test]
fn an_archive_brings_objects_back_as_they_were() {
    let world = World::new();
    let server = world.serve();
    fill(&server, 1..=5);
    let branch = server.token(&[], Some(Scope::Branch("fast".into())));
    server.ask("PUT", &key(6), &branch, &vec![7; 600_000]);
    let archive = world.path("cache.tar");
    let archive = archive.to_str().unwrap();
    assert!(world.printed(&["export", archive]).starts_with("6 objects written"));
    assert_eq!(Path::new(archive).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let piped = world.run(&["export", "-", "--scope", "branch/fast"]);
    assert!(piped.status.success() && said(&piped).contains("1 objects written"), "{}", said(&piped));
    assert!(piped.stdout.len() > 600_000);

    let other = World::new();
    share_key(&world, &other);
    let there = other.serve();
    // Whoever was first stays first.
    let mine = there.trusted();
    assert_eq!(there.ask("PUT", &key(1), &mine, b"mine").status, 201);
    let imported = json(&other, &["import", archive, "--json"]);
    let figures = &imported["imported"];
    assert_eq!((&figures["stored"], &figures["present"], &figures["refused"]), (&5.into(), &1.into(), &0.into()));
    assert_eq!(there.ask("GET", &key(1), &mine, b"").body, b"mine");
    assert_eq!(there.ask("GET", &key(2), &mine, b"").body, body(2));
    assert_eq!(there.ask("GET", &key(6), &mine, b"").status, 404, "it kept its scope");
    let of = |world: &World| {
        let listed = world.printed(&["ls", "--json", "--prefix", key(2).trim_start_matches('/')]);
        let line = lines(&listed).remove(0);
        (line["writer"].clone(), line["stored_at"].clone(), line["scope"].clone())
    };
    assert_eq!(of(&world), of(&other));
    assert_eq!(json(&other, &["import", archive, "--json"])["imported"]["stored"], 0);
}

#[test]
fn an_archive_that_was_tampered_with_changes_nothing_bad() {
    let world = World::new();
    let mut server = world.serve();
    fill(&server, 1..=3);
    let archive = world.path("cache.tar");
    world.printed(&["export", archive.to_str().unwrap()]);
    server.stop();
    let whole = fs::read(&archive).unwrap();
    let import = |bytes: &[u8], of_this_fleet: bool| {
        let other = World::new();
        if of_this_fleet {
            share_key(&world, &other);
        }
        // A store to import into.
        other.serve().stop();
        let file = other.path("in.tar");
        fs::write(&file, bytes).unwrap();
        let output = other.run(&["import", file.to_str().unwrap(), "--json"]);
        let objects = json(&other, &["stats", "--json"])["node"]["objects"].as_u64().unwrap();
        (output.status.code(), objects, said(&output))
    };
    let check = |what: &str, bytes: &[u8], code: i32, objects: u64, why: &str| {
        let (was, stored, said) = import(bytes, true);
        assert_eq!((was, stored), (Some(code), objects), "{what}: {said}");
        assert!(said.contains(why), "{what}: {said}");
    };
    check("whole", &whole, 0, 3, "");
    check("cut within an object", &whole[..BODY * 2], 1, 1, "it ends within an object");
    let entry = 512 + whole[512..].len() / 3 / 512 * 512;
    check("without its end", &whole[..whole.len() - 2048], 1, 3, "its end is missing");
    check("of another kind", b"this is no archive at all, and shorter than a block", 1, 0, "");
    check("nothing", b"", 1, 0, "its end is missing");
    let mut changed = whole.clone();
    changed[entry] ^= 1;
    check("one bit changed", &changed, 3, 2, "");
    let (code, objects, _) = import(&whole, false);
    assert_eq!((code, objects), (Some(3), 0), "of another fleet");
    for path in ["../../etc/passwd", "/etc/passwd", "objects/../x", "objects/zz"] {
        check(path, &with_first_entry(path, &whole), 1, 0, "it holds something that no export writes");
    }
}

#[test]
fn an_export_that_cannot_be_whole_never_looks_like_one() {
    let world = World::new();
    let mut server = world.serve();
    fill(&server, 1..=3);
    let archive = world.path("cache.tar");
    let archive = archive.to_str().unwrap();
    // Something of the log is lost, and with it maybe objects.
    let log = only_file(&world.dir().join("objects/log"));
    let mut bytes = fs::read(&log).unwrap();
    let at = bytes.len() / 2;
    let (whole, damaged) = (bytes.clone(), bytes[at] ^ 1);
    bytes[at] = damaged;
    fs::write(&log, &bytes).unwrap();
    let exported = world.run(&["export", archive, "--json"]);
    assert_eq!(exported.status.code(), Some(3), "{}", said(&exported));
    let other = World::new();
    share_key(&world, &other);
    other.serve().stop();
    let imported = other.run(&["import", archive]);
    assert_eq!(imported.status.code(), Some(3), "{}", said(&imported));
    assert!(String::from_utf8_lossy(&imported.stdout).contains("1 were missing when the archive was written"));

    fs::write(&log, &whole).unwrap();
    assert!(world.run(&["export", archive]).status.success());
    let before = fs::read(archive).unwrap();
    // Nothing of the log can be read at all.
    fs::rename(world.dir().join("objects/log"), world.path("log-elsewhere")).unwrap();
    for to in [archive, "-"] {
        let failed = world.run(&["export", to]);
        assert_eq!(failed.status.code(), Some(1), "{to}: {}", said(&failed));
        assert!(said(&failed).contains("cannot read the index log"), "{to}: {}", said(&failed));
        assert!(failed.stdout.len() < 512, "{to}: nothing that looks like an archive");
    }
    assert_eq!(fs::read(archive).unwrap(), before, "the last whole archive stays");
    fs::rename(world.path("log-elsewhere"), world.dir().join("objects/log")).unwrap();
    server.stop();
}

fn only_file(dir: &Path) -> std::path::PathBuf {
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The archive behind an entry that nobody exported.
fn with_first_entry(path: &str, archive: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(0);
    header.set_cksum();
    [header.as_bytes().as_slice(), archive].concat()
}

#[test]
fn a_node_is_filled_from_another_one() {
    let world = World::new();
    let server = world.serve();
    fill(&server, 1..=4);
    let args = ["token", "new", "peer", "--kind", "machine", "--right", "peer", "--realm", "*", "--json"];
    let made: serde_json::Value = serde_json::from_str(&world.printed(&args)).unwrap();
    let other = World::new();
    share_key(&world, &other);
    let there = other.serve();
    let file = other.path("token");
    let mut options = fs::OpenOptions::new();
    let mut token = options.write(true).create_new(true).mode(0o600).open(&file).unwrap();
    std::io::Write::write_all(&mut token, made["token"].as_str().unwrap().as_bytes()).unwrap();
    let url = format!("http://{}/", server.http());
    let warm = ["warm-from", &url, "--token-file", file.to_str().unwrap(), "--json"];
    // A new token is known within a second.
    until("the node is filled", || other.run(&warm).status.success());
    assert_eq!(there.ask("GET", &key(3), &there.trusted(), b"").body, body(3));
    assert_eq!(json(&other, &warm)["warmed"]["present"], 4);
    assert!(!other.log().contains(made["token"].as_str().unwrap()), "a token is in the log");
}

#[test]
fn a_node_behind_tls_is_known_by_its_authority() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    authority.configure("");
    let server = world.serve();
    fill(&server, 1..=2);
    let args = ["token", "new", "peer", "--kind", "machine", "--right", "peer", "--realm", "*", "--json"];
    let made: serde_json::Value = serde_json::from_str(&world.printed(&args)).unwrap();
    let other = World::new();
    share_key(&world, &other);
    let there = other.serve();
    let file = other.path("token");
    fs::write(&file, made["token"].as_str().unwrap()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (url, ca) = (https(&server, "/"), world.path("ca.pem"));
    let strange = ["warm-from", &url, "--token-file", file.to_str().unwrap()];
    let refused = other.run(&strange);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let warm = [&strange[..], &["--ca-file", ca.to_str().unwrap()]].concat();
    until("the node is filled", || other.run(&warm).status.success());
    assert_eq!(there.ask("GET", &key(2), &there.trusted(), b"").body, body(2));
    let missing = other.run(&[&strange[..], &["--ca-file", "/nowhere/ca.pem"]].concat());
    assert!(said(&missing).contains("cannot read /nowhere/ca.pem"), "{}", said(&missing));
}
