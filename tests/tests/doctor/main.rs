//! `hearth doctor`, `hearth register` and `hearth unregister` from outside: on a machine in order, and on machines that
//! lack one thing each.

mod broken;
mod good;
mod register;
mod unregister;

use std::fs;
use std::path::Path;

use hearth_tests::job::{Call, Ran};
use hearth_tests::served::{Machine, Served};
use serde_json::Value;

/// Everything but the daemon, with a runner program installed and addresses that no other test has.
fn machine(lines: &str) -> Served {
    prepared(&Machine { github: lines.to_owned(), ..Machine::default() })
}

fn prepared(machine: &Machine) -> Served {
    let served = Served::prepare(machine);
    configure(&served, |text| format!("[admin]\nlisten = '127.0.0.1:0'\n\n{text}"));
    served.hearth().args(["runner", "install"]).run().expect_success();
    served
}

/// Rewrites the configuration.
fn configure(served: &Served, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(served.configuration()).expect("the configuration can be read");
    fs::write(served.configuration(), change(text)).expect("the configuration can be written");
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of ours takes a mode");
}

/// What `hearth doctor --json` found.
struct Found {
    code: i32,
    all: Value,
}

impl Found {
    fn by(call: Call) -> Self {
        let ran: Ran = call.args(["doctor", "--json"]).run();
        let all = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| unreachable!("{error}: {ran}"));
        Self { code: ran.code(), all }
    }

    fn on(served: &Served) -> Self {
        Self::by(served.hearth())
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        let sections = self.all["sections"].as_array().expect("there are sections");
        sections.iter().flat_map(|section| section["findings"].as_array().expect("a section has findings"))
    }

    /// The findings in this state, by name.
    fn named(&self, state: &str) -> Vec<&str> {
        let those = self.findings().filter(|finding| finding["state"] == state);
        those.map(|finding| finding["name"].as_str().expect("a finding has a name")).collect()
    }

    /// One finding in this state says these words, and it says why and how to mend it.
    #[track_caller]
    fn expect(&self, state: &str, name: &str, found: &str, fix: &str) {
        let has = |finding: &&Value, key: &str, words: &str| finding[key].as_str().is_some_and(|t| t.contains(words));
        let fits = |finding: &&Value| {
            finding["state"] == state
                && finding["name"] == name
                && has(finding, "found", found)
                && has(finding, "fix", fix)
        };
        let finding = self.findings().find(fits);
        assert!(finding.is_some(), "no `{name}` is {state} with `{found}` and `{fix}`\n{:#}", self.all);
        assert!(finding.is_some_and(|finding| finding["why"] != ""), "{finding:#?}");
    }
}
