//! Command lines and configurations that are wrong.

use std::fs;

use hearth_tests::world::World;

use super::{BAD_COMMAND_LINE, BAD_CONFIGURATION, expect_one_error, expect_works, plain};

fn check_config(text: &str, words: &[&str]) {
    let world = World::new();
    let repository = plain(&world);
    let path = world.path("hearth.toml");
    fs::write(&path, text).expect("a file can be written");
    let ran = world.exec(&repository).env("HEARTH_CONFIG", &path).sh("echo started");
    expect_one_error(&ran, BAD_CONFIGURATION, words);
    assert!(ran.stderr.contains("hearth.toml"), "{ran}");
    expect_works(&world, 1);
}

#[test]
fn a_misspelt_key_is_refused_with_the_nearest_right_one() {
    check_config("[targets]\nbudgte = \"20GiB\"\n", &["unknown key `targets.budgte`", "did you mean `budget`"]);
    check_config("[tarqets]\nbudget = \"20GiB\"\n", &["unknown key `tarqets`", "did you mean `targets`"]);
}

#[test]
fn a_value_that_makes_no_sense_is_refused_at_its_place() {
    check_config("[targets]\nbudget = \"20 potatoes\"\n", &["targets.budget", "20 potatoes", "GiB"]);
    check_config("[slots\n", &["hearth.toml"]);
}

#[test]
fn variables_that_make_no_sense_are_named() {
    let world = World::new();
    let repository = plain(&world);
    for (name, value) in [("HEARTH_SLOTS", "0"), ("HEARTH_SLOTS", "many"), ("HEARTH_TARGETS_BUDGET", "20 potatoes")] {
        let ran = world.exec(&repository).env(name, value).sh("echo started");
        expect_one_error(&ran, BAD_CONFIGURATION, &[value]);
    }
    let ran = world.exec(&repository).env("HEARTH_CONFIG", world.path("nowhere.toml")).sh("echo started");
    expect_one_error(&ran, BAD_CONFIGURATION, &["nowhere.toml"]);
    expect_works(&world, 1);
}

#[test]
fn a_job_name_with_control_characters_is_refused() {
    let world = World::new();
    let repository = plain(&world);
    for name in ["a\u{1b}[31mb", "two\nlines", "", "   "] {
        let ran = world.exec(&repository).args(["--job", name]).sh("echo started");
        assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(BAD_COMMAND_LINE), ""), "{ran}");
        assert!(ran.stderr.contains("control characters") && !ran.stderr.contains('\u{1b}'), "{ran}");
    }
    expect_works(&world, 1);
}

#[test]
fn a_receipt_that_cannot_be_written_does_not_change_the_jobs_end() {
    let world = World::new();
    let repository = plain(&world);
    let call = world.hearth().arg("exec").arg("--repo").arg(repository.path());
    let ran = call.args(["--receipt", "/nowhere/receipt.json"]).sh("echo started; exit 7");
    assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(7), "started\n"), "{ran}");
    assert!(ran.stderr.contains("/nowhere/receipt.json"), "{ran}");
    expect_works(&world, 2);
}
