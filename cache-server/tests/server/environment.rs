//! The only place of these tests that reads the environment. A missing means is a reason to skip, said aloud, unless
//! `HEARTH_REQUIRE_ALL` is set: then it is a failure.
#![expect(clippy::disallowed_methods, reason = "this is the one file of this binary that reads the environment")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What any program needs to be started, and nothing of what the server would listen to.
pub(crate) fn bare() -> Vec<(&'static str, OsString)> {
    ["PATH", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect()
}

/// Where a program is that is not a part of every machine.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

/// The Python to test with, when it has the module: `HEARTH_TEST_PYTHON`, or the one on the path.
pub(crate) fn python_with(module: &str) -> Option<PathBuf> {
    let python = std::env::var_os("HEARTH_TEST_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let mut import = Command::new(&python);
    import.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
    import.status().is_ok_and(|status| status.success()).then_some(python)
}

/// Says why a test cannot run here.
#[track_caller]
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("HEARTH_REQUIRE_ALL").is_none(), "HEARTH_REQUIRE_ALL is set, but: {reason}");
    #[expect(clippy::print_stdout, reason = "a skip is said aloud")]
    {
        println!("skipped: {reason}");
    }
}
