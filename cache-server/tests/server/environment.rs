//! The only place of these tests that reads the environment.
#![expect(clippy::disallowed_methods, reason = "this is the one file of this binary that reads the environment")]

use std::ffi::OsString;

/// What any program needs to be started, and nothing of what the server would listen to.
pub(crate) fn bare() -> Vec<(&'static str, OsString)> {
    ["PATH", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect()
}
