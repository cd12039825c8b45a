//! The real program, from its command line to its exit code.

use std::process::{Command, Output};

fn kiln(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kiln")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_script_is_evaluated() {
    let output = kiln(&["eval", "let build = 12 min; 4 * build; 4 * build < 45 min"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "48 min\nno\n");
}

#[test]
fn values_are_shown_as_json() {
    let output = kiln(&["eval", "--format", "json", "20 min + 15 min"]);
    assert_eq!(text(&output.stdout), "{\"values\":[\"35 min\"]}\n");
}

#[test]
fn a_wrong_script_is_an_error_on_standard_error() {
    let output = kiln(&["eval", "1 min + 1 MiB"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "kiln: cannot add time and data\n");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_workflow_that_is_not_there_is_an_error() {
    assert_eq!(kiln(&["eval", "--workflow", "no/such/file.json", "1"]).status.code(), Some(1));
}

#[test]
fn units_are_listed() {
    assert!(text(&kiln(&["units"]).stdout).contains("min  time\n"));
}
