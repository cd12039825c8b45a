//! Small archives of a program that is no runner, for tests.

use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::checksum::Sha256;
use super::version::{ArchiveName, Packing, Platform, RunnerVersion};

/// When every sample was built.
pub(crate) const BUILT_AT_SECONDS: u64 = 1_700_000_000;

pub(crate) fn name(version: RunnerVersion) -> ArchiveName {
    ArchiveName { platform: Platform::of_this_machine().unwrap(), version, packing: Packing::TarGz }
}

/// An archive of these files, each with its mode.
pub(crate) fn packed(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, mode, content) in files {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(BUILT_AT_SECONDS);
        archive.append_data(&mut header, path, *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// A whole sample of this version.
pub(crate) fn archive(version: RunnerVersion) -> Vec<u8> {
    packed(&[
        ("bin/Runner.Listener", 0o755, version.to_string().as_bytes()),
        ("externals/node20/bin/node", 0o755, b"node"),
        ("run.sh", 0o755, b"#!/bin/sh\n"),
    ])
}

/// The same as a file, under the name that GitHub would give it, with its checksum.
pub(crate) fn file(directory: &Path, version: RunnerVersion) -> (PathBuf, Sha256) {
    let (path, bytes) = (directory.join(name(version).to_string()), archive(version));
    std::fs::write(&path, &bytes).unwrap();
    (path, Sha256::of(&bytes[..]).unwrap())
}
