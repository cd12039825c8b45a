//! The ground that an archive is unpacked onto. Every entry, whatever kind of archive it comes from, is checked here and
//! nowhere else. It remembers what it made, so that it never writes through something that it did not make itself.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_model::{Bytes, Timestamp};

use super::{Bounds, Problem, UnpackError, Unpacked};
use hearth_daemon::terminal::for_terminal;

const LONGEST_NAME: usize = 1024;
const DEEPEST: usize = 64;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    File,
    Link,
    Directory(Named),
}

/// Whether a directory has had an entry of its own, or only holds others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Itself,
    ByOthers,
}

/// Whether a file may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Run,
    Read,
}

#[derive(Debug)]
pub(super) struct Ground<'a> {
    root: &'a Path,
    bounds: Bounds,
    made: BTreeMap<PathBuf, Made>,
    /// Made at the end: until then nothing can be written through one.
    links: Vec<(PathBuf, PathBuf)>,
    entries: u64,
    files: u64,
    bytes: u64,
    built_at: Option<Timestamp>,
}

impl<'a> Ground<'a> {
    pub(super) fn make(root: &'a Path, bounds: Bounds) -> Result<Self, UnpackError> {
        fs::create_dir(root).map_err(|cause| UnpackError::Write { path: root.to_owned(), cause })?;
        Ok(Self {
            root,
            bounds,
            made: BTreeMap::new(),
            links: Vec::new(),
            entries: 0,
            files: 0,
            bytes: 0,
            built_at: None,
        })
    }

    /// Counts an entry. Readers call it for those too of which nothing comes.
    pub(super) fn count(&mut self) -> Result<(), UnpackError> {
        self.entries += 1;
        if self.entries > self.bounds.entries {
            return Err(UnpackError::TooMany { limit: self.bounds.entries });
        }
        Ok(())
    }

    pub(super) fn saw_time(&mut self, unix_seconds: i64) {
        let at = Timestamp::from_millis(unix_seconds.saturating_mul(1000));
        self.built_at = self.built_at.max(Some(at));
    }

    pub(super) fn directory(&mut self, name: &[u8]) -> Result<(), UnpackError> {
        let place = place(name).map_err(|problem| refused(name, problem))?;
        if place.as_os_str().is_empty() {
            return Ok(());
        }
        self.parents(name, &place)?;
        match self.made.get(&place) {
            None => self.make_directory(&place, Named::Itself),
            Some(Made::Directory(Named::ByOthers)) => {
                self.made.insert(place, Made::Directory(Named::Itself));
                Ok(())
            }
            Some(_) => Err(refused(name, Problem::Twice)),
        }
    }

    pub(super) fn file(&mut self, name: &[u8], used_to: Use, content: &mut dyn Read) -> Result<(), UnpackError> {
        let place = self.free_place(name)?;
        let path = self.root.join(&place);
        let mut file = File::create_new(&path).map_err(|cause| taken_or_unwritable(name, &path, cause))?;
        self.fill(&mut file, &path, content)?;
        let mode = if used_to == Use::Run { 0o755 } else { 0o644 };
        let permitted = file.set_permissions(Permissions::from_mode(mode));
        permitted.map_err(|cause| UnpackError::Write { path, cause })?;
        self.files += 1;
        self.made.insert(place, Made::File);
        Ok(())
    }

    pub(super) fn symbolic_link(&mut self, name: &[u8], target: &[u8]) -> Result<(), UnpackError> {
        let place = self.free_place(name)?;
        let target = link_target(target).map_err(|problem| refused(name, problem))?;
        self.made.insert(place.clone(), Made::Link);
        self.links.push((place, target));
        Ok(())
    }

    /// A second name of a file that is there already.
    pub(super) fn hard_link(&mut self, name: &[u8], target: &[u8]) -> Result<(), UnpackError> {
        let link = self.free_place(name)?;
        let target = super::ground::place(target).map_err(|_| refused(name, Problem::LinkLeaves))?;
        if self.made.get(&target) != Some(&Made::File) {
            return Err(refused(name, Problem::LinkToNothing));
        }
        let path = self.root.join(&link);
        fs::hard_link(self.root.join(target), &path).map_err(|cause| taken_or_unwritable(name, &path, cause))?;
        self.files += 1;
        self.made.insert(link, Made::File);
        Ok(())
    }

    /// Makes the links, and looks where each of them really leads: names alone do not tell, because a link may go by
    /// way of another.
    pub(super) fn finish(self) -> Result<Unpacked, UnpackError> {
        let write = |path: &Path, cause| UnpackError::Write { path: path.to_owned(), cause };
        for (place, target) in &self.links {
            let path = self.root.join(place);
            std::os::unix::fs::symlink(target, &path).map_err(|cause| write(&path, cause))?;
        }
        let root = self.root.canonicalize().map_err(|cause| write(self.root, cause))?;
        for (place, _) in &self.links {
            let name = place.as_os_str().as_encoded_bytes();
            match self.root.join(place).canonicalize() {
                Ok(end) if end.starts_with(&root) => {}
                Ok(_) => return Err(refused(name, Problem::LinkLeaves)),
                // Nothing there, or links that run in a circle.
                Err(_) => return Err(refused(name, Problem::LinkToNothing)),
            }
        }
        Ok(Unpacked { files: self.files, bytes: Bytes(self.bytes), built_at: self.built_at })
    }

    fn free_place(&mut self, name: &[u8]) -> Result<PathBuf, UnpackError> {
        let place = place(name).map_err(|problem| refused(name, problem))?;
        if place.as_os_str().is_empty() {
            return Err(refused(name, Problem::Name));
        }
        self.parents(name, &place)?;
        if self.made.contains_key(&place) {
            return Err(refused(name, Problem::Twice));
        }
        Ok(place)
    }

    fn parents(&mut self, name: &[u8], place: &Path) -> Result<(), UnpackError> {
        let mut missing = Vec::new();
        for parent in place.ancestors().skip(1).take_while(|parent| !parent.as_os_str().is_empty()) {
            match self.made.get(parent) {
                None => missing.push(parent.to_owned()),
                Some(Made::Directory(_)) => break,
                Some(Made::File | Made::Link) => return Err(refused(name, Problem::NoDirectory)),
            }
        }
        missing.iter().rev().try_for_each(|parent| {
            self.count()?;
            self.make_directory(parent, Named::ByOthers)
        })
    }

    fn make_directory(&mut self, place: &Path, named: Named) -> Result<(), UnpackError> {
        let path = self.root.join(place);
        let name = place.as_os_str().as_encoded_bytes();
        fs::create_dir(&path).map_err(|cause| taken_or_unwritable(name, &path, cause))?;
        self.made.insert(place.to_owned(), Made::Directory(named));
        Ok(())
    }

    fn fill(&mut self, file: &mut File, path: &Path, content: &mut dyn Read) -> Result<(), UnpackError> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match content.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(UnpackError::Read { cause }),
            };
            self.bytes += read as u64;
            if self.bytes > self.bounds.bytes.0 {
                return Err(UnpackError::TooLarge { limit: self.bounds.bytes });
            }
            file.write_all(&buffer[..read]).map_err(|cause| UnpackError::Write { path: path.to_owned(), cause })?;
        }
    }
}

/// The name of an entry for a person.
pub(super) fn refused(name: &[u8], problem: Problem) -> UnpackError {
    let text: String = String::from_utf8_lossy(name).chars().take(120).collect();
    UnpackError::Entry { entry: for_terminal(&text).into_owned(), problem }
}

/// A name that is free for us and not for the file system: one that does not tell `A` from `a`.
fn taken_or_unwritable(name: &[u8], path: &Path, cause: io::Error) -> UnpackError {
    if cause.kind() == io::ErrorKind::AlreadyExists {
        return refused(name, Problem::Twice);
    }
    UnpackError::Write { path: path.to_owned(), cause }
}

/// Where the entry of this name belongs, relative to the root. Empty for the root itself.
fn place(name: &[u8]) -> Result<PathBuf, Problem> {
    let text = text(name)?;
    if is_absolute(text) {
        return Err(Problem::Absolute);
    }
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Problem::ClimbsOut);
    }
    if parts.len() > DEEPEST {
        return Err(Problem::Name);
    }
    Ok(parts.iter().collect())
}

/// Where a symbolic link may point to as far as its text tells; the rest is seen when all links stand.
fn link_target(target: &[u8]) -> Result<PathBuf, Problem> {
    let text = text(target)?;
    if is_absolute(text) {
        return Err(Problem::LinkLeaves);
    }
    Ok(PathBuf::from(text))
}

/// Backslashes and colons mean something to Windows, and no file of the runner has them.
fn text(name: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(name).map_err(|_| Problem::Name)?;
    let is_odd = |c: char| c.is_control() || c == '\\' || c == ':';
    if text.is_empty() || text.len() > LONGEST_NAME || text.contains(is_odd) {
        // `C:\x` is a name with odd characters and a path of another root; the latter says more.
        let drive = text.as_bytes().get(1) == Some(&b':') && text.starts_with(|c: char| c.is_ascii_alphabetic());
        return Err(if drive || text.starts_with('\\') { Problem::Absolute } else { Problem::Name });
    }
    Ok(text)
}

fn is_absolute(text: &str) -> bool {
    text.starts_with('/')
}
