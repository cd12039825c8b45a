//! The environment of the test process: the one place that reads it. Lists every variable that the tests know.

use std::ffi::{OsStr, OsString};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Turns every skip into a failure, for machines that are meant to have everything.
pub const REQUIRE_ALL: &str = "HEARTH_REQUIRE_ALL";
/// A finished `hearth` to test, say a package's, in the place of the one that is built here.
pub const BINARY: &str = "HEARTH_BINARY";
/// An sccache that people install by themselves, in the place of the one on the path.
pub const SCCACHE: &str = "HEARTH_TEST_SCCACHE";
/// GitHub's OpenAPI description as JSON, which the fake GitHub holds calls and answers against.
pub const GITHUB_OPENAPI: &str = "HEARTH_GITHUB_OPENAPI";
/// Which random plans of faults a served machine is put through at full length: `7`, or `1-20`. Unset: one short run.
pub const FAULT_SEEDS: &str = "HEARTH_FAULT_SEEDS";

/// What cargo tells the tests of one package and must not tell the cargo that they start: build scripts listen to it.
const OF_THIS_PACKAGE: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_PRIMARY_", "LD_LIBRARY_PATH"];

/// What this process was started with.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    pub fn of_this_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_os_str())
    }

    /// The cargo that started us.
    pub fn cargo(&self) -> OsString {
        self.get("CARGO").unwrap_or(OsStr::new("cargo")).to_owned()
    }

    pub fn requires_all(&self) -> bool {
        self.get(REQUIRE_ALL) == Some(OsStr::new("1"))
    }

    pub fn binary(&self) -> Option<PathBuf> {
        self.get(BINARY).map(PathBuf::from)
    }

    /// An sccache that is not ours.
    pub fn sccache(&self) -> Option<PathBuf> {
        let on_path = || {
            let path = self.get("PATH")?;
            std::env::split_paths(path).map(|directory| directory.join("sccache")).find(|program| program.is_file())
        };
        self.get(SCCACHE).map(PathBuf::from).or_else(on_path)
    }

    pub fn github_openapi(&self) -> Option<PathBuf> {
        self.get(GITHUB_OPENAPI).map(PathBuf::from)
    }

    /// From the first to the last of the seeds that somebody asked for.
    pub fn fault_seeds(&self) -> Option<RangeInclusive<u64>> {
        let text = self.get(FAULT_SEEDS)?.to_string_lossy().into_owned();
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let number = |text: &str| text.trim().parse().expect("seeds are written as `7` or `1-20`");
        Some(number(first)..=number(last))
    }

    /// What a program needs to find commands, the toolchain and the registry, and nothing else.
    pub fn scrubbed(&self) -> Vec<(OsString, OsString)> {
        let below_home = |name: &str| self.get("HOME").map(|home| PathBuf::from(home).join(name).into_os_string());
        let of = |name: &str, default: Option<OsString>| {
            let value = self.get(name).map(OsStr::to_owned).or(default);
            value.map(|value| (OsString::from(name), value))
        };
        let found = [
            of("PATH", None),
            of("CARGO_HOME", below_home(".cargo")),
            of("RUSTUP_HOME", below_home(".rustup").filter(|path| PathBuf::from(path).exists())),
        ];
        found.into_iter().flatten().collect()
    }

    /// The names that are taken away from a cargo that builds this workspace on behalf of a test.
    pub fn of_this_package(&self) -> impl Iterator<Item = &OsStr> {
        let told = |name: &&OsStr| {
            name.to_str().is_some_and(|name| OF_THIS_PACKAGE.iter().any(|beginning| name.starts_with(beginning)))
        };
        self.variables.iter().map(|(name, _)| name.as_os_str()).filter(told)
    }
}
