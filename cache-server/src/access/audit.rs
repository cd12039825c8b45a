//! Who has written and removed what: one line of JSON each, in `audit/` of the node's directory, for the day on which
//! somebody asks where an object came from. Written behind the answer: a queue of bounded length stands between, and what
//! does not fit is counted. Files are bounded in size and number. No line holds a secret.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_model::Timestamp;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::warn;

use super::caller::{Caller, Who};
use crate::counts::Count;
use crate::disk::Disk;
use crate::keys::{ObjectKey, Space};

/// Lines that wait for the disk.
const QUEUE: usize = 8 * 1024;
/// Lines written in one go.
const BATCH: usize = 512;
/// How long the first line waits for others: going to the disk for each one would cost more than what it tells of.
const GATHERING: Duration = Duration::from_millis(50);
/// A longer key is cut.
const MAX_KEY: usize = 256;
/// A file of this size is put aside.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// How many are kept beside the one that is written.
const KEPT: u32 = 3;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Write,
    Remove,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    at: Timestamp,
    kind: &'static str,
    /// The execution, or the token's id.
    caller: String,
    act: Act,
    realm: String,
    scope: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    outcome: &'static str,
}

#[derive(Debug)]
enum Entry {
    Line(Box<Line>),
    /// Everything before has been written once this is answered.
    Flush(oneshot::Sender<()>),
}

/// Where lines are handed in.
#[derive(Debug)]
pub(crate) struct Audit {
    queue: mpsc::Sender<Entry>,
    lost: Arc<Count>,
}

/// The other end of the queue.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Receiver<Entry>,
    lost: Arc<Count>,
    files: Files,
}

impl Audit {
    /// `root` is the node's directory; `lost` counts the lines that never came to it.
    pub(crate) fn new(root: &Path, lost: Arc<Count>) -> (Self, Writer) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let files = Files { dir: root.join("audit"), open: None };
        (Self { queue: sender, lost: Arc::clone(&lost) }, Writer { queue, lost, files })
    }

    pub(crate) fn note(&self, at: Timestamp, caller: &Caller, act: Act, key: &ObjectKey, done: Done) {
        // Who may write nothing has no place where it could have been.
        let Some(Space { realm, scope }) = caller.writes.as_ref() else { return };
        let (kind, id) = match &caller.who {
            Who::Job { execution, class } => (class.as_str(), execution.to_string()),
            Who::Token { id, .. } => ("token", id.to_string()),
        };
        let key = key.as_str();
        let line = Line {
            at,
            kind,
            caller: id,
            act,
            realm: realm.to_string(),
            scope: scope.to_string(),
            key: key[..key.floor_char_boundary(MAX_KEY)].to_owned(),
            size: done.size,
            outcome: done.outcome,
        };
        if self.queue.try_send(Entry::Line(Box::new(line))).is_err() {
            self.lost.one();
        }
    }

    /// Ends when everything noted so far has been written, or when nobody writes any more.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Entry::Flush(done)).await.is_ok() {
            let _nobody_writes = written.await;
        }
    }
}

/// What came of an act.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) outcome: &'static str,
    pub(crate) size: Option<u64>,
}

impl Writer {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self, disk: &Disk) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            if batch.len() < BATCH {
                sleep(GATHERING).await;
                while batch.len() < BATCH
                    && let Ok(entry) = self.queue.try_recv()
                {
                    batch.push(entry);
                }
            }
            let (mut text, mut lines, mut waiting) = (Vec::new(), 0, Vec::new());
            for entry in batch.drain(..) {
                match entry {
                    Entry::Line(line) => {
                        serde_json::to_writer(&mut text, &line).expect("a line holds texts and numbers");
                        text.push(b'\n');
                        lines += 1;
                    }
                    Entry::Flush(done) => waiting.push(done),
                }
            }
            let mut files = self.files;
            let write = move || {
                let written = files.append(&text);
                (files, written)
            };
            let Some((files, written)) = disk.at_leisure(write).await else { return };
            self.files = files;
            if let Err(error) = written {
                self.lost.add(lines);
                warn!(error = %error, audit.lines = lines, "cannot write the audit log");
            }
            for done in waiting {
                let _asker_is_gone = done.send(());
            }
        }
    }
}

/// `writes.jsonl`, and older ones with their number.
#[derive(Debug)]
struct Files {
    dir: PathBuf,
    open: Option<(File, u64)>,
}

impl Files {
    fn path(&self, number: u32) -> PathBuf {
        let name = if number == 0 { "writes.jsonl".to_owned() } else { format!("writes.{number}.jsonl") };
        self.dir.join(name)
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        // Taken out: after a failure the file is opened anew.
        let (mut file, length) = match self.open.take() {
            Some((_, length)) if length >= MAX_FILE => self.put_aside()?,
            Some(open) => open,
            None => self.open()?,
        };
        file.write_all(text)?;
        self.open = Some((file, length + text.len() as u64));
        Ok(())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path(0))?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    fn put_aside(&self) -> io::Result<(File, u64)> {
        for number in (0..KEPT).rev() {
            match fs::rename(self.path(number), self.path(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.open()
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{ExecutionId, Scope};
    use hearth_trust::{Claims, Class};

    use super::*;
    use crate::access::Groups;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn caller(writes: Option<Scope>) -> Caller {
        let claims = Claims {
            execution: ExecutionId::new(NOW),
            repository: "h/acme/rocket".to_owned(),
            reads: vec![Scope::Trusted],
            writes,
            expires_at: NOW,
            quota: None,
            class: Class::ForkPullRequest,
            run: None,
        };
        Caller::job(claims, &Groups::default())
    }

    fn note(audit: &Audit, caller: &Caller, key: &str) {
        let done = Done { outcome: "stored", size: Some(7) };
        audit.note(NOW, caller, Act::Write, &ObjectKey::new(key).unwrap(), done);
    }

    #[tokio::test]
    async fn a_line_says_who_wrote_what_where() {
        let (root, lost) = (tempfile::tempdir().unwrap(), Arc::new(Count::default()));
        let (audit, writer) = Audit::new(root.path(), Arc::clone(&lost));
        let pull_request = caller(Some(Scope::PullRequest(7)));
        note(&audit, &pull_request, &"\u{e9}".repeat(500));
        note(&audit, &caller(None), "nowhere");
        let disk = Disk::default();
        tokio::select! {
            () = writer.run(&disk) => {}
            () = audit.flush() => {}
        }
        let text = fs::read_to_string(root.path().join("audit/writes.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "at": NOW, "kind": "fork_pull_request", "caller": pull_request.writer, "act": "write",
            "realm": "h/acme/rocket", "scope": "pr/7", "key": "\u{e9}".repeat(128), "size": 7, "outcome": "stored",
        });
        assert_eq!(line, expected);
        assert_eq!(lost.get(), 0);
    }

    #[tokio::test]
    async fn what_does_not_fit_or_cannot_be_written_is_counted() {
        let (root, lost) = (tempfile::tempdir().unwrap(), Arc::new(Count::default()));
        fs::write(root.path().join("audit"), "no directory").unwrap();
        let (audit, writer) = Audit::new(root.path(), Arc::clone(&lost));
        let pull_request = caller(Some(Scope::PullRequest(7)));
        for _ in 0..QUEUE + 5 {
            note(&audit, &pull_request, "k");
        }
        assert_eq!(lost.get(), 5);
        let disk = Disk::default();
        tokio::select! {
            () = writer.run(&disk) => {}
            () = audit.flush() => {}
        }
        assert_eq!(lost.get(), QUEUE as u64 + 5);
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let root = tempfile::tempdir().unwrap();
        let mut files = Files { dir: root.path().join("audit"), open: None };
        let text = vec![b'x'; usize::try_from(MAX_FILE).unwrap() / 2];
        for _ in 0..12 {
            files.append(&text).unwrap();
        }
        let mut sizes: Vec<_> =
            fs::read_dir(&files.dir).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [MAX_FILE; KEPT as usize + 1]);
    }
}
