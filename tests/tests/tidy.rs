//! The rules of the source tree, held over the real tree. Each test is one rule; what a rule means, and that it can
//! fail, stands in `src/tidy`.

use std::path::Path;

use hearth_tests::tidy::{Complaint, Tree, documents, manifests, rooms, style};

/// Files that may be longer than the rest, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

fn check(rule: impl FnOnce(&Tree) -> Vec<Complaint>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package stands below the root");
    let tree = Tree::read(root).expect("the repository can be read");
    let complaints: Vec<_> = rule(&tree).iter().map(ToString::to_string).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn pure_rooms_touch_nothing() {
    check(rooms::pure_rooms_touch_nothing);
}

#[test]
fn platform_code_and_unsafe_live_in_host() {
    check(rooms::platform_code_and_unsafe_live_in_host);
}

#[test]
fn sql_stands_with_its_data() {
    check(rooms::sql_stands_with_its_data);
}

#[test]
fn the_environment_is_read_in_one_file() {
    check(rooms::the_environment_is_read_in_one_file);
}

#[test]
fn dependencies_point_down() {
    check(manifests::dependencies_point_down);
}

#[test]
fn packages_use_the_lints_of_the_workspace() {
    check(manifests::packages_use_the_lints_of_the_workspace);
}

#[test]
fn versions_stand_in_the_root_manifest() {
    check(manifests::versions_stand_in_the_root_manifest);
}

#[test]
fn toml_files_parse() {
    check(manifests::toml_files_parse);
}

#[test]
fn files_begin_with_what_they_own() {
    check(style::files_begin_with_what_they_own);
}

#[test]
fn files_are_short() {
    check(|tree| style::files_are_short(tree, &LONG_FILES));
}

#[test]
fn rooms_have_names() {
    check(style::rooms_have_names);
}

#[test]
fn nothing_is_left_undone() {
    check(style::nothing_is_left_undone);
}

#[test]
fn metrics_are_explained() {
    check(documents::metrics_are_explained);
}
