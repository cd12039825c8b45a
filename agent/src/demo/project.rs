//! The repository on which the demo runs: a real workspace of six packages with tests, written from the files beside
//! this one, and its history. Git is asked with nothing of the user's own configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_host::tree;

use super::DemoError;

/// Every file of the workspace: where it goes and what is in it.
const FILES: &[(&str, &str)] = &[
    (".gitignore", "/target\n"),
    (".cargo/config.toml", include_str!("project/cargo-config.toml")),
    ("Cargo.toml", include_str!("project/workspace.toml")),
    ("clippy.toml", include_str!("project/clippy.toml")),
    ("rustfmt.toml", include_str!("project/rustfmt.toml")),
    ("units/Cargo.toml", include_str!("project/units/package.toml")),
    ("units/build.rs", include_str!("project/units/build.rs")),
    ("units/units.txt", include_str!("project/units/units.txt")),
    ("units/src/lib.rs", include_str!("project/units/src/lib.rs")),
    ("core/Cargo.toml", include_str!("project/core/package.toml")),
    ("core/src/lib.rs", include_str!("project/core/src/lib.rs")),
    ("parser/Cargo.toml", include_str!("project/parser/package.toml")),
    ("parser/src/lib.rs", include_str!("project/parser/src/lib.rs")),
    ("parser/src/tokens.rs", include_str!("project/parser/src/tokens.rs")),
    ("parser/src/tree.rs", include_str!("project/parser/src/tree.rs")),
    ("records/Cargo.toml", include_str!("project/records/package.toml")),
    ("records/src/lib.rs", include_str!("project/records/src/lib.rs")),
    ("engine/Cargo.toml", include_str!("project/engine/package.toml")),
    ("engine/src/lib.rs", include_str!("project/engine/src/lib.rs")),
    ("engine/scripts/old-pipeline.kiln", include_str!("project/engine/scripts/old-pipeline.kiln")),
    ("engine/scripts/new-pipeline.kiln", include_str!("project/engine/scripts/new-pipeline.kiln")),
    ("engine/scripts/storage.kiln", include_str!("project/engine/scripts/storage.kiln")),
    ("engine/tests/scripts.rs", include_str!("project/engine/tests/scripts.rs")),
    ("engine/tests/integration.rs", include_str!("project/engine/tests/integration.rs")),
    ("cli/Cargo.toml", include_str!("project/cli/package.toml")),
    ("cli/src/main.rs", include_str!("project/cli/src/main.rs")),
    ("cli/src/output.rs", include_str!("project/cli/src/output.rs")),
    ("cli/tests/e2e.rs", include_str!("project/cli/tests/e2e.rs")),
];

/// A change of one line, as somebody might make it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) title: &'static str,
    path: &'static str,
    before: &'static str,
    after: &'static str,
}

/// Names a missing function as it was called.
pub(super) const NAME_FUNCTIONS: Change = Change {
    title: "engine: show a missing function as a call",
    path: "engine/src/lib.rs",
    before: "_ => return Err(EngineError::Name(function.to_owned())),",
    after: "_ => return Err(EngineError::Name(format!(\"{function}()\"))),",
};

/// Says what to do about a wrong order.
pub(super) const SAY_THE_ORDER: Change = Change {
    title: "records: say in which order jobs stand",
    path: "records/src/lib.rs",
    before: "job {job} needs {needs}, which does not stand before it",
    after: "job {job} needs {needs}, which has to stand before it",
};

/// The repository.
#[derive(Debug)]
pub(super) struct Project {
    root: PathBuf,
}

impl Project {
    /// Writes the files.
    pub(super) fn write(root: PathBuf) -> Result<Self, DemoError> {
        for (path, text) in FILES {
            write(&root.join(path), text)?;
        }
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The git commands that make a repository of the directory, on the branch `main`.
    pub(super) fn init(&self) -> Vec<Command> {
        vec![
            // No templates: a user's hooks have nothing to do with the demo.
            self.git(&["init", "--quiet", "--template="]),
            self.git(&["symbolic-ref", "HEAD", "refs/heads/main"]),
            self.git(&["config", "user.name", "Hearth demo"]),
            self.git(&["config", "user.email", "demo@localhost"]),
            self.git(&["config", "commit.gpgsign", "false"]),
        ]
    }

    pub(super) fn commit(&self, title: &str) -> Vec<Command> {
        vec![self.git(&["add", "--all"]), self.git(&["commit", "--quiet", "--message", title])]
    }

    pub(super) fn head(&self) -> Command {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes a change in the checkout.
    pub(super) fn make(&self, change: &Change) -> Result<(), DemoError> {
        let path = self.root.join(change.path);
        let text = fs::read_to_string(&path).map_err(|cause| failed("read", &path, cause))?;
        write(&path, &text.replacen(change.before, change.after, 1))
    }

    /// Takes the checkout away and gives the command that makes it again: every job of a real pipeline starts from a
    /// checkout whose files are all new.
    pub(super) fn fresh_checkout(&self) -> Result<Command, DemoError> {
        let entries = fs::read_dir(&self.root).map_err(|cause| failed("read", &self.root, cause))?;
        for entry in entries {
            let path = entry.map_err(|cause| failed("read", &self.root, cause))?.path();
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            let gone = if path.is_dir() { tree::remove(&path) } else { fs::remove_file(&path) };
            gone.map_err(|cause| failed("remove", &path, cause))?;
        }
        Ok(self.git(&["reset", "--quiet", "--hard"]))
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root).args(arguments);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command
    }
}

fn write(path: &Path, text: &str) -> Result<(), DemoError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|cause| failed("make", directory, cause))?;
    }
    fs::write(path, text).map_err(|cause| failed("write", path, cause))
}

fn failed(what: &'static str, path: &Path, cause: std::io::Error) -> DemoError {
    DemoError::File { what, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_one_line_of_its_file() {
        for change in [NAME_FUNCTIONS, SAY_THE_ORDER] {
            let (_, text) = FILES.iter().find(|(path, _)| *path == change.path).unwrap();
            assert_eq!(text.matches(change.before).count(), 1, "{}", change.title);
            assert!(!change.before.contains('\n') && !change.after.contains('\n'));
            assert_ne!(change.before, change.after);
        }
    }

    #[test]
    fn every_member_of_the_workspace_is_written() {
        let (_, workspace) = FILES.iter().find(|(path, _)| *path == "Cargo.toml").unwrap();
        for member in ["units", "core", "parser", "records", "engine", "cli"] {
            assert!(workspace.contains(&format!("\"{member}\"")), "{member}");
            assert!(FILES.iter().any(|(path, _)| *path == format!("{member}/Cargo.toml")), "{member}");
        }
    }

    #[test]
    fn a_fresh_checkout_keeps_the_history_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let project = Project::write(directory.path().join("kiln")).unwrap();
        for mut command in project.init().into_iter().chain(project.commit("first")) {
            assert!(command.status().unwrap().success());
        }
        write(&project.root().join("target/debug/kiln"), "built").unwrap();
        project.make(&NAME_FUNCTIONS).unwrap();
        assert!(project.fresh_checkout().unwrap().status().unwrap().success());
        assert!(!project.root().join("target").exists());
        let text = fs::read_to_string(project.root().join(NAME_FUNCTIONS.path)).unwrap();
        assert!(text.contains(NAME_FUNCTIONS.before), "what was not committed is gone");
    }
}
