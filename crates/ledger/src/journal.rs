//! The journal: one JSON line per observation, one file per month, appended to by several processes under one
//! advisory lock and synced before anybody is told that it is written. It is the truth; the database is its index.
//! Never rewritten: at most the torn rest of a write that failed is cut off again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hearth_model::Timestamp;

/// How much of a journal file is read at once. Rebuilding a large book must not need all of it in memory.
const CHUNK: u64 = 4 << 20;

#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
}

/// The right to write, held until dropped. Another process or thread waits for it.
#[derive(Debug)]
pub(crate) struct Locked(#[expect(dead_code, reason = "the lock lives as long as its open file")] File);

/// A piece of a journal file: whole lines only.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) next_offset: u64,
}

impl Journal {
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    pub(crate) fn lock(&self) -> io::Result<Locked> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.lock_path())?;
        file.lock()?;
        Ok(Locked(file))
    }

    /// Appends whole lines and syncs them. When this fails nothing of them is in the journal.
    pub(crate) fn append(&self, _lock: &Locked, now: Timestamp, lines: &[u8]) -> io::Result<()> {
        let path = self.dir.join(month_file(now));
        let is_new = !path.exists();
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
        let before = file.metadata()?.len();
        let written =
            end_torn_line(&mut file, before).and_then(|()| file.write_all(lines)).and_then(|()| file.sync_data());
        if let Err(cause) = written {
            // Whoever reads next must not take half of a write that was reported as failed.
            file.set_len(before)?;
            return Err(cause);
        }
        if is_new {
            sync_directory(&self.dir);
        }
        Ok(())
    }

    /// Ends a line that a power cut tore, so that it is counted and the next one starts clean.
    pub(crate) fn end_torn_lines(&self, _lock: &Locked) -> io::Result<()> {
        for (name, len) in self.files()? {
            let mut file = OpenOptions::new().read(true).append(true).open(self.path(&name))?;
            end_torn_line(&mut file, len)?;
        }
        Ok(())
    }

    /// Every journal file with its length, oldest month first.
    pub(crate) fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if Path::new(&name).extension().is_some_and(|extension| extension == "jsonl") {
                files.push((name, entry.metadata()?.len()));
            }
        }
        files.sort();
        Ok(files)
    }

    /// The whole lines from `offset` on, as many as fit into one chunk but at least one.
    pub(crate) fn read(&self, file: &str, offset: u64) -> io::Result<Chunk> {
        let mut source = File::open(self.path(file))?;
        source.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        loop {
            let got = (&mut source).take(CHUNK).read_to_end(&mut bytes)?;
            if got == 0 || bytes.contains(&b'\n') {
                break;
            }
        }
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(whole);
        Ok(Chunk {
            lines: bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect(),
            next_offset: offset + whole as u64,
        })
    }
}

fn end_torn_line(file: &mut File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(len - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

fn month_file(now: Timestamp) -> String {
    let day = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{}.jsonl", day.strftime("%Y-%m"))
}

/// Makes a new file's name survive a power cut. Systems that cannot open a directory keep names by other means, so
/// not being able to is no failure.
fn sync_directory(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        let _ = dir.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().to_owned());
        (dir, journal)
    }

    fn all_lines(journal: &Journal, file: &str) -> Vec<String> {
        let chunk = journal.read(file, 0).unwrap();
        chunk.lines.into_iter().map(|l| String::from_utf8(l).unwrap()).collect()
    }

    /// 2026-11-30T23:59:59.999Z
    const END_OF_NOVEMBER: Timestamp = Timestamp::from_millis(1_796_083_199_999);

    #[test]
    fn each_month_has_its_file() {
        let (_dir, journal) = journal();
        let lock = journal.lock().unwrap();
        journal.append(&lock, END_OF_NOVEMBER, b"a\n").unwrap();
        let next = Timestamp::from_millis(END_OF_NOVEMBER.as_millis() + 1);
        journal.append(&lock, next, b"b\n").unwrap();
        let names: Vec<_> = journal.files().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["2026-11.jsonl", "2026-12.jsonl"]);
    }

    #[test]
    fn a_torn_tail_is_not_read_and_does_not_spoil_the_next_line() {
        let (dir, journal) = journal();
        std::fs::write(dir.path().join("2026-11.jsonl"), "whole\ntorn").unwrap();
        assert_eq!(all_lines(&journal, "2026-11.jsonl"), ["whole"]);
        let lock = journal.lock().unwrap();
        journal.append(&lock, END_OF_NOVEMBER, b"next\n").unwrap();
        assert_eq!(all_lines(&journal, "2026-11.jsonl"), ["whole", "torn", "next"]);
    }

    #[test]
    fn a_line_longer_than_a_chunk_is_read_whole() {
        let (dir, journal) = journal();
        let long = "x".repeat(usize::try_from(CHUNK).unwrap() + 10);
        std::fs::write(dir.path().join("2026-11.jsonl"), format!("{long}\nshort\n")).unwrap();
        let first = journal.read("2026-11.jsonl", 0).unwrap();
        assert_eq!(first.lines[0].len(), long.len());
        let whole = std::fs::metadata(dir.path().join("2026-11.jsonl")).unwrap().len();
        let rest = journal.read("2026-11.jsonl", first.next_offset).unwrap();
        assert!(first.next_offset == whole || rest.next_offset == whole);
    }

    #[test]
    fn one_writer_holds_the_lock_at_a_time() {
        let (_dir, journal) = journal();
        let held = journal.lock().unwrap();
        let other = OpenOptions::new().write(true).open(journal.lock_path()).unwrap();
        assert!(matches!(other.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
        drop(held);
        other.try_lock().unwrap();
    }
}
