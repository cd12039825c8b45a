//! The environment of these tests: the one place that reads it.

use std::path::PathBuf;

/// An archive of the official runner program. Nobody but GitHub has one, so its absence fails nothing.
pub(crate) const OFFICIAL_RUNNER: &str = "HEARTH_OFFICIAL_RUNNER";

#[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
pub(crate) fn official_runner() -> Option<PathBuf> {
    std::env::var_os(OFFICIAL_RUNNER).map(PathBuf::from)
}
