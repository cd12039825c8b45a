//! A git repository with its work tree, made and changed through the real git with nobody's configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Clone)]
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    /// A new repository on branch `main`, without commits.
    pub fn init(path: &Path) -> Self {
        let repository = Self::at(path);
        fs::create_dir_all(path).expect("a directory can be made");
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// One that stands there already.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// A fresh clone of `self` at `path`; what was there before is deleted.
    #[must_use]
    pub fn clone_to(&self, path: &Path, revision: &str) -> Self {
        if path.exists() {
            fs::remove_dir_all(path).expect("the old clone can be deleted");
        }
        let text = |path: &Path| path.to_str().expect("test paths are text").to_owned();
        self.git(&["clone", "--quiet", "--no-checkout", &text(&self.path), &text(path)]);
        let clone = Self::at(path);
        clone.git(&["checkout", "--quiet", "--force", revision]);
        clone
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, file: &str, text: &str) -> &Self {
        let path = self.path.join(file);
        fs::create_dir_all(path.parent().expect("a file stands in a directory")).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
        self
    }

    pub fn remove(&self, path: &str) -> &Self {
        let path = self.path.join(path);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.expect("a path can be removed");
        self
    }

    /// Commits everything that is there; gives the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in the work tree; gives what it said.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.path).args(["-c", "user.name=Test", "-c", "user.email=test@hearth.example"]);
        git.args(["-c", "advice.detachedHead=false", "-c", "protocol.file.allow=always"]).args(arguments);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env_remove("GIT_DIR");
        let output = git.output().expect("git can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?} in {}: {said}", self.path.display());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
