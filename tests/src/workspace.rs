//! A cargo workspace that needs nothing from outside, for tests of the compile cache: libraries that a cache can serve,
//! and one program that prints what they say.

use std::fmt::Write;

use crate::repository::Repository;
use crate::world::World;

/// Incremental units are nothing for a cache.
const PROFILE: &str = "[profile.dev]\nincremental = false\n";

/// How much work there is in one library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Light,
    /// About half a second for a compiler.
    Heavy,
}

/// Libraries `lib0` … in two chains beside each other, and the program `app` on top of them, committed.
pub fn libraries(world: &World, name: &str, count: usize, weight: Weight) -> Repository {
    let repository = world.repository(name);
    let members: Vec<String> = (0..count).map(|n| format!("\"lib{n}\"")).collect();
    let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [\"app\", {}]\n\n{PROFILE}", members.join(", "));
    repository.write("Cargo.toml", &manifest).write(".gitignore", "target\n");
    let package = |name: &str, below: &[usize]| {
        let mut text =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n");
        for n in below {
            writeln!(text, "lib{n} = {{ path = \"../lib{n}\" }}").expect("a text can be written");
        }
        repository.write(&format!("{name}/Cargo.toml"), &text);
    };
    for n in 0..count {
        let below: Vec<usize> = n.checked_sub(2).into_iter().collect();
        package(&format!("lib{n}"), &below);
        repository.write(&format!("lib{n}/src/lib.rs"), &library(n, below.first().copied(), weight));
    }
    let top: Vec<usize> = (count.saturating_sub(2)..count).collect();
    package("app", &top);
    let sum: Vec<String> = top.iter().map(|n| format!("lib{n}::value()")).collect();
    repository.write("app/src/main.rs", &format!("fn main() {{ println!(\"{{}}\", {}); }}\n", sum.join(" + ")));
    world.other("cargo", repository.path()).args(["generate-lockfile", "--offline"]).run().expect_success();
    repository.commit("first");
    repository
}

/// What `app` prints.
pub fn says(count: usize) -> String {
    let mut values = vec![0_usize; count];
    for n in 0..count {
        values[n] = n + 1 + n.checked_sub(2).map_or(0, |below| values[below]);
    }
    format!("{}\n", values.iter().skip(count.saturating_sub(2)).sum::<usize>())
}

fn library(number: usize, below: Option<usize>, weight: Weight) -> String {
    let functions = match weight {
        Weight::Light => 1,
        Weight::Heavy => 200,
    };
    let mut text = String::new();
    for n in 0..functions {
        let body = format!("format!(\"{{:?}} {{}}\", (0..n).map(|i| i ^ {n}).collect::<Vec<_>>(), n + {number})");
        writeln!(text, "pub fn work_{n}(n: usize) -> String {{ {body} }}").expect("a text can be written");
    }
    let rest = below.map(|below| format!(" + lib{below}::value()")).unwrap_or_default();
    writeln!(text, "pub fn value() -> usize {{ {}{rest} }}", number + 1).expect("a text can be written");
    text
}
