//! The only place of these tests that reads the environment. A missing means is a reason to skip, said aloud, unless
//! `HEARTH_REQUIRE_ALL` is set: then it is a failure.
#![expect(clippy::disallowed_methods, reason = "this is the one file of this binary that reads the environment")]

use std::path::PathBuf;

/// Says why a test cannot run here.
#[track_caller]
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("HEARTH_REQUIRE_ALL").is_none(), "HEARTH_REQUIRE_ALL is set, but: {reason}");
    #[expect(clippy::print_stdout, reason = "a skip is said aloud")]
    {
        println!("skipped: {reason}");
    }
}

/// The sccache to test with: `HEARTH_TEST_SCCACHE`, or the one on the path.
pub(crate) fn sccache() -> Option<PathBuf> {
    std::env::var_os("HEARTH_TEST_SCCACHE")
        .map(PathBuf::from)
        .or_else(|| on_path("sccache"))
        .filter(|path| path.is_file())
}

/// The directory below which npm has put GitHub's clients.
pub(crate) fn actions_clients() -> Option<PathBuf> {
    std::env::var_os("HEARTH_TEST_ACTIONS")
        .map(PathBuf::from)
        .filter(|dir| dir.join("node_modules/@actions/cache").is_dir())
}

/// The Python to test with, when it has the module: `HEARTH_TEST_PYTHON`, or the one on the path.
pub(crate) fn python_with(module: &str) -> Option<PathBuf> {
    let python = std::env::var_os("HEARTH_TEST_PYTHON").map(PathBuf::from).or_else(|| on_path("python3"))?;
    let mut import = std::process::Command::new(&python);
    import.args(["-c", &format!("import {module}")]).stderr(std::process::Stdio::null());
    import.status().is_ok_and(|status| status.success()).then_some(python)
}

/// What cargo and rustc need of the environment, and nothing else: no `CARGO_*` of the run that runs this test.
pub(crate) fn for_builds() -> Vec<(&'static str, std::ffi::OsString)> {
    ["PATH", "HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
        .collect()
}

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}
