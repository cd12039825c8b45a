//! The configuration file with one section more: what stands in it stays as it is, to the letter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use hearth_daemon::config::{ConfigError, Sources};
use hearth_forge::GithubFile;

use crate::environment::Environment;
use crate::settings::{self, HearthFile, SettingsError};

/// A configuration names secrets and holds none.
const NEW_FILE_MODE: u32 = 0o644;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read configuration file {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write configuration file {path}; it is as it was")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("configuration file {path} with the new section would not be right; it is as it was")]
    NotRight {
        path: PathBuf,
        #[source]
        cause: Box<SettingsError>,
    },
    #[error(
        "configuration file {path} has its [[github]] sections in a form that cannot be appended to; add it by hand"
    )]
    OtherForm { path: PathBuf },
}

/// Appends a section to the file at `path`, which is made when it is missing. Either all of it is written or nothing.
pub(super) fn append(
    path: &Path,
    section: &str,
    meant: &GithubFile,
    environment: &Environment,
) -> Result<(), FileError> {
    // The file itself, where the path is a link to it.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let current = match fs::read_to_string(&target) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(cause) => return Err(FileError::Read { path: target, cause }),
    };
    let text = appended(&target, &current, section, meant, environment)?;
    replace(&target, text.as_bytes()).map_err(|cause| FileError::Write { path: target, cause })
}

/// The whole text, after it has been read back and found to mean what was meant.
fn appended(
    path: &Path,
    current: &str,
    section: &str,
    meant: &GithubFile,
    environment: &Environment,
) -> Result<String, FileError> {
    let not_right = |cause| FileError::NotRight { path: path.to_owned(), cause: Box::new(cause) };
    let before = read(path, current).map_err(|error| not_right(SettingsError::Config(error)))?;
    let gap = match current {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let text = format!("{current}{gap}{section}");
    let after = read(path, &text).map_err(|_| FileError::OtherForm { path: path.to_owned() })?;
    let expected: Vec<_> = before.github.iter().chain([meant]).collect();
    if after.github.iter().ne(expected) {
        return Err(FileError::OtherForm { path: path.to_owned() });
    }
    settings::check(after, environment).map_err(not_right)?;
    Ok(text)
}

fn read(path: &Path, text: &str) -> Result<HearthFile, ConfigError> {
    Ok(Sources::default().with_text(path, text)?.load()?.value)
}

/// Exchanges a file for one with this content, and with the owner and the mode that it had.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let written = write(&partial, bytes, path.metadata().ok()).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        let _unfinished = fs::remove_file(&partial);
    }
    written
}

fn write(partial: &Path, bytes: &[u8], before: Option<fs::Metadata>) -> io::Result<()> {
    let _leftover = fs::remove_file(partial);
    let mode = before.as_ref().map_or(NEW_FILE_MODE, |before| before.permissions().mode());
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(NEW_FILE_MODE & mode).open(partial)?;
    if let Some(before) = before {
        let ours = file.metadata()?;
        if (ours.uid(), ours.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(before.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "[[github]]\nurl = \"https://github.com/acme\"\ntoken_file = \"/etc/token\"\n";

    fn meant() -> GithubFile {
        let read: HearthFile = toml::from_str(SECTION).unwrap();
        read.github[0].clone()
    }

    fn environment() -> Environment {
        Environment::from_pairs(&[("HOME", "/home/ci")])
    }

    fn check(current: &str) -> Result<String, FileError> {
        appended(Path::new("hearth.toml"), current, SECTION, &meant(), &environment())
    }

    #[test]
    fn what_is_there_stays_to_the_letter() {
        for (current, gap) in [
            ("", ""),
            ("# mine\nslots = { count = 3 }  # three\n", "\n"),
            ("[slots]\ncount = 3", "\n\n"),
            ("[[github]]\nurl = 'https://github.com/other'\ntoken_file = '/t'\n", "\n"),
        ] {
            assert_eq!(check(current).unwrap(), format!("{current}{gap}{SECTION}"));
        }
    }

    #[test]
    fn a_file_that_cannot_take_it_is_refused() {
        let inline = "github = [{ url = 'https://github.com/other', token_file = '/t' }]\n";
        assert!(matches!(check(inline), Err(FileError::OtherForm { .. })));
        assert!(matches!(check("slots = {"), Err(FileError::NotRight { .. })));
        assert!(matches!(check("[slots]\ncount = 0\n"), Err(FileError::NotRight { .. })));
    }

    #[test]
    fn the_mode_is_kept_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("etc/hearth.toml");
        append(&path, SECTION, &meant(), &environment()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, NEW_FILE_MODE);
        fs::write(&path, "# mine\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        append(&link, SECTION, &meant(), &environment()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("# mine\n\n{SECTION}"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
