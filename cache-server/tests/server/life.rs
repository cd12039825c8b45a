//! From start to stop: what is made, what is kept, what a stop waits for.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use crate::http;
use crate::world::{World, exists, key, until};

#[test]
fn an_object_survives_a_restart_under_the_same_key() {
    let world = World::new();
    let mut server = world.serve();
    let token = server.trusted();
    assert_eq!(server.ask("PUT", &key(1), &token, b"made by rustc").status, 201);
    assert_eq!(server.ask("GET", &key(1), &token, b"").body, b"made by rustc");
    assert!(server.stop().success(), "{}", world.log());
    assert!(!exists(&world.dir().join("server.json")), "nobody is there any more");

    let server = world.serve();
    assert_eq!(server.ask("GET", &key(1), &token, b"").body, b"made by rustc");
    let mode = |name: &str| world.dir().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("token.key")), (0o700, 0o600));
    assert!(!world.log().contains(token.expose()), "a token is in the log");
}

#[test]
fn health_readiness_and_metrics_are_on_the_admin_address() {
    let world = World::new();
    let server = world.serve();
    assert_eq!(server.admin("/healthz").status, 200);
    until("the server is ready", || server.admin("/readyz").status == 200);
    server.ask("PUT", &key(1), &server.trusted(), b"x");
    assert_eq!(server.metric("cache_write_requests_total{result=\"stored\"}"), 1);
}

#[test]
fn a_directory_that_cannot_be_written_is_not_ready() {
    let world = World::new();
    let server = world.serve();
    until("the server is ready", || server.admin("/readyz").status == 200);
    // A directory in the place of the file that the check writes: this stops the superuser too.
    std::fs::create_dir(world.dir().join(".ready.partial")).unwrap();
    let answer = server.admin("/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("cannot write and read in"), "{}", answer.text());
    assert_eq!(server.admin("/healthz").status, 200);
}

#[test]
fn two_servers_never_share_a_directory() {
    let world = World::new();
    let first = world.serve();
    let second = world.run(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains(&format!("another server (process {})", first.pid())), "{said}");
    assert_eq!(first.admin("/healthz").status, 200);
}

#[test]
fn a_stop_lets_an_upload_finish_and_takes_no_other() {
    let world = World::new();
    let mut server = world.serve();
    let token = server.trusted();
    let mut upload = server.connect();
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 10\r\n\r\nfirst",
        key(1),
        token.expose()
    );
    upload.write_all(head.as_bytes()).unwrap();
    until("the first bytes have come", || server.metric("cache_received_bytes_total") == 5);
    let address = server.http().to_owned();
    server.signal("TERM");
    until("nobody listens any more", || std::net::TcpStream::connect(&address).is_err());
    assert!(server.is_running(), "it did not wait for the upload");
    let answer = http::exchange(&mut upload, b"other");
    assert_eq!(answer.status, 201);
    let mut rest = Vec::new();
    upload.read_to_end(&mut rest).unwrap();
    assert!(server.ended().success(), "{}", world.log());
    let server = world.serve();
    assert_eq!(server.ask("GET", &key(1), &token, b"").body, b"firstother");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let world = World::new();
    world.serve().stop();
    let path = world.dir().join("token.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = world.run(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("readable by every user") && said.contains("chmod 600"), "{said}");
}
