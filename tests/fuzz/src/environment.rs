//! The environment of this binary: the one place that reads it.
#![expect(clippy::disallowed_methods, reason = "this is the one file of this binary that reads the environment")]

/// Which target the fuzzer searches.
pub(crate) const TARGET: &str = "HEARTH_FUZZ_TARGET";

/// Empty when it is not set.
pub(crate) fn target() -> String {
    std::env::var(TARGET).unwrap_or_default()
}
