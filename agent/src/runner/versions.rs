//! The store of runner versions: which are there, which one the next start takes, how starts went, and who uses what.
//! Several processes work on it at once; what they may not do at the same time they do under file locks, which end with
//! their holders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_host::lock::FileLock;
use hearth_model::{Bytes, Clock, Timestamp};
use serde::Serialize;

use super::book::{Book, BookError, Trial, WhyGivenUp};
use super::checksum::Sha256;
use super::choose::{self, NoVersion, Started};
use super::deadline::{Deadline, DeprecationAnswer, Known, NewestOffer, deadline};
use super::install::{InstallError, Installed, Record};
use super::layout::Layout;
use super::sealed;
use super::settings::{RunnerSettings, archive_name};
use super::version::{InvalidName, Platform, RunnerVersion};

/// The room's lock is held for a few reads and a write.
const LOCK_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum VersionsError {
    #[error("there can be no runner here")]
    Platform(#[source] InvalidName),
    #[error("cannot use {path}")]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("another process has held {path} for too long")]
    Locked { path: PathBuf },
    #[error("another process installs or removes a runner version; try again when it is done")]
    Installing,
    #[error(transparent)]
    Book(BookError),
    #[error(transparent)]
    None(NoVersion),
    #[error("runner {version} is not installed; there is {}", in_words(installed))]
    NotInstalled { version: RunnerVersion, installed: Vec<RunnerVersion> },
    #[error("runner {version} is pinned; unpin it first: hearth runner pin --off")]
    Pinned { version: RunnerVersion },
    #[error("there is no other version to go back to from runner {version}")]
    NothingToGoBackTo { version: RunnerVersion },
}

fn in_words(versions: &[RunnerVersion]) -> String {
    if versions.is_empty() {
        return "none".to_owned();
    }
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The runner versions of one machine. Clones share.
#[derive(Debug, Clone)]
pub struct Versions {
    layout: Layout,
    settings: Arc<RunnerSettings>,
    platform: Platform,
    clock: Arc<dyn Clock>,
}

/// A version that stays while this lives.
#[derive(Debug)]
pub struct Held {
    pub version: RunnerVersion,
    /// The unpacked program, in which nothing may be written.
    pub program: PathBuf,
    /// Of this system, relative to the program.
    pub listener: &'static str,
    _use: FileLock,
}

/// One version as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedVersion {
    pub version: RunnerVersion,
    /// The next start takes it.
    pub current: bool,
    pub pinned: bool,
    /// A runner of it is running.
    pub in_use: bool,
    #[serde(flatten)]
    pub trial: Trial,
    /// When GitHub last refused it as too old.
    pub refused_at: Option<Timestamp>,
    pub deadline: Option<Deadline>,
    pub installed_at: Timestamp,
    pub built_at: Option<Timestamp>,
    pub bytes: Bytes,
    /// Of its archive.
    pub sha256: Sha256,
    pub source: String,
}

/// What a round of upkeep removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tidied {
    pub removed: Vec<RunnerVersion>,
    /// Leftovers of installations that did not come to their end.
    pub swept: usize,
}

impl Versions {
    /// Opens the store below `root`, which is made when it is missing.
    pub fn open(root: &Path, settings: RunnerSettings, clock: Arc<dyn Clock>) -> Result<Self, VersionsError> {
        let platform = Platform::of_this_machine().map_err(VersionsError::Platform)?;
        let layout = Layout::at(root);
        for path in [layout.versions(), layout.incoming(), layout.uses()] {
            fs::create_dir_all(&path).map_err(|cause| VersionsError::Directory { path, cause })?;
        }
        Ok(Self { layout, settings: Arc::new(settings), platform, clock })
    }

    /// The version that the next start takes, kept from being removed. Runners that run already keep theirs.
    pub fn take(&self) -> Result<Held, VersionsError> {
        let _room = self.lock()?;
        let (installed, book) = self.look()?;
        let version = choose::current(&installed, &book, self.now()).map_err(VersionsError::None)?;
        let path = self.layout.use_lock(version);
        let shared = FileLock::try_shared(&path);
        let shared = shared.map_err(|cause| VersionsError::Directory { path: path.clone(), cause })?;
        let lock = shared.ok_or(VersionsError::Locked { path })?;
        let listener = self.platform.listener();
        Ok(Held { version, program: self.layout.program(version), listener, _use: lock })
    }

    /// Takes down how the start of a runner went; gives what its version has come to.
    pub fn note_start(&self, version: RunnerVersion, started: Started) -> Result<Trial, VersionsError> {
        let now = self.now();
        self.change(|book| {
            let installed = self.installed()?;
            let before = book.standing(version).trial;
            let trial = choose::tried(version, &installed, book, started, self.settings.failed_starts, now);
            let standing = book.standing_mut(version);
            standing.trial = trial;
            match started {
                Started::Refused => standing.refused_at = Some(now),
                Started::Worked => standing.refused_at = None,
                Started::Failed => {}
            }
            if before != trial && matches!(trial, Trial::GivenUp { .. }) {
                let next =
                    choose::wanted(&installed, book).map_or_else(|none| none.to_string(), |v| format!("runner {v}"));
                tracing::error!(
                    runner.version = %version,
                    "runner {version} is given up, because its first starts have all failed; next comes {next}"
                );
            }
            Ok(trial)
        })
    }

    /// Takes down what is the newest on GitHub's list.
    pub fn note_offer(&self, version: RunnerVersion) -> Result<(), VersionsError> {
        let since = self.now();
        self.change(|book| {
            // The list of another server may be behind; what was newest once stays so.
            if book.newest_offer.is_none_or(|known| known.version < version) {
                book.newest_offer = Some(NewestOffer { version, since });
            }
            Ok(())
        })
    }

    /// Takes down until when GitHub takes a version, as it says itself.
    pub fn note_answer(&self, version: RunnerVersion, answer: DeprecationAnswer) -> Result<(), VersionsError> {
        self.change(|book| {
            book.standing_mut(version).answer = Some(answer);
            Ok(())
        })
    }

    /// Whether this version should be downloaded: it would be the current one.
    pub fn wants(&self, version: RunnerVersion) -> Result<bool, VersionsError> {
        let (installed, book) = self.look()?;
        Ok(choose::is_worth_installing(version, &installed, &book))
    }

    /// Installs the configured archive where there is one that is worth it.
    pub fn install_configured(&self) -> Result<Option<Installed>, InstallError> {
        let Some(path) = &self.settings.archive else { return Ok(None) };
        let name = archive_name(path).map_err(|cause| InstallError::Name { path: path.clone(), cause })?;
        if !self.wants(name.version).map_err(InstallError::Versions)? {
            return Ok(None);
        }
        self.install_archive(path, self.settings.sha256).map(Some)
    }

    /// Makes every start take this version, whatever is newer and however it did; `None` ends that.
    pub fn pin(&self, version: Option<RunnerVersion>) -> Result<(), VersionsError> {
        self.change(|book| {
            let installed = self.installed()?;
            if let Some(version) = version.filter(|version| !installed.contains(version)) {
                return Err(VersionsError::NotInstalled { version, installed });
            }
            book.pinned = version;
            if let Some(version) = version.filter(|version| book.is_given_up(*version)) {
                book.standing_mut(version).trial = Trial::default();
            }
            Ok(())
        })
    }

    /// Gives the current version up for the one before it. Gives both.
    pub fn roll_back(&self) -> Result<(RunnerVersion, RunnerVersion), VersionsError> {
        let at = self.now();
        self.change(|book| {
            let installed = self.installed()?;
            if let Some(version) = book.pinned {
                return Err(VersionsError::Pinned { version });
            }
            let version = choose::wanted(&installed, book).map_err(VersionsError::None)?;
            if !choose::has_substitute(version, &installed, book) {
                return Err(VersionsError::NothingToGoBackTo { version });
            }
            book.standing_mut(version).trial = Trial::GivenUp { at, why: WhyGivenUp::Person };
            let next = choose::wanted(&installed, book).map_err(VersionsError::None)?;
            Ok((version, next))
        })
    }

    /// Removes versions that nobody needs or uses and what dead installations left. Nothing, while one is under way.
    pub fn tidy(&self) -> Result<Tidied, VersionsError> {
        let installing = match self.lock_installations() {
            Ok(lock) => lock,
            Err(VersionsError::Installing) => return Ok(Tidied::default()),
            Err(other) => return Err(other),
        };
        let swept = self.sweep(&installing)?;
        let mut removed = Vec::new();
        for version in self.set_aside()? {
            let path = self.layout.incoming().join(version.to_string());
            sealed::remove(&path).map_err(|cause| VersionsError::Directory { path, cause })?;
            removed.push(version);
        }
        Ok(Tidied { removed, swept })
    }

    /// Every installed version, the newest first.
    pub fn list(&self) -> Result<Vec<ListedVersion>, VersionsError> {
        let _room = self.lock()?;
        let (mut installed, book) = self.look()?;
        let current = choose::wanted(&installed, &book).ok();
        installed.sort_unstable_by(|a, b| b.cmp(a));
        let listed = installed.into_iter().filter_map(|version| {
            let record = self.record(version)?;
            let standing = book.standing(version);
            Some(ListedVersion {
                version,
                current: Some(version) == current,
                pinned: Some(version) == book.pinned,
                in_use: matches!(FileLock::try_exclusive(&self.layout.use_lock(version)), Ok(None)),
                trial: standing.trial,
                refused_at: standing.refused_at,
                deadline: deadline(Known {
                    version,
                    answer: standing.answer,
                    newest_offer: book.newest_offer,
                    built_at: record.built_at.unwrap_or(record.installed_at),
                }),
                installed_at: record.installed_at,
                built_at: record.built_at,
                bytes: record.bytes,
                sha256: record.sha256,
                source: record.source,
            })
        });
        Ok(listed.collect())
    }

    /// When GitHub last refused a version as too old.
    pub(super) fn refused_at(&self) -> Result<Option<Timestamp>, VersionsError> {
        let (_, book) = self.look()?;
        Ok(book.versions.values().filter_map(|standing| standing.refused_at).max())
    }

    /// What GitHub said of each installed version.
    pub(super) fn answers(&self) -> Result<Vec<(RunnerVersion, Option<DeprecationAnswer>)>, VersionsError> {
        let (installed, book) = self.look()?;
        Ok(installed.into_iter().map(|version| (version, book.standing(version).answer)).collect())
    }

    pub(super) fn settings(&self) -> &RunnerSettings {
        &self.settings
    }
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }
    pub(super) fn platform(&self) -> Platform {
        self.platform
    }
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn is_installed(&self, version: RunnerVersion) -> bool {
        self.record(version).is_some() && self.layout.program(version).join(self.platform.listener()).is_file()
    }

    /// Held while the set of versions or the book changes.
    pub(super) fn lock(&self) -> Result<FileLock, VersionsError> {
        let path = self.layout.lock();
        let lock = FileLock::exclusive_within(&path, LOCK_WITHIN);
        let lock = lock.map_err(|cause| VersionsError::Directory { path: path.clone(), cause })?;
        lock.ok_or(VersionsError::Locked { path })
    }

    /// Held by whoever works in `incoming`: for minutes, so nobody waits for it.
    pub(super) fn lock_installations(&self) -> Result<FileLock, VersionsError> {
        let path = self.layout.install_lock();
        let lock = FileLock::try_exclusive(&path).map_err(|cause| VersionsError::Directory { path, cause })?;
        lock.ok_or(VersionsError::Installing)
    }

    /// Removes what is in `incoming`. Its lock is ours, so whoever left it is dead.
    pub(super) fn sweep(&self, _installing: &FileLock) -> Result<usize, VersionsError> {
        let incoming = self.layout.incoming();
        let mut swept = 0;
        for path in entries(&incoming)? {
            sealed::remove(&path).map_err(|cause| VersionsError::Directory { path, cause })?;
            swept += 1;
        }
        Ok(swept)
    }

    /// Takes the versions that may go out of the store, so that no start takes them any more.
    fn set_aside(&self) -> Result<Vec<RunnerVersion>, VersionsError> {
        let _room = self.lock()?;
        let (installed, book) = self.look()?;
        let mut taken = Vec::new();
        for version in choose::surplus(&installed, &book, self.settings.keep) {
            let (path, from) = (self.layout.use_lock(version), self.layout.version(version));
            let failed = |cause| VersionsError::Directory { path: from.clone(), cause };
            // Shared locks are only taken under the room's lock, which is ours.
            let Some(_unused) = FileLock::try_exclusive(&path).map_err(failed)? else { continue };
            fs::rename(&from, self.layout.incoming().join(version.to_string())).map_err(failed)?;
            fs::remove_file(&path).map_err(failed)?;
            taken.push(version);
        }
        Ok(taken)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Book) -> Result<T, VersionsError>) -> Result<T, VersionsError> {
        let _room = self.lock()?;
        let path = self.layout.book();
        let before = Book::read(&path).map_err(VersionsError::Book)?;
        let mut book = before.clone();
        let changed = change(&mut book)?;
        if book != before {
            book.write(&path).map_err(VersionsError::Book)?;
        }
        Ok(changed)
    }

    fn look(&self) -> Result<(Vec<RunnerVersion>, Book), VersionsError> {
        Ok((self.installed()?, Book::read(&self.layout.book()).map_err(VersionsError::Book)?))
    }

    /// The versions that are whole. Anything else in their directory is nobody's.
    fn installed(&self) -> Result<Vec<RunnerVersion>, VersionsError> {
        let names = entries(&self.layout.versions())?.into_iter();
        let versions = names.filter_map(|path| path.file_name()?.to_str()?.parse().ok());
        let mut versions: Vec<_> = versions.filter(|version| self.is_installed(*version)).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    fn record(&self, version: RunnerVersion) -> Option<Record> {
        let bytes = fs::read(self.layout.record(version)).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|record: &Record| record.version == version)
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, VersionsError> {
    let failed = |cause| VersionsError::Directory { path: directory.to_owned(), cause };
    let listed = fs::read_dir(directory).map_err(failed)?;
    listed.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

#[cfg(test)]
mod tests;
