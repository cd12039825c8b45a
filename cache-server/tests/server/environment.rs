//! The only place of these tests that reads the environment. A missing means is a reason to skip, said aloud, unless
//! `HEARTH_REQUIRE_ALL` is set: then it is a failure.
#![expect(clippy::disallowed_methods, reason = "this is the one file of this binary that reads the environment")]

use std::ffi::OsString;

/// What any program needs to be started, and nothing of what the server would listen to.
pub(crate) fn bare() -> Vec<(&'static str, OsString)> {
    ["PATH", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect()
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
