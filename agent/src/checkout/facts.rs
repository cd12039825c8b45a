//! The facts of a checkout, read in one go.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hearth_model::{Ref, WorkTree};
use serde::{Deserialize, Serialize};

use super::git::{Git, GitError, parse_status, repository_name};
use super::sources::{self, Listing};

/// A checkout as git describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checkout {
    /// The top directory, without symbolic links in it.
    pub top: PathBuf,
    pub repository: String,
    pub reference: Ref,
    pub default_branch: String,
    pub commit: Option<String>,
    pub work_tree: WorkTree,
    pub lock_digest: Option<String>,
    pub listing: Listing,
}

/// Reads everything about the checkout that `directory` is in.
pub async fn inspect(directory: &Path) -> Result<Checkout, GitError> {
    let here = Git::at(directory);
    // One question each: a path may hold a line end, and git ends each answer with one.
    let (top, common) = tokio::join!(
        here.ask(&["rev-parse", "--path-format=absolute", "--show-toplevel"]),
        here.ask(&["rev-parse", "--path-format=absolute", "--git-common-dir"]),
    );
    let (top, common) = (path(&top?), path(&common?));
    let top = top.canonicalize().map_err(|cause| GitError::Read { path: top, cause })?;
    let git = Git::at(&top);
    // The status refreshes git's own index when it is stale, as any `git status` does.
    let (status, remote, remote_head, heads) = tokio::join!(
        git.ask(&["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all"]),
        git.line(&["config", "--get", "remote.origin.url"]),
        git.line(&["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"]),
        git.line(&["for-each-ref", "--format=%(refname)", "refs/heads/main", "refs/heads/master", "refs/heads/trunk"]),
    );
    let status = status?;
    let status = parse_status(&status).ok_or_else(|| git.unreadable("status", &status))?;
    let listing = sources::list(&git, &top, &status).await?;
    let repository = remote
        .as_deref()
        .and_then(repository_name)
        .unwrap_or_else(|| format!("local{}", common.to_string_lossy().trim_end_matches("/.git")));
    let reference = match &status.branch {
        Some(name) => Ref::Branch(name.clone()),
        None => Ref::Other("HEAD".to_owned()),
    };
    Ok(Checkout {
        repository,
        default_branch: default_branch(remote_head.as_deref(), heads.as_deref(), status.branch.as_deref()),
        reference,
        commit: status.commit,
        work_tree: if status.is_dirty { WorkTree::Dirty } else { WorkTree::Clean },
        lock_digest: lock_digest(directory, &top),
        listing,
        top,
    })
}

fn path(answer: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(answer.strip_suffix(b"\n").unwrap_or(answer)))
}

/// What the remote calls its default; without a remote, the first of main, master, trunk that exists; else the branch
/// that is checked out, which is then the only one that matters.
fn default_branch(remote_head: Option<&str>, heads: Option<&str>, current: Option<&str>) -> String {
    if let Some(name) = remote_head.and_then(|r| r.strip_prefix("refs/remotes/origin/")) {
        return name.to_owned();
    }
    let local = heads.and_then(|h| h.lines().next()).and_then(|h| h.strip_prefix("refs/heads/"));
    local.or(current).unwrap_or("main").to_owned()
}

/// The lock file nearest to where the job runs.
fn lock_digest(directory: &Path, top: &Path) -> Option<String> {
    let start = directory.canonicalize().ok()?;
    for parent in start.ancestors().take_while(|p| p.starts_with(top)) {
        if let Ok(bytes) = std::fs::read(parent.join("Cargo.lock")) {
            return Some(blake3::hash(&bytes).to_hex()[..32].to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_branch_is_the_remotes_word_first() {
        let origin = Some("refs/remotes/origin/develop");
        assert_eq!(default_branch(origin, Some("refs/heads/main"), Some("x")), "develop");
        assert_eq!(default_branch(None, Some("refs/heads/master"), Some("x")), "master");
        assert_eq!(default_branch(None, None, Some("x")), "x");
        assert_eq!(default_branch(None, None, None), "main");
    }
}
