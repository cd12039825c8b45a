//! Calls of the real `git`, each under a deadline, and the parsing of what it says.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Longer than any healthy answer, shorter than a person's patience.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("cannot run git; install it or put it on PATH")]
    Missing {
        #[source]
        cause: io::Error,
    },
    #[error(
        "{directory} is not inside a git repository; Hearth takes a build's identity from git: run `git init` there, \
         or name another directory with --repo"
    )]
    NotARepository { directory: PathBuf },
    #[error("git {command} in {directory} failed: {said}")]
    Failed { command: String, directory: PathBuf, said: String },
    #[error("git {command} in {directory} gave no answer within {} s", DEADLINE.as_secs())]
    Hung { command: String, directory: PathBuf },
    #[error("git {command} in {directory} said something that Hearth cannot read: {what}")]
    Unreadable { command: String, directory: PathBuf, what: String },
    #[error("cannot read the checkout at {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// One repository, spoken to through git.
#[derive(Debug, Clone)]
pub(super) struct Git {
    directory: PathBuf,
}

impl Git {
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Runs git and gives its standard output.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        self.ask_with(arguments, Vec::new()).await
    }

    /// The same with something on its standard input.
    pub(super) async fn ask_with(&self, arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>, GitError> {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(&self.directory)
            .args(arguments)
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let answer = async {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // Beside the reading: git may answer before it has read everything.
                let (_written, output) = tokio::join!(
                    async move {
                        let _closed_early = stdin.write_all(&input).await;
                        drop(stdin);
                    },
                    child.wait_with_output()
                );
                return output;
            }
            child.wait_with_output().await
        };
        let name = || arguments.first().copied().unwrap_or_default().to_owned();
        let output = match tokio::time::timeout(DEADLINE, answer).await {
            Err(_elapsed) => return Err(GitError::Hung { command: name(), directory: self.directory.clone() }),
            Ok(Err(cause)) => return Err(GitError::Missing { cause }),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if said.contains("not a git repository") {
            return Err(GitError::NotARepository { directory: self.directory.clone() });
        }
        Err(GitError::Failed { command: name(), directory: self.directory.clone(), said })
    }

    /// One line of text, or `None` when git says no.
    pub(super) async fn line(&self, arguments: &[&str]) -> Option<String> {
        let answer = self.ask(arguments).await.ok()?;
        let line = String::from_utf8_lossy(&answer).trim().to_owned();
        (!line.is_empty()).then_some(line)
    }

    pub(super) fn unreadable(&self, command: &str, what: &[u8]) -> GitError {
        GitError::Unreadable {
            command: command.to_owned(),
            directory: self.directory.clone(),
            what: String::from_utf8_lossy(&what[..what.len().min(120)]).into_owned(),
        }
    }
}

/// What `git status --porcelain=v2 --branch -z` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) commit: Option<String>,
    /// `None` when detached.
    pub(super) branch: Option<String>,
    /// Tracked paths whose file differs from the index.
    pub(super) modified: Vec<Vec<u8>>,
    pub(super) untracked: Vec<Vec<u8>>,
    pub(super) is_dirty: bool,
}

pub(super) fn parse_status(text: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    let mut records = text.split(|b| *b == 0).filter(|r| !r.is_empty());
    while let Some(record) = records.next() {
        match record.first()? {
            b'#' => {
                let line = std::str::from_utf8(record).ok()?;
                if let Some(oid) = line.strip_prefix("# branch.oid ") {
                    status.commit = (oid != "(initial)").then(|| oid.to_owned());
                } else if let Some(head) = line.strip_prefix("# branch.head ") {
                    status.branch = (head != "(detached)").then(|| head.to_owned());
                }
            }
            kind @ (b'1' | b'2' | b'u') => {
                status.is_dirty = true;
                // `XY` are the second field; the path is the rest after a fixed number of fields.
                let fields_before_path = match kind {
                    b'1' => 8,
                    b'2' => 9,
                    _ => 10,
                };
                let path = record.splitn(fields_before_path + 1, |b| *b == b' ').nth(fields_before_path)?;
                let in_work_tree = *record.get(3)?;
                if in_work_tree != b'.' || *kind == b'u' {
                    status.modified.push(path.to_owned());
                }
                if *kind == b'2' {
                    records.next()?; // where it was renamed from
                }
            }
            b'?' => {
                status.is_dirty = true;
                status.untracked.push(record.get(2..)?.to_owned());
            }
            _ => {}
        }
    }
    Some(status)
}

/// `host/owner/name` from the address of a remote; credentials in it are dropped.
pub fn repository_name(remote: &str) -> Option<String> {
    let remote = remote.trim();
    let rest = match remote.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest,
        // `user@host:owner/name`, but not `C:\path` and not a path.
        None => {
            let (host, path) = remote.split_once(':')?;
            if host.contains('/') || host.len() < 2 {
                return None;
            }
            return tidy_name(host, path);
        }
    };
    let (host, path) = rest.split_once('/')?;
    tidy_name(host, path)
}

fn tidy_name(host: &str, path: &str) -> Option<String> {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _port)| host).to_ascii_lowercase();
    let path = path.trim_matches('/').trim_end_matches(".git").trim_matches('/');
    let clean = |part: &str| !part.is_empty() && part != ".." && !part.chars().any(char::is_control);
    (!host.is_empty() && path.split('/').all(clean)).then(|| format!("{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_named_alike_however_they_are_reached() {
        let same = [
            "https://github.com/acme/app.git",
            "https://user:secret@github.com/acme/app",
            "git@github.com:acme/app.git",
            "ssh://git@GitHub.com:22/acme/app.git/",
        ];
        for remote in same {
            assert_eq!(repository_name(remote).as_deref(), Some("github.com/acme/app"), "{remote}");
        }
        for local in ["/srv/git/app.git", "../app", "file:///srv/app", "C:\\app", "https://github.com/", "x:../a"] {
            assert_eq!(repository_name(local), None, "{local}");
        }
    }

    #[test]
    fn status_tells_work_tree_changes_from_staged_ones() {
        let text = b"# branch.oid 1234\0# branch.head main\0\
            1 .M N... 100644 100644 100644 a b src/a file.rs\0\
            1 M. N... 100644 100644 100644 a b staged.rs\0\
            2 R. N... 100644 100644 100644 a b R100 new.rs\0old.rs\0\
            ? notes.txt\0";
        let status = parse_status(text).unwrap();
        assert_eq!(status.branch.as_deref(), Some("main"));
        assert_eq!(status.modified, [b"src/a file.rs".to_vec()]);
        assert_eq!(status.untracked, [b"notes.txt".to_vec()]);
        assert!(status.is_dirty);
        let fresh = parse_status(b"# branch.oid (initial)\0# branch.head (detached)\0").unwrap();
        assert_eq!(fresh, Status::default());
    }
}
