//! `token new|list|revoke` on the command line, and what a running server makes of it.

use hearth_model::{ExecutionId, Scope, Timestamp};

use crate::http;
use crate::world::{Server, UNTROUBLED, World, key, until};

const KEY: &str = "/objects/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const MACHINE: [&str; 10] = [
    "token",
    "new",
    "another CI",
    "--kind=machine",
    "--realm=github.com/acme/rocket",
    "--reads=trusted",
    "--writes=trusted",
    "--daily-quota=1KiB",
    "--expires-in=90d",
    "--json",
];

fn made(world: &World, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&world.printed(args)).unwrap()
}

fn text<'a>(value: &'a serde_json::Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn status(server: &Server, method: &str, path: &str, token: &str, body: &[u8]) -> u16 {
    http::ask(server.connect(), method, path, Some(token), body).status
}

#[test]
fn a_token_is_good_from_when_it_is_made_until_it_is_taken_back() {
    let world = World::new();
    let server = world.serve();
    let token = made(&world, &MACHINE);
    let shown = text(&token, "token");
    until("the server knows the token", || status(&server, "PUT", KEY, shown, b"built elsewhere") == 201);
    assert_eq!(server.ask("GET", KEY, &server.trusted(), b"").body, b"built elsewhere");
    // More than its day holds is taken and thrown away: its build is none of ours to disturb.
    assert_eq!(status(&server, "PUT", "/big", shown, &[0; 1024]), 201);
    assert_eq!(status(&server, "GET", "/big", shown, b""), 404);

    let taken_back = world.printed(&["token", "revoke", "token", text(&token, "id"), "--keep-objects"]);
    assert!(taken_back.contains("no longer good"), "{taken_back}");
    until("the server has forgotten the token", || status(&server, "PUT", KEY, shown, b"x") == 403);
    assert_eq!(status(&server, "GET", KEY, shown, b""), 404);
    assert_eq!(server.ask("GET", KEY, &server.trusted(), b"").status, 200);
}

#[test]
fn a_job_that_is_taken_back_is_shut_out() {
    let world = World::new();
    let server = world.serve();
    let execution = ExecutionId::new(Timestamp::from_millis(4_000_000_000_000));
    let bad = server.token_of(execution, &[Scope::PullRequest(7)], Some(Scope::PullRequest(7)));
    let other = server.token(&[Scope::PullRequest(7)], Some(Scope::PullRequest(7)));
    assert_eq!(server.ask("PUT", KEY, &bad, b"x").status, 201);
    world.printed(&["token", "revoke", "job", &execution.to_string()]);
    until("the server refuses the job", || server.ask("PUT", KEY, &bad, b"x").status == 403);
    assert_eq!(server.ask("PUT", "/other", &other, b"x").status, 201);
    let list = world.printed(&["token", "list", "--revoked"]);
    assert!(list.contains(&execution.to_string()), "{list}");
}

#[test]
fn the_list_says_who_may_what_and_no_secret_is_kept() {
    let world = World::new();
    assert!(world.printed(&["token", "list"]).contains("there are no tokens"));
    let token = made(&world, &MACHINE);
    let list = world.printed(&["token", "list"]);
    for part in [text(&token, "id"), "another CI", "machine", "github.com/acme/rocket", "read, write, list", "1KiB"] {
        assert!(list.contains(part), "no {part} in\n{list}");
    }
    let json: serde_json::Value = serde_json::from_str(&world.printed(&["token", "list", "--json"])).unwrap();
    assert_eq!(json[0]["id"], token["id"]);
    let secret = text(&token, "token").rsplit('.').next().unwrap().to_owned();
    let s3_secret = text(&token["s3"], "secret_access_key");
    let mut everything = list + &json.to_string() + &world.log();
    for entry in walk(&world.dir()) {
        everything += &String::from_utf8_lossy(&std::fs::read(entry).unwrap());
    }
    assert!(!everything.contains(&secret) && !everything.contains(s3_secret));
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let world = World::new();
    made(&world, &MACHINE);
    let before = world.printed(&["token", "list", "--json"]);
    let unknown = "0".repeat(32);
    for (args, why) in [
        (vec!["token", "new", "x", "--realm=a/*", "--writes=trusted"], "the first of its realms must be a single"),
        (vec!["token", "new", "x", "--realm=a/b", "--reads=Trusted"], "is not a scope"),
        (vec!["token", "new", "x", "--realm=a*", "--reads=trusted"], "names no repositories"),
        (vec!["token", "new", "x", "--realm=a/b", "--kind=god"], "is not a kind of token"),
        (vec!["token", "new", "", "--realm=a/b"], "the name of a token"),
        (vec!["token", "new", "x"], "--realm"),
        (vec!["token", "revoke", "token", &unknown], "no token here has the id"),
        (vec!["token", "revoke", "token", "x"], "32 hex digits"),
        (vec!["token", "revoke", "job", "x"], "is not a valid execution id"),
        (vec!["token", "revoke", "scope", "a/*", "trusted"], "is not one repository"),
        (vec!["token", "revoke", "stored", "--from", "yesterday"], "is not a time"),
        (vec!["token", "revoke", "stored", "--from", "2999-01-01T00:00:00Z"], "ends after it begins"),
    ] {
        let output = world.run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{args:?}: {said}");
    }
    assert_eq!(world.printed(&["token", "list", "--json"]), before);
}

#[test]
fn what_callers_may_do_is_changed_without_a_restart() {
    let world = World::new();
    let server = world.serve();
    let token = server.trusted();
    assert_eq!(server.ask("PUT", &key(1), &token, &[7; 1000]).status, 201);
    let get = || server.ask("GET", &key(1), &token, b"").status;
    let tell = |more: &str| {
        world.configure(&format!("{UNTROUBLED}{more}"));
        server.signal("HUP");
    };
    assert_eq!(get(), 200);
    // The test's token is of no class.
    tell("[access.others]\nbytes_per_second = \"1B\"\n");
    until("the bytes are counted", || get() == 404);
    tell("[access.others]\nbytes_per_second = \"none\"\n");
    until("the mistake is said", || world.log().contains("the new configuration is wrong"));
    assert_eq!(get(), 404, "a wrong one changes nothing");
    tell("[access.others]\nquota = \"100B\"\n");
    until("only what is stored is limited", || get() == 200);
    assert_eq!(server.ask("PUT", &key(2), &token, &[7; 1000]).status, 201);
    assert_eq!(server.ask("GET", &key(2), &token, b"").status, 404, "it was thrown away");
    assert!(!world.log().contains("take a restart"));
    tell("[socket]\nmode = \"0600\"\n");
    until("what it cannot do is said", || world.log().contains("take a restart"));
}
