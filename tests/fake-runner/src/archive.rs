//! Releases for tests: the files of a version as the official archive brings them, in a directory or packed as GitHub
//! offers them for download.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::release::{FILE, Release};

/// Files of the official archive that somebody might look for, with what the fake has in them.
const SCRIPTS: [(&str, &str); 4] = [
    ("run.sh", "#!/bin/bash\nexec \"$(dirname \"$0\")\"/bin/Runner.Listener run \"$@\"\n"),
    ("config.sh", "#!/bin/bash\nexec \"$(dirname \"$0\")\"/bin/Runner.Listener configure \"$@\"\n"),
    ("env.sh", "#!/bin/bash\n"),
    ("externals/node24/bin/node", "#!/bin/sh\necho 'fake runner: no JavaScript is played' >&2\nexit 1\n"),
];
const PROGRAM: &str = "bin/Runner.Listener";
const EXECUTABLE: u32 = 0o755;
const READABLE: u32 = 0o644;

/// A release that was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub path: PathBuf,
    /// Of the archive, in lower-case hexadecimal digits, as GitHub gives it.
    pub sha256: String,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot read the program {path}")]
    Program {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// The name that GitHub gives the archive of this version for Linux on x64.
pub fn file_name(version: &str) -> String {
    format!("actions-runner-linux-x64-{version}.tar.gz")
}

/// Lays a release out in a directory: what unpacking its archive gives. `program` is the built `runner_listener`; it is
/// linked where that is possible, because a program that was just written cannot be started while any thread starts a
/// process that still holds it open.
pub fn lay_out(directory: &Path, program: &Path, release: &Release) -> Result<(), ArchiveError> {
    let release = release.to_json();
    for (name, mode, content) in texts(&release) {
        let path = directory.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
        let written = written.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)));
        written.map_err(|cause| ArchiveError::Write { path, cause })?;
    }
    let path = directory.join(PROGRAM);
    let linked = match fs::hard_link(program, &path) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => fs::copy(program, &path).map(drop),
        linked => linked,
    };
    linked.map_err(|cause| ArchiveError::Write { path, cause })
}

/// Packs a release into [`file_name`] below a directory that exists.
pub fn pack(directory: &Path, program: &Path, release: &Release) -> Result<Packed, ArchiveError> {
    let failed = |cause| ArchiveError::Program { path: program.to_owned(), cause };
    let program = fs::read(program).map_err(failed)?;
    let path = directory.join(file_name(&release.version));
    let failed = |cause| ArchiveError::Write { path: path.clone(), cause };
    let bytes = archive(&program, release).map_err(failed)?;
    File::create(&path).and_then(|mut file| file.write_all(&bytes)).map_err(failed)?;
    Ok(Packed { path, sha256: sha256(&bytes), bytes: bytes.len() as u64 })
}

/// Same program and release, same bytes: times and owners are constant.
fn archive(program: &[u8], release: &Release) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for directory in ["./", "./bin/", "./externals/", "./externals/node24/", "./externals/node24/bin/"] {
        let mut header = header(EntryType::Directory, EXECUTABLE, 0);
        archive.append_data(&mut header, directory, io::empty())?;
    }
    let release = release.to_json();
    let files = [(PROGRAM.to_owned(), EXECUTABLE, program)].into_iter().chain(texts(&release));
    for (name, mode, content) in files {
        let mut header = header(EntryType::Regular, mode, content.len() as u64);
        archive.append_data(&mut header, format!("./{name}"), content)?;
    }
    archive.into_inner()?.finish()
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

/// Everything but the program: name, mode, content.
fn texts(release: &[u8]) -> impl Iterator<Item = (String, u32, &[u8])> {
    let own = [(format!("bin/{FILE}"), READABLE, release)];
    let scripts = SCRIPTS.iter().map(|(name, text)| ((*name).to_owned(), EXECUTABLE, text.as_bytes()));
    own.into_iter().chain(scripts)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;
    use crate::release::Pace;

    #[test]
    fn an_archive_holds_what_is_laid_out() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        fs::write(&program, "a program").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(EXECUTABLE)).unwrap();
        let release = Release::new("2.335.1", Pace::OFFICIAL);
        let packed = pack(directory.path(), &program, &release).unwrap();
        assert_eq!(packed.path, directory.path().join("actions-runner-linux-x64-2.335.1.tar.gz"));
        assert_eq!(packed.bytes, fs::metadata(&packed.path).unwrap().len());
        assert_eq!(pack(directory.path(), &program, &release).unwrap(), packed, "the same bytes again");

        let (laid_out, unpacked) = (directory.path().join("laid-out"), directory.path().join("unpacked"));
        lay_out(&laid_out, &program, &release).unwrap();
        tar::Archive::new(GzDecoder::new(File::open(&packed.path).unwrap())).unpack(&unpacked).unwrap();
        let release_file = release.to_json();
        let files = texts(&release_file).chain([(PROGRAM.to_owned(), EXECUTABLE, b"a program".as_slice())]);
        for (name, mode, content) in files {
            for root in [&laid_out, &unpacked] {
                let path = root.join(&name);
                assert_eq!(fs::read(&path).unwrap(), content, "{name}");
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{name}");
            }
        }
        assert_eq!(Release::read(&unpacked.join("bin").join(FILE)).unwrap(), release);
    }

    #[test]
    fn a_release_is_not_laid_out_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let (program, at) = (directory.path().join("program"), directory.path().join("root"));
        fs::write(&program, "a program").unwrap();
        let release = Release::new("2.335.1", Pace::BRISK);
        lay_out(&at, &program, &release).unwrap();
        lay_out(&at, &program, &release).unwrap_err();
        assert_eq!(fs::read(&program).unwrap(), b"a program");
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let error = pack(directory.path(), &missing, &Release::new("1", Pace::BRISK)).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot read the program {}", missing.display()));
    }
}
