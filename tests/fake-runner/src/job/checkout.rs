//! What `actions/checkout` makes of a workspace, as a list of git commands: clean the repository that is there or make a
//! new one, fetch one commit, check it out. Pure but for the look at what is there.

use std::fs;
use std::io;
use std::path::Path;

use fake_github::runner_protocol::Checkout;

/// One call of git.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) arguments: Vec<String>,
    /// What to do when it fails.
    pub(crate) or: Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Or {
    Fail,
    /// The repository is beyond repair: delete everything and begin anew.
    BeginAnew,
}

fn call(arguments: &[&str]) -> Call {
    Call { arguments: arguments.iter().map(|word| (*word).to_owned()).collect(), or: Or::Fail }
}

/// What says whose work tree this is. One of another remote is deleted.
pub(crate) fn remote() -> Call {
    call(&["config", "--local", "--get", "remote.origin.url"])
}

/// Deletes what stands in the directory, not the directory.
pub(crate) fn empty(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let removed =
            if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed?;
    }
    Ok(())
}

/// Locks that a git which was killed left behind.
pub(crate) fn unlock(directory: &Path) {
    for lock in ["index.lock", "shallow.lock"] {
        // Most often there is none.
        let _none = fs::remove_file(directory.join(".git").join(lock));
    }
}

/// Makes a reused repository clean.
pub(crate) fn clean() -> Vec<Call> {
    let calls = [call(&["clean", "-ffdx"]), call(&["reset", "--hard", "HEAD"])];
    calls.map(|call| Call { or: Or::BeginAnew, ..call }).into()
}

/// Makes a new repository.
pub(crate) fn begin(url: &str) -> Vec<Call> {
    vec![call(&["init", "--quiet", "."]), call(&["remote", "add", "origin", url])]
}

/// Gets the commit. `sha` is the job's own, used when the step asks for the job's own ref.
pub(crate) fn get(checkout: &Checkout, job_ref: Option<&str>, job_sha: Option<&str>) -> Vec<Call> {
    let reference = checkout.reference.as_str();
    let is_commit = reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sha = if is_commit { Some(reference) } else { job_sha.filter(|_| job_ref == Some(reference)) };
    // Where the ref stands here, and the branch to be on.
    let (local, branch) = if is_commit {
        (None, None)
    } else if let Some(pull) = reference.strip_prefix("refs/pull/") {
        (Some(format!("refs/remotes/pull/{pull}")), None)
    } else if reference.starts_with("refs/tags/") {
        (Some(reference.to_owned()), None)
    } else {
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        (Some(format!("refs/remotes/origin/{branch}")), Some(branch))
    };
    let remote = sha.unwrap_or(reference);
    let spec = local.as_ref().map_or_else(|| remote.to_owned(), |local| format!("+{remote}:{local}"));
    let fetch = ["fetch", "--no-tags", "--prune", "--no-recurse-submodules", "--depth=1", "origin", &spec];
    let target = local.as_deref().unwrap_or(remote);
    let to_branch = branch.map(|branch| ["-B", branch]).into_iter().flatten();
    let checkout = ["checkout", "--progress", "--force"].into_iter().chain(to_branch).chain([target]);
    vec![call(&["config", "--local", "gc.auto", "0"]), call(&fetch), call(&checkout.collect::<Vec<_>>())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "0123456789012345678901234567890123456789";

    /// The last two calls, for this ref in a job of `refs/heads/main`.
    fn check(reference: &str, fetched: &str, checked_out: &str) {
        let checkout = Checkout { url: "u".to_owned(), reference: reference.to_owned(), path: None };
        let calls = get(&checkout, Some("refs/heads/main"), Some(SHA));
        let lines: Vec<_> = calls[1..].iter().map(|call| call.arguments.join(" ")).collect();
        let fetch = format!("fetch --no-tags --prune --no-recurse-submodules --depth=1 origin {fetched}");
        assert_eq!(lines, [fetch, format!("checkout --progress --force {checked_out}")], "{reference}");
    }

    #[test]
    fn each_kind_of_ref_has_its_place() {
        check("refs/heads/main", &format!("+{SHA}:refs/remotes/origin/main"), "-B main refs/remotes/origin/main");
        check("refs/heads/f/x", "+refs/heads/f/x:refs/remotes/origin/f/x", "-B f/x refs/remotes/origin/f/x");
        check("refs/pull/5/merge", "+refs/pull/5/merge:refs/remotes/pull/5/merge", "refs/remotes/pull/5/merge");
        check("refs/tags/v1", "+refs/tags/v1:refs/tags/v1", "refs/tags/v1");
        check(SHA, SHA, SHA);
    }
}
