//! Bringing a version into the store: fetched or found, verified, unpacked, sealed, published by one rename. Killed at
//! any point, it leaves nothing but things in `incoming`, which the next one removes.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_host::lock::FileLock;
use hearth_host::tree;
use hearth_model::{Bytes, Timestamp};
use serde::{Deserialize, Serialize};

use super::checksum::Sha256;
use super::download::{DownloadError, Downloads, Offered, Progress};
use super::layout::{program_in, record_in};
use super::sealed;
use super::settings::archive_name;
use super::unpack::{BOUNDS, UnpackError, unpack};
use super::version::{ArchiveName, InvalidName, Platform, RunnerVersion};
use super::versions::{Versions, VersionsError};

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    Versions(VersionsError),
    #[error("cannot install {path}")]
    Name {
        path: PathBuf,
        #[source]
        cause: InvalidName,
    },
    #[error("the archive {name} is built for {theirs}, and this machine is {ours}")]
    OtherPlatform { name: ArchiveName, theirs: Platform, ours: Platform },
    #[error("nobody says what the checksum of {name} is; name it with --sha256 or runner.sha256")]
    NoChecksum { name: ArchiveName },
    #[error("{name} has the checksum {offered} as GitHub says, and runner.sha256 wants {wanted}")]
    NotWanted { name: ArchiveName, offered: Sha256, wanted: Sha256 },
    #[error("{name} is not what it should be: its checksum is {found}, not {wanted}")]
    Checksum { name: ArchiveName, found: Sha256, wanted: Sha256 },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot get {name}")]
    Download {
        name: ArchiveName,
        #[source]
        cause: DownloadError,
    },
    #[error("cannot unpack {name}")]
    Unpack {
        name: ArchiveName,
        #[source]
        cause: UnpackError,
    },
    #[error("{name} holds no runner program: there is no {missing} in it")]
    NoRunner { name: ArchiveName, missing: &'static str },
    #[error("cannot put runner {version} into its place")]
    Publish {
        version: RunnerVersion,
        #[source]
        cause: io::Error,
    },
    #[error("the installation was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// What an installation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    New(RunnerVersion),
    AlreadyThere(RunnerVersion),
}

/// What stands beside an installed program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: RunnerVersion,
    pub(super) sha256: Sha256,
    /// Where the archive came from, for people.
    pub(super) source: String,
    pub(super) installed_at: Timestamp,
    pub(super) built_at: Option<Timestamp>,
    pub(super) files: u64,
    pub(super) bytes: Bytes,
}

/// The right to fill `incoming`, and what is to come of it.
#[derive(Debug)]
struct Begun {
    versions: Versions,
    name: ArchiveName,
    wanted: Sha256,
    _lock: FileLock,
}

impl Versions {
    /// Installs an archive from this machine. `wanted` is its checksum; nothing else says that it is the right one.
    pub fn install_archive(&self, path: &Path, wanted: Option<Sha256>) -> Result<Installed, InstallError> {
        let name = archive_name(path).map_err(|cause| InstallError::Name { path: path.to_owned(), cause })?;
        let wanted = wanted.or(self.settings().sha256).ok_or(InstallError::NoChecksum { name })?;
        let Some(begun) = self.begin(name, wanted)? else { return Ok(Installed::AlreadyThere(name.version)) };
        let source = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        let read = |cause| InstallError::Read { path: path.to_owned(), cause };
        let mut archive = File::open(path).map_err(read)?;
        let found = Sha256::of(&archive).map_err(read)?;
        archive.rewind().map_err(read)?;
        begun.finish(archive, found, source)
    }

    /// Downloads and installs what GitHub offers. May be dropped at any `.await`.
    pub async fn install_offered(
        &self,
        offered: &Offered,
        downloads: &Downloads,
        on_progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Installed, InstallError> {
        let name = offered.name;
        let wanted = match (offered.sha256, self.settings().sha256) {
            (Some(offered), Some(wanted)) if offered != wanted => {
                return Err(InstallError::NotWanted { name, offered, wanted });
            }
            (offered, wanted) => offered.or(wanted).ok_or(InstallError::NoChecksum { name })?,
        };
        let versions = self.clone();
        let begun = tokio::task::spawn_blocking(move || versions.begin(name, wanted)).await;
        let Some(begun) = begun.map_err(InstallError::Interrupted)?? else {
            return Ok(Installed::AlreadyThere(name.version));
        };
        let path = self.layout().incoming().join(name.to_string());
        let fetched = downloads.fetch(offered, &path, on_progress).await;
        let source = offered.url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let finished = tokio::task::spawn_blocking(move || {
            let finished = match fetched {
                Ok(found) => match File::open(&path) {
                    Ok(archive) => begun.finish(archive, found, source),
                    Err(cause) => Err(InstallError::Read { path: path.clone(), cause }),
                },
                Err(cause) => Err(InstallError::Download { name, cause }),
            };
            // What cannot be removed now is removed before the next installation.
            let _left = fs::remove_file(&path);
            finished
        });
        finished.await.map_err(InstallError::Interrupted)?
    }

    /// Looks whether there is anything to do and, if so, takes the right to do it and clears the ground.
    fn begin(&self, name: ArchiveName, wanted: Sha256) -> Result<Option<Begun>, InstallError> {
        let (theirs, ours) = (name.platform, self.platform());
        if theirs != ours {
            return Err(InstallError::OtherPlatform { name, theirs, ours });
        }
        if self.is_installed(name.version) {
            return Ok(None);
        }
        let lock = self.lock_installations().map_err(InstallError::Versions)?;
        // Whoever had the lock before us may have installed it.
        if self.is_installed(name.version) {
            return Ok(None);
        }
        self.sweep(&lock).map_err(InstallError::Versions)?;
        Ok(Some(Begun { versions: self.clone(), name, wanted, _lock: lock }))
    }
}

impl Begun {
    fn finish(self, archive: File, found: Sha256, source: String) -> Result<Installed, InstallError> {
        let Self { versions, name, wanted, .. } = &self;
        if found != *wanted {
            return Err(InstallError::Checksum { name: *name, found, wanted: *wanted });
        }
        let staging = versions.layout().incoming().join(name.version.to_string());
        let built = self.build(&staging, archive, found, source).and_then(|()| self.publish(&staging));
        if built.is_err() {
            let _left = sealed::remove(&staging);
        }
        built.map(|()| Installed::New(name.version))
    }

    fn build(&self, staging: &Path, archive: File, sha256: Sha256, source: String) -> Result<(), InstallError> {
        let (name, version) = (self.name, self.name.version);
        let publish = |cause| InstallError::Publish { version, cause };
        fs::create_dir(staging).map_err(publish)?;
        let program = program_in(staging);
        let unpacked = unpack(archive, name.packing, &program, BOUNDS);
        let unpacked = unpacked.map_err(|cause| InstallError::Unpack { name, cause })?;
        check_runner(&program, name)?;
        sealed::seal(&program).map_err(publish)?;
        let record = Record {
            version,
            sha256,
            source,
            installed_at: self.versions.now(),
            built_at: unpacked.built_at,
            files: unpacked.files,
            bytes: unpacked.bytes,
        };
        let record = serde_json::to_vec_pretty(&record).map_err(|error| publish(error.into()))?;
        fs::write(record_in(staging), record).map_err(publish)
    }

    /// One rename, after everything is on the disk. What stood in its place was not whole.
    fn publish(&self, staging: &Path) -> Result<(), InstallError> {
        let version = self.name.version;
        let publish = |cause| InstallError::Publish { version, cause };
        tree::sync_file_system(staging).map_err(publish)?;
        let _room = self.versions.lock().map_err(InstallError::Versions)?;
        let layout = self.versions.layout();
        sealed::remove(&layout.version(version)).map_err(publish)?;
        fs::rename(staging, layout.version(version)).map_err(publish)?;
        File::open(layout.versions()).and_then(|directory| directory.sync_all()).map_err(publish)
    }
}

/// Whether what was unpacked is what we would start.
fn check_runner(program: &Path, name: ArchiveName) -> Result<(), InstallError> {
    let listener = name.platform.listener();
    // The archives for Windows say nothing of who may run what.
    let can_run = |mode: u32| mode & 0o111 != 0 || name.platform.os == "win";
    let is_program =
        program.join(listener).symlink_metadata().is_ok_and(|m| m.is_file() && can_run(m.permissions().mode()));
    let has_externals = program.join("externals").symlink_metadata().is_ok_and(|m| m.is_dir());
    match (is_program, has_externals) {
        (true, true) => Ok(()),
        (false, _) => Err(InstallError::NoRunner { name, missing: listener }),
        (true, false) => Err(InstallError::NoRunner { name, missing: "externals" }),
    }
}
