//! Commands that need no server: the configuration, and what is said of a wrong one.

use crate::world::World;

#[test]
fn a_right_configuration_is_shown_with_the_origin_of_every_value() {
    let world = World::new();
    world.configure("[store]\nbudget = \"3GiB\"\n");
    let shown = world.printed(&["config", "show"]);
    assert!(shown.contains("budget = \"3GiB\"  # file "), "{shown}");
    assert!(shown.contains("memory = \"64MiB\"  # default"), "{shown}");
    assert!(world.printed(&["config", "check"]).starts_with("the configuration is right"));
    let schema: serde_json::Value = serde_json::from_str(&world.printed(&["config", "schema"])).unwrap();
    assert_eq!(schema["title"], "ServerFile");
}

#[test]
fn a_wrong_configuration_is_code_78_and_starts_nothing() {
    let world = World::new();
    world.configure("[store]\nbudgte = \"3GiB\"\n");
    for args in [&["config", "check"][..], &["serve"], &["config", "show"]] {
        let output = world.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{args:?}: {said}");
        assert!(said.contains("server.toml:2:1") && said.contains("budgte"), "{said}");
    }
    assert!(!world.dir().exists());
}

#[test]
fn a_flag_that_cannot_be_used_is_named() {
    let world = World::new();
    let output = world.run(&["serve", "--budget", "much"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(said.contains("--budget") && said.contains("`much` is not a size"), "{said}");
}
