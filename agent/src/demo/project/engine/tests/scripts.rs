//! Every script in `scripts/` shows what its lines with `#=` say. A script without such a line is an error.

use std::fs;
use std::path::Path;

use kiln_engine::Engine;

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#= ")).collect();
    assert!(!expected.is_empty(), "{name} expects nothing");
    let shown = Engine::default().run(&text).unwrap();
    let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected, "{name}");
}

#[test]
fn the_old_pipeline_adds_up() {
    check("old-pipeline.kiln");
}

#[test]
fn the_new_pipeline_adds_up() {
    check("new-pipeline.kiln");
}

#[test]
fn storage_adds_up() {
    check("storage.kiln");
}

#[test]
fn every_script_has_a_test() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let scripts = fs::read_dir(directory).unwrap().count();
    let tests = include_str!("scripts.rs").matches(".kiln\");").count();
    assert_eq!(scripts, tests);
}
