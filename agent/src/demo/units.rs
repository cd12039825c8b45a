//! What cargo and the tests said of themselves on standard output: units and whether they were fresh, tests that
//! passed. Pure; knows nothing of caches.

use serde::{Deserialize, Serialize};

/// What one job built and tested.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Units {
    /// Units that cargo named, fresh ones included.
    pub(super) total: u64,
    /// Those that were not fresh: compiled, or fetched from the compile cache.
    pub(super) compiled: u64,
    /// Packages of the workspace among the compiled ones, in cargo's order.
    pub(super) packages: Vec<String>,
    pub(super) tests_passed: u64,
}

/// One line of cargo's JSON; see "External tools" in the cargo book.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    fresh: Option<bool>,
}

impl Units {
    /// Takes in one line of a job's standard output. Gives it back when it was meant for people.
    pub(super) fn hear<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        if let Ok(message) = serde_json::from_str::<Message>(line) {
            if message.reason == "compiler-artifact" {
                self.count(&message);
            }
            return None;
        }
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.tests_passed += passed(rest).unwrap_or(0);
        }
        Some(line)
    }

    fn count(&mut self, message: &Message) {
        self.total += 1;
        if message.fresh == Some(true) {
            return;
        }
        self.compiled += 1;
        let package = message.package_id.as_deref().and_then(workspace_package);
        if let Some(name) = package
            && !self.packages.iter().any(|known| known == name)
        {
            self.packages.push(name.to_owned());
        }
    }
}

/// The name in `path+file:///w/engine#kiln-engine@0.1.0`, or in `path+file:///w/engine#0.1.0` when the directory has
/// the package's name; `None` for a package that comes from elsewhere.
fn workspace_package(id: &str) -> Option<&str> {
    let (path, name) = id.strip_prefix("path+")?.split_once('#')?;
    match name.split_once('@') {
        Some((name, _version)) => Some(name),
        None => path.rsplit('/').next(),
    }
}

/// The number in `ok. 5 passed; 0 failed; …`.
fn passed(result: &str) -> Option<u64> {
    result.split_once(". ")?.1.split_once(" passed")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(package: &str, fresh: bool) -> String {
        serde_json::json!({ "reason": "compiler-artifact", "package_id": package, "fresh": fresh, "target": {} })
            .to_string()
    }

    #[test]
    fn fresh_units_are_told_from_compiled_ones() {
        let mut units = Units::default();
        let registry = "registry+https://github.com/rust-lang/crates.io-index#serde@1.0.229";
        for line in [
            artifact(registry, true),
            artifact(registry, false),
            artifact("path+file:///w/engine#kiln-engine@0.1.0", false),
            artifact("path+file:///w/engine#kiln-engine@0.1.0", false),
            artifact("path+file:///w/cli#0.1.0", false),
            artifact("path+file:///w/core#kiln-core@0.1.0", true),
            r#"{"reason":"build-script-executed","package_id":"x"}"#.to_owned(),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ] {
            assert_eq!(units.hear(&line), None, "{line}");
        }
        assert_eq!((units.total, units.compiled), (6, 4));
        assert_eq!(units.packages, ["kiln-engine", "cli"]);
    }

    #[test]
    fn passed_tests_are_added_up_and_text_is_left_to_people() {
        let mut units = Units::default();
        for (line, passed) in [
            ("running 5 tests", 0),
            ("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s", 5),
            ("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out", 7),
            ("test result: something else", 7),
            ("{\"no\":\"message\"}", 7),
        ] {
            assert_eq!(units.hear(line), Some(line));
            assert_eq!(units.tests_passed, passed, "{line}");
        }
    }
}
