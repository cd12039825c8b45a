//! A server behind another, as their configuration files say it: what goes through, and what a table that cannot be used
//! costs.

use std::os::unix::fs::PermissionsExt;

use crate::http;
use crate::world::{Server, UNTROUBLED, World, key, until};

/// Writes a file that only its owner can read.
pub(crate) fn write_secret(world: &World, name: &str, text: &str) {
    let path = world.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The secret of a token with which another server may ask this one, once it may.
fn peer_token(world: &World, server: &Server) -> String {
    let made = world.printed(&["token", "new", "near", "--kind", "peer", "--realm", "*", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    until("the server knows the token", || {
        http::ask(server.connect(), "GET", "/.peer/v1/", Some(&token), b"").status == 200
    });
    token
}

/// A world whose server has `far` behind it, of the same fleet.
fn behind(far: &World, server: &Server, mode: &str) -> World {
    let near = World::new();
    write_secret(&near, "peer.token", &peer_token(far, server));
    let path = |name: &str| near.path(name).display().to_string();
    near.configure(&format!(
        "key_file = {:?}\n{UNTROUBLED}[upstream]\nmode = {mode:?}\npeer = {{ url = \"http://{}/\", token_file = {:?} }}\n",
        far.dir().join("token.key").display().to_string(),
        server.http(),
        path("peer.token"),
    ));
    near
}

#[test]
fn objects_are_found_behind_and_go_up() {
    let far_world = World::new();
    let far = far_world.serve();
    let token = far.trusted();
    assert_eq!(far.ask("PUT", &key(1), &token, b"theirs").status, 201);
    let near_world = behind(&far_world, &far, "online");
    let near = near_world.serve();
    assert_eq!(near.ask("GET", &key(1), &token, b"").body, b"theirs");
    assert_eq!(near.ask("PUT", &key(2), &token, b"ours").status, 201);
    until("it has gone up", || far.ask("GET", &key(2), &token, b"").body == b"ours");
    let secret = std::fs::read_to_string(near_world.path("peer.token")).unwrap();
    let shown = near_world.printed(&["config", "show"]) + &near_world.log();
    assert!(shown.contains("[upstream.peer]") && !shown.contains(&secret), "{shown}");
    assert!(near_world.printed(&["config", "check"]).contains("is right"));
}

#[test]
fn one_that_is_offline_is_not_asked_and_what_has_to_go_up_waits() {
    let far_world = World::new();
    let far = far_world.serve();
    let token = far.trusted();
    far.ask("PUT", &key(1), &token, b"theirs");
    let near_world = behind(&far_world, &far, "offline");
    let mut near = near_world.serve();
    assert_eq!(near.ask("GET", &key(1), &token, b"").status, 404);
    assert_eq!(near.ask("PUT", &key(2), &token, b"ours").status, 201);
    assert!(near.stop().success(), "{}", near_world.log());
    assert_eq!(far.ask("GET", &key(2), &token, b"").status, 404);
    let text = std::fs::read_to_string(near_world.path("server.toml")).unwrap();
    near_world.configure(&text.replace("\"offline\"", "\"online\""));
    let near = near_world.serve();
    until("it has gone up", || far.ask("GET", &key(2), &token, b"").body == b"ours");
    assert_eq!(near.ask("GET", &key(1), &token, b"").body, b"theirs");
}

#[test]
fn a_server_that_runs_is_told_whether_to_ask() {
    let far_world = World::new();
    let far = far_world.serve();
    let token = far.trusted();
    for n in [1, 2, 3] {
        far.ask("PUT", &key(n), &token, b"theirs");
    }
    let near_world = behind(&far_world, &far, "offline");
    let near = near_world.serve();
    let text = std::fs::read_to_string(near_world.path("server.toml")).unwrap();
    let state = |mode: &str| {
        near_world.configure(&text.replace("\"offline\"", &format!("{mode:?}")));
        near.signal("HUP");
        let stats = || near_world.printed(&["stats", "--json"]);
        until("the mode is another", || stats().contains(&format!("\"mode\": {mode:?}")));
    };
    assert_eq!(near.ask("GET", &key(1), &token, b"").status, 404);
    state("read_only");
    until("what is there is found", || near.ask("GET", &key(2), &token, b"").status == 200);
    assert_eq!(near.ask("PUT", &key(7), &token, b"ours").status, 201);
    state("online");
    assert_eq!(near.ask("PUT", &key(8), &token, b"ours").status, 201);
    until("it has gone up", || far.ask("GET", &key(8), &token, b"").body == b"ours");
    assert_eq!(far.ask("GET", &key(7), &token, b"").status, 404, "what came meanwhile does not go there");
    state("offline");
    assert_eq!(near.ask("GET", &key(3), &token, b"").status, 404);
}

#[test]
fn a_secret_that_cannot_be_read_or_that_everybody_can_is_refused_before_anything_is_asked() {
    let far_world = World::new();
    let far = far_world.serve();
    let near = behind(&far_world, &far, "online");
    let path = near.path("peer.token");
    let refused = |said: &str, code: i32, args: &[&str]| {
        let output = near.run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    };
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused("readable by every user", 78, &["config", "check"]);
    refused("readable by every user", 1, &serve);
    std::fs::remove_file(&path).unwrap();
    refused("cannot read secret file", 78, &["config", "check"]);
    refused("cannot read secret file", 1, &serve);
}
