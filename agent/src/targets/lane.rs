//! The lane: what must be equal for a snapshot to fit. The lock file, features and commit are not in it: cargo sorts
//! those out, and an older state is the best start for a newer one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hearth_model::LaneId;
use serde::{Deserialize, Serialize};

/// Raised when snapshots of an older Hearth must not be used any more.
const SCHEMA: u32 = 1;

/// The variables that change what cargo builds without cargo keeping the results apart, or that change every
/// fingerprint. Their values stand in the lane; variables that may hold secrets are not among them.
const BUILD_VARIABLES: &[&str] = &[
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_INCREMENTAL",
    "CARGO_BUILD_INCREMENTAL",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_BOOTSTRAP",
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "LDFLAGS",
    "AR",
    "SDKROOT",
    "MACOSX_DEPLOYMENT_TARGET",
];
const BUILD_PREFIXES: &[&str] = &["CARGO_PROFILE_"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneKey {
    schema: u32,
    pub repository: String,
    /// All of `rustc -vV`: system, architecture and compiler.
    pub rustc: String,
    pub cargo: String,
    /// Where the job sees its checkout.
    pub workspace: PathBuf,
    /// Where the job sees its build directory.
    pub build_directory: PathBuf,
    pub cargo_home: PathBuf,
    pub job: String,
    pub environment: BTreeMap<String, String>,
}

impl LaneKey {
    pub fn new(repository: String, job: String, toolchain: &crate::checkout::Toolchain, paths: LanePaths) -> Self {
        Self {
            schema: SCHEMA,
            repository,
            rustc: toolchain.rustc.clone(),
            cargo: toolchain.cargo.clone(),
            workspace: paths.workspace,
            build_directory: paths.build_directory,
            cargo_home: paths.cargo_home,
            job,
            environment: BTreeMap::new(),
        }
    }

    /// Takes what matters to a build out of the job's environment.
    #[must_use]
    pub fn with_environment<'a>(mut self, variables: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        self.environment = Self::variables(variables);
        self
    }

    /// The variables that change what is built.
    pub fn variables<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
        all.filter(|(name, _)| matters(name)).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The lane's name: a digest of the whole key.
    pub fn id(&self) -> LaneId {
        let canonical = serde_json::to_vec(self).expect("a key of strings and paths made from strings is always JSON");
        blake3::hash(&canonical).to_hex()[..16].parse().expect("sixteen hex digits are a lane id")
    }

    /// In which points `self` and `other` differ, for people.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, ours: &str, theirs: &str| {
            if ours != theirs {
                found.push(format!("{what}: {ours} here, {theirs} there"));
            }
        };
        let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        compare("schema", &self.schema.to_string(), &other.schema.to_string());
        compare("rustc", &first_line(&self.rustc), &first_line(&other.rustc));
        compare("cargo", &self.cargo, &other.cargo);
        compare("workspace", &self.workspace.to_string_lossy(), &other.workspace.to_string_lossy());
        let (ours, theirs) = (self.build_directory.to_string_lossy(), other.build_directory.to_string_lossy());
        compare("build directory", &ours, &theirs);
        compare("CARGO_HOME", &self.cargo_home.to_string_lossy(), &other.cargo_home.to_string_lossy());
        compare("job", &self.job, &other.job);
        let names: std::collections::BTreeSet<&String> =
            self.environment.keys().chain(other.environment.keys()).collect();
        let unset = "unset".to_owned();
        for name in names {
            let (ours, theirs) = (self.environment.get(name), other.environment.get(name));
            compare(name, ours.unwrap_or(&unset), theirs.unwrap_or(&unset));
        }
        found
    }
}

/// The paths that cargo and rustc write into what they build.
#[derive(Debug, Clone)]
pub struct LanePaths {
    pub workspace: PathBuf,
    pub build_directory: PathBuf,
    pub cargo_home: PathBuf,
}

fn matters(name: &str) -> bool {
    let per_target = name.starts_with("CARGO_TARGET_")
        && ["_RUSTFLAGS", "_LINKER", "_RUNNER"].iter().any(|suffix| name.ends_with(suffix));
    per_target || BUILD_VARIABLES.contains(&name) || BUILD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::Toolchain;

    fn key(job: &str, environment: &[(&str, &str)]) -> LaneKey {
        let toolchain = Toolchain { rustc: "rustc 1.95.0\nhost: x".to_owned(), cargo: "cargo 1.95.0".to_owned() };
        let paths = LanePaths { workspace: "/w".into(), build_directory: "/b".into(), cargo_home: "/c".into() };
        LaneKey::new("github.com/acme/app".to_owned(), job.to_owned(), &toolchain, paths)
            .with_environment(environment.iter().copied())
    }

    #[test]
    fn only_what_changes_a_build_is_in_the_lane() {
        let plain = key("test", &[]);
        let noise =
            [("PATH", "/x"), ("GITHUB_SHA", "1"), ("CARGO_REGISTRIES_X_TOKEN", "secret"), ("CARGO_TERM_COLOR", "a")];
        assert_eq!(plain.id(), key("test", &noise).id());
        for (name, value) in [
            ("RUSTFLAGS", "-g"),
            ("CARGO_PROFILE_DEV_OPT_LEVEL", "1"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "mold"),
            ("CARGO_INCREMENTAL", "0"),
        ] {
            assert_ne!(plain.id(), key("test", &[(name, value)]).id(), "{name}");
        }
        assert_ne!(plain.id(), key("build", &[]).id());
    }

    #[test]
    fn a_difference_is_named() {
        let differences = key("test", &[("RUSTFLAGS", "-g")]).differences(&key("build", &[]));
        assert_eq!(differences, ["job: test here, build there", "RUSTFLAGS: -g here, unset there"]);
        assert!(key("a", &[]).differences(&key("a", &[])).is_empty());
    }
}
