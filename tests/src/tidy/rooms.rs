//! What belongs into which room: input and output, platform code, SQL, the environment.

use super::source::has_word;
use super::{Complaint, Tree};

/// Rooms that only think.
const PURE: [&str; 2] = ["crates/model/src/", "crates/trust/src/"];
/// What a room that only thinks does not touch.
const OUTSIDE_WORLD: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::io",
    "SystemTime::now",
    "Instant::now",
    "tokio",
];

/// The only home of platform code and of unsafe.
const MACHINE: &str = "crates/host/";
const PLATFORM: [&str; 4] = ["unix", "windows", "target_os", "target_family"];

const DATABASES: [&str; 2] = ["crates/ledger/", "cache-server/src/index/"];
const DRIVERS: [&str; 2] = ["rusqlite", "sqlx"];
/// A verb and what follows it in the same statement. Written in halves, because this file is read too.
const STATEMENTS: [(&str, &str); 7] = [
    (concat!("SELE", "CT"), "FROM"),
    (concat!("INSE", "RT"), "INTO"),
    (concat!("UPDA", "TE"), "SET"),
    (concat!("DELE", "TE"), "FROM"),
    (concat!("CREA", "TE"), "TABLE"),
    (concat!("CREA", "TE"), "INDEX"),
    (concat!("PRAG", "MA"), ""),
];

const ENVIRONMENT: [&str; 6] =
    ["env::var(", "env::var_os(", "env::vars(", "env::vars_os(", "env::temp_dir(", "env::home_dir("];

/// The model and the trust decisions have no input, no output, no clock and no tasks.
pub fn pure_rooms_touch_nothing(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.rust().filter(|file| PURE.iter().any(|room| file.path.starts_with(room))) {
        for (line, code) in file.source.product_lines() {
            for world in OUTSIDE_WORLD.iter().filter(|world| has_word(code, world)) {
                let what = format!("`{world}` in a room that only thinks; act elsewhere and hand the value in");
                complaints.push(Complaint::new(file.path, line, what));
            }
        }
    }
    complaints
}

/// `cfg` by platform and `unsafe` stand in the host room only, in code and in manifests.
pub fn platform_code_and_unsafe_live_in_host(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.rust().filter(|file| !file.path.starts_with(MACHINE)) {
        for (line, code) in file.source.code_lines() {
            if has_word(code, "unsafe") {
                complaints.push(Complaint::new(file.path, line, "`unsafe` outside of crates/host"));
            }
            let conditional = has_word(code, "cfg") || has_word(code, "cfg_attr");
            if conditional && PLATFORM.iter().any(|word| has_word(code, word)) {
                complaints.push(Complaint::new(file.path, line, "platform `cfg` outside of crates/host"));
            }
        }
    }
    for (path, manifest) in tree.manifests().filter(|(path, _)| !path.starts_with(MACHINE)) {
        if manifest.contains_key("target") {
            complaints.push(Complaint::new(path, 0, "dependencies by platform outside of crates/host"));
        }
    }
    complaints
}

/// SQL and its drivers stand where the data lives.
pub fn sql_stands_with_its_data(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.rust().filter(|file| !DATABASES.iter().any(|room| file.path.starts_with(room))) {
        for (line, code) in file.source.code_lines() {
            if let Some(driver) = DRIVERS.iter().find(|driver| has_word(code, driver)) {
                let what = format!("`{driver}` outside of the ledger and the cache index");
                complaints.push(Complaint::new(file.path, line, what));
            }
        }
        for literal in file.source.product_literals() {
            if is_sql(&literal.text) {
                let what = "SQL outside of the ledger and the cache index";
                complaints.push(Complaint::new(file.path, literal.line, what));
            }
        }
    }
    complaints
}

fn is_sql(string: &str) -> bool {
    let follows = |rest: &str, object: &str| object.is_empty() || has_word(rest, object);
    STATEMENTS.iter().any(|(verb, object)| {
        has_word(string, verb) && string.split_once(verb).is_some_and(|(_, rest)| follows(rest, object))
    })
}

/// Variables are read in one `environment.rs` for each binary, tests included, so that one page names them all. Build
/// scripts talk to cargo through the environment and have no other way.
pub fn the_environment_is_read_in_one_file(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.rust().filter(|file| !file.path.ends_with("/build.rs")) {
        let inside_out: Vec<_> = file.path.split('/').rev().collect();
        let right_place = matches!(
            inside_out[..],
            ["environment.rs", "src", "agent" | "cache-server" | "tests"]
                | ["environment.rs", "src", "fake-runner" | "fuzz", "tests"]
                | ["environment.rs", _, "tests", ..]
        );
        for (line, code) in file.source.code_lines().filter(|_| !right_place) {
            if let Some(read) = ENVIRONMENT.iter().find(|read| code.contains(*read)) {
                let what = format!("`{read}…)` outside of the binary's environment.rs");
                complaints.push(Complaint::new(file.path, line, what));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_pure_room_that_reads_a_file_is_noticed() {
        let tree = Tree::of(&[
            ("crates/model/src/a.rs", "//! Not std::fs.\nuse std::fs;\n"),
            ("crates/trust/src/a.rs", "//! T\nfn f() { tokio::spawn(g()); }\n"),
            (
                "crates/model/src/b.rs",
                "//! T\nconst S: &str = \"std::fs\";\n#[cfg(test)]\nmod tests { use std::fs; }\n",
            ),
            ("crates/host/src/a.rs", "//! T\nuse std::fs;\n"),
        ]);
        let found = pure_rooms_touch_nothing(&tree);
        assert_eq!(places(&found), ["crates/model/src/a.rs:2", "crates/trust/src/a.rs:2"]);
    }

    #[test]
    fn platform_code_outside_of_host_is_noticed() {
        let bad = [
            "#[cfg(unix)]",
            "#[cfg(all(test, target_os = \"linux\"))]",
            "if cfg!(windows) {}",
            "#[cfg_attr(target_family = \"unix\", path = \"a.rs\")]",
            "unsafe { f() }",
        ];
        for line in bad {
            let text = format!("//! T\n{line}\n");
            let tree = Tree::of(&[("agent/src/a.rs", &text), ("crates/host/src/a.rs", &text)]);
            let found = platform_code_and_unsafe_live_in_host(&tree);
            assert_eq!(places(&found), ["agent/src/a.rs:2"], "{line}");
        }
        let good = "//! T\n#[cfg(test)]\n// cfg(unix), unsafe\n#[expect(unsafe_code)]\nlet unix = \"cfg(unix)\";\n";
        assert_eq!(platform_code_and_unsafe_live_in_host(&Tree::of(&[("agent/src/a.rs", good)])), []);
        let manifest = "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n";
        let tree = Tree::of(&[("agent/Cargo.toml", manifest), ("crates/host/Cargo.toml", manifest)]);
        assert_eq!(places(&platform_code_and_unsafe_live_in_host(&tree)), ["agent/Cargo.toml:0"]);
    }

    #[test]
    fn sql_outside_of_its_rooms_is_noticed() {
        let bad = [
            "q(\"SELECT a FROM b\");",
            "q(name, \"with x as (SELECT a FROM b)\");",
            "q(\"SELECT\n a FROM b\");",
            "q(\"INSERT OR IGNORE INTO t VALUES (1)\");",
            "q(\"PRAGMA journal_mode = WAL\");",
            "q(\"CREATE TABLE t (a)\");",
            "use rusqlite::Connection;",
        ];
        for line in bad {
            let text = format!("//! T\n{line}\n");
            let tree = Tree::of(&[
                ("agent/src/a.rs", &text),
                ("crates/ledger/src/a.rs", &text),
                ("cache-server/src/index/a.rs", &text),
            ]);
            assert_eq!(places(&sql_stands_with_its_data(&tree)), ["agent/src/a.rs:2"], "{line}");
        }
        let good =
            "//! SELECT a FROM b\nlet a = \"choose and SELECT nothing\"; let b = \"DELETE\"; let c = \"FROM\";\n";
        assert_eq!(sql_stands_with_its_data(&Tree::of(&[("agent/src/a.rs", good)])), []);
    }

    #[test]
    fn a_variable_read_elsewhere_is_noticed() {
        let text = "//! T\nlet a = std::env::var_os(\"A\");\n";
        let tree = Tree::of(&[
            ("agent/src/environment.rs", text),
            ("agent/src/app.rs", text),
            ("agent/src/exec/environment.rs", text),
            ("agent/build.rs", text),
            ("agent/tests/black_box/environment.rs", text),
            ("tests/fake-runner/src/environment.rs", text),
            ("agent/src/good.rs", "//! T\nlet a = std::env::current_dir();\n"),
        ]);
        let found = the_environment_is_read_in_one_file(&tree);
        assert_eq!(places(&found), ["agent/src/app.rs:2", "agent/src/exec/environment.rs:2"]);
    }
}
