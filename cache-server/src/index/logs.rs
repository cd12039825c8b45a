//! The log files: one for each process that has written to the directory, each locked by its writer while that lives.
//! Ours is appended to; those of others are read on from where we stopped. Who is alone puts all of them into one.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_host::files;
use hearth_host::lock::FileLock;

use super::record::{Fact, Records};

/// Read at once of a log.
const PIECE: usize = 1 << 20;
/// Facts that could not be written, on a full disk say, are kept up to this many bytes and written later.
const UNWRITTEN: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Logs {
    dir: PathBuf,
    owner: u32,
    own: Mutex<Own>,
    others: Mutex<HashMap<u32, Tail>>,
}

#[derive(Debug)]
struct Own {
    file: File,
    /// Held as long as we write to it, so that others know.
    lock: FileLock,
    end: u64,
    /// What is before is in the index too, or was.
    settled: u64,
    unwritten: Vec<u8>,
    /// Whether the name of the file has reached the disk.
    named: bool,
}

/// How far a log was read.
#[derive(Debug)]
struct Tail {
    file: File,
    inode: u64,
    at: u64,
    records: Records,
}

/// Somebody who has read all logs, and reads on in ours.
#[derive(Debug)]
pub(crate) struct Follower(Tail);

/// Whether a follower could read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continued {
    Here,
    /// The log was written anew.
    Elsewhere,
}

/// What reading the logs has shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) facts: u64,
    pub(crate) damaged: u64,
    pub(crate) bytes: u64,
}

impl Logs {
    /// Begins a log of our own.
    pub(crate) fn open(dir: PathBuf, owner: u32) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let path = dir.join(file_name(owner));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let lock = FileLock::try_exclusive(&path)?.ok_or(io::ErrorKind::WouldBlock)?;
        let own = Mutex::new(Own { file, lock, end: 0, settled: 0, unwritten: Vec::new(), named: false });
        Ok(Self { dir, owner, own, others: Mutex::default() })
    }

    /// Reads what others have written since the last call.
    pub(crate) fn read_others(&self, mut visit: impl FnMut(Fact)) -> io::Result<Read> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = Read::default();
        let there = list(&self.dir)?;
        others.retain(|owner, _| there.contains(owner));
        for owner in there.into_iter().filter(|owner| *owner != self.owner) {
            let path = self.dir.join(file_name(owner));
            // A log may be put into another one between the listing and here.
            let inode = match fs::metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?.ino(),
            };
            if others.get(&owner).is_none_or(|tail| tail.inode != inode) {
                let tail = Tail { file: File::open(&path)?, inode, at: 0, records: Records::default() };
                others.insert(owner, tail);
            }
            if let Some(tail) = others.get_mut(&owner) {
                let end = tail.file.metadata()?.len();
                tail.read(end, &mut read, &mut visit)?;
            }
        }
        Ok(read)
    }

    /// Reads all logs from their beginnings, ours too, of which only what is in the index.
    pub(crate) fn read_all(&self, visit: impl FnMut(Fact)) -> io::Result<Read> {
        self.follow(visit).map(|(read, _)| read)
    }

    /// The same; ours can be read on from there.
    pub(crate) fn follow(&self, mut visit: impl FnMut(Fact)) -> io::Result<(Read, Follower)> {
        let (others, ours, settled) = self.open_all()?;
        let mut read = Read::default();
        for file in others {
            let end = file.metadata()?.len();
            Tail::of(file).read(end, &mut read, &mut visit)?;
        }
        let mut tail = Tail { inode: ours.metadata()?.ino(), ..Tail::of(ours) };
        tail.read(settled, &mut read, &mut visit)?;
        Ok((read, Follower(tail)))
    }

    /// Everything that is there at one moment: a merge puts others into ours, and then removes them.
    fn open_all(&self) -> io::Result<(Vec<File>, File, u64)> {
        let own = self.own();
        let mut others = Vec::new();
        for owner in list(&self.dir)?.into_iter().filter(|owner| *owner != self.owner) {
            match File::open(self.dir.join(file_name(owner))) {
                // Whoever had it open as his own has put it into ours before we had the lock.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => others.push(file?),
            }
        }
        Ok((others, own.file.try_clone()?, own.settled))
    }

    /// Reads what has been appended to our log, and is in the index, since the follower was here last.
    pub(crate) fn read_on(&self, follower: &mut Follower, mut visit: impl FnMut(Fact)) -> io::Result<Continued> {
        let Follower(tail) = follower;
        let (inode, settled) = {
            let own = self.own();
            (own.file.metadata()?.ino(), own.settled)
        };
        if inode != tail.inode {
            return Ok(Continued::Elsewhere);
        }
        tail.read(settled, &mut Read::default(), &mut visit)?;
        Ok(Continued::Here)
    }

    /// Appends to our log. What cannot be written is kept and written before what comes next, within bounds.
    pub(crate) fn append(&self, facts: &[u8]) -> io::Result<()> {
        let mut own = self.own();
        let Own { file, end, unwritten, .. } = &mut *own;
        let mut buffers = [IoSlice::new(unwritten), IoSlice::new(facts)];
        match files::write_all_at(file, &mut buffers, *end) {
            Ok(()) => {
                *end += (unwritten.len() + facts.len()) as u64;
                *unwritten = Vec::new();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Appends facts that must not get lost because the disk is full just now: removals, mostly.
    pub(crate) fn append_surely(&self, facts: &[u8]) -> io::Result<()> {
        let written = self.append(facts);
        if written.is_err() {
            let mut own = self.own();
            if own.unwritten.len() + facts.len() <= UNWRITTEN {
                own.unwritten.extend_from_slice(facts);
            }
        }
        written
    }

    /// All facts that were appended are in the index.
    pub(crate) fn settle(&self) {
        let mut own = self.own();
        own.settled = own.end;
    }

    /// Has what we have written reach the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let (file, named) = {
            let own = self.own();
            (own.file.try_clone()?, own.named)
        };
        file.sync_data()?;
        if !named {
            File::open(&self.dir)?.sync_all()?;
            self.own().named = true;
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        let all = list(&self.dir).unwrap_or_default().into_iter();
        all.filter_map(|owner| fs::metadata(self.dir.join(file_name(owner))).ok()).map(|m| m.len()).sum()
    }

    /// How many logs there are, whose ever.
    pub(crate) fn count(&self) -> usize {
        list(&self.dir).map_or(0, |all| all.len())
    }

    /// Writes one log that holds what `keep` makes of all logs of writers that are no more, and of our own; then removes
    /// those. `keep` asks the index what is worth it: so what those writers wrote last is learned first, and what we
    /// append meanwhile, which the index has later than the log, is kept as it is. Returns how big the log is.
    pub(crate) fn merge(&self, learn: impl FnMut(Fact), mut keep: impl FnMut(Fact) -> Option<Fact>) -> io::Result<u64> {
        let others = list(&self.dir)?.into_iter().filter(|owner| *owner != self.owner);
        let mut dead = Vec::new();
        for owner in others {
            let path = self.dir.join(file_name(owner));
            if let Some(lock) = FileLock::try_exclusive(&path)? {
                dead.push((path, lock));
            }
        }
        self.read_others(learn)?;
        let next = self.dir.join(format!("{}.next", file_name(self.owner)));
        let mut merging = Merging {
            file: OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&next)?,
            end: 0,
            buffer: Vec::new(),
        };
        let lock = FileLock::try_exclusive(&next)?.ok_or(io::ErrorKind::WouldBlock)?;
        for (path, _) in &dead {
            let file = File::open(path)?;
            let end = file.metadata()?.len();
            merging.take_in(&mut Tail::of(file), end, &mut keep)?;
        }
        let mut tail = Tail::of(self.own().file.try_clone()?);
        loop {
            let settled = self.own().settled;
            if settled == tail.at {
                break;
            }
            merging.take_in(&mut tail, settled, &mut keep)?;
        }
        merging.flush()?;
        merging.file.sync_data()?;
        let settled = merging.end;
        // Nobody appends while the last facts are taken over and the new log takes the place of the old one. They may have
        // been synced there, so they have to be here, under this name.
        let mut own = self.own();
        merging.take_in(&mut tail, own.end, &mut Some)?;
        merging.flush()?;
        merging.file.sync_data()?;
        fs::rename(&next, self.dir.join(file_name(self.owner)))?;
        own.file = merging.file;
        own.lock = lock;
        (own.end, own.settled) = (merging.end, settled);
        File::open(&self.dir)?.sync_all()?;
        own.named = true;
        drop(own);
        for (path, _) in dead {
            fs::remove_file(path)?;
        }
        Ok(merging.end)
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let own = self.own();
        if own.end == 0 && own.unwritten.is_empty() {
            // An empty one says nothing; one that cannot be removed is put into another sometime.
            let _ = fs::remove_file(own.lock.path());
        }
    }
}

impl Tail {
    fn of(file: File) -> Self {
        Self { file, inode: 0, at: 0, records: Records::default() }
    }

    /// Reads on up to `end`.
    fn read(&mut self, end: u64, read: &mut Read, visit: &mut impl FnMut(Fact)) -> io::Result<()> {
        let before = self.records.damaged();
        while self.at < end {
            let length = usize::try_from(end - self.at).map_or(PIECE, |left| left.min(PIECE));
            self.records.feed(&files::read_at(&self.file, length, self.at)?);
            self.at += length as u64;
            read.bytes += length as u64;
            while let Some(fact) = self.records.next() {
                read.facts += 1;
                visit(fact);
            }
        }
        read.damaged += self.records.damaged() - before;
        Ok(())
    }
}

/// A log that is being written anew.
#[derive(Debug)]
struct Merging {
    file: File,
    end: u64,
    buffer: Vec<u8>,
}

impl Merging {
    fn take_in(&mut self, tail: &mut Tail, end: u64, keep: &mut impl FnMut(Fact) -> Option<Fact>) -> io::Result<()> {
        let mut failed = Ok(());
        tail.read(end, &mut Read::default(), &mut |fact| {
            if let Some(fact) = keep(fact) {
                fact.encode(&mut self.buffer);
                if self.buffer.len() >= PIECE && failed.is_ok() {
                    failed = self.flush();
                }
            }
        })?;
        failed
    }

    fn flush(&mut self) -> io::Result<()> {
        files::write_all_at(&self.file, &mut [IoSlice::new(&self.buffer)], self.end)?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

fn file_name(owner: u32) -> String {
    format!("{owner:08x}.log")
}

/// Whose logs there are.
fn list(dir: &Path) -> io::Result<Vec<u32>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let owner = name.to_str().and_then(|name| u32::from_str_radix(name.strip_suffix(".log")?, 16).ok());
        all.extend(owner.filter(|owner| name == *file_name(*owner)));
    }
    all.sort_unstable();
    Ok(all)
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
