//! The cargo workspace that a job runs in, as `cargo metadata` describes it: where final artifacts go and what they
//! are called.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

/// It reads manifests and nothing else; a job does not wait longer for it than it would cost to do without.
const DEADLINE: Duration = Duration::from_secs(5);

/// What is known before anything is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Where people look for final artifacts.
    pub target_directory: PathBuf,
    /// Binaries, examples and dynamic libraries of the members, below a profile's directory.
    pub artifacts: BTreeSet<PathBuf>,
    /// The directories of profiles below `target_directory`: `debug`, `release`, and the workspace's own.
    pub profiles: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Metadata {
    target_directory: PathBuf,
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    profile: toml::Table,
}

impl Workspace {
    /// `None` where there is no workspace, or cargo cannot read it: then the job will hear that from cargo itself.
    pub async fn of(directory: &Path) -> Option<Self> {
        let answer = Command::new("cargo")
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(DEADLINE, answer).await.ok()?.ok()?;
        let metadata: Metadata = serde_json::from_slice(&output.stdout).ok()?;
        let manifest = std::fs::read_to_string(metadata.workspace_root.join("Cargo.toml")).unwrap_or_default();
        Some(Self::from_parts(metadata, &toml::from_str(&manifest).unwrap_or_default()))
    }

    fn from_parts(metadata: Metadata, manifest: &Manifest) -> Self {
        let targets = metadata.packages.into_iter().flat_map(|package| package.targets);
        let own = manifest.profile.keys().map(|name| profile_directory(name).to_owned());
        Self {
            artifacts: targets.flat_map(|target| artifacts(&target)).collect(),
            profiles: ["debug".to_owned(), "release".to_owned()].into_iter().chain(own).collect(),
            target_directory: metadata.target_directory,
        }
    }
}

/// cargo's own names for the directories of its built-in profiles.
fn profile_directory(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    }
}

fn artifacts(target: &Target) -> Vec<PathBuf> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
    let program = || PathBuf::from(format!("{}{EXE_SUFFIX}", target.name));
    let library =
        |prefix: &str, suffix: &str| PathBuf::from(format!("{prefix}{}{suffix}", target.name.replace('-', "_")));
    target
        .kind
        .iter()
        .filter_map(|kind| match kind.as_str() {
            "bin" => Some(program()),
            "example" => Some(Path::new("examples").join(program())),
            "cdylib" | "dylib" => Some(library(DLL_PREFIX, DLL_SUFFIX)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_and_profiles_are_named_as_cargo_names_them() {
        let json = r#"{"target_directory":"/w/target","workspace_root":"/w","packages":[{"targets":[
            {"name":"my-app","kind":["bin"]},{"name":"my-app","kind":["lib","cdylib"]},{"name":"show","kind":["example"]},
            {"name":"it","kind":["test"]}]}]}"#;
        let manifest = toml::from_str("[profile.dev]\ndebug = 1\n[profile.ci]\ninherits = 'test'\n").unwrap();
        let workspace = Workspace::from_parts(serde_json::from_str(json).unwrap(), &manifest);
        let library = format!("{}my_app{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let expected = ["examples/show", &library, "my-app"].map(PathBuf::from);
        assert_eq!(workspace.artifacts, expected.into());
        assert_eq!(workspace.profiles, ["ci", "debug", "release"].map(str::to_owned).into());
    }
}
