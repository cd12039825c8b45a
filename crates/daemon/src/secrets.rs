//! Secrets stand in files of their own: the configuration names the file, this room reads it. A secret is never
//! printed and is wiped from memory when it goes.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hearth_host::owners;
use hearth_model::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Private keys are the largest secrets we read; they are a few KiB.
const SIZE_LIMIT: Bytes = Bytes::kib(64);

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read secret file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("secret file {} is larger than {limit}", path.display())]
    TooLarge { path: PathBuf, limit: Bytes },
    #[error("secret file {} is readable by every user of this machine; run `chmod 600` on it", path.display())]
    Exposed { path: PathBuf },
    #[error("secret file {} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("secret file {} is not valid UTF-8", path.display())]
    NotText { path: PathBuf },
}

/// Who may read an open file, as far as this system can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    Private,
    Everybody,
}

/// Asks this system who may read an open file.
pub fn exposure(file: &File) -> io::Result<Exposure> {
    Ok(if owners::is_readable_by_everybody(file)? { Exposure::Everybody } else { Exposure::Private })
}

/// The path of a secret, as it stands in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretFile(PathBuf);

/// A secret.
pub struct Secret(Zeroizing<String>);

impl SecretFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the secret and takes one newline off its end. `exposure` is this system's way to ask who else may read
    /// the file; it is asked of the open file, so that nobody can exchange the file between question and reading.
    pub fn read(&self, exposure: impl FnOnce(&File) -> io::Result<Exposure>) -> Result<Secret, SecretError> {
        let path = || self.0.clone();
        let failed = |cause| SecretError::Read { path: path(), cause };
        let file = File::open(&self.0).map_err(failed)?;
        if exposure(&file).map_err(failed)? == Exposure::Everybody {
            return Err(SecretError::Exposed { path: path() });
        }
        // Room for everything from the start: a buffer that grows leaves copies behind that nobody wipes.
        let most = usize::try_from(SIZE_LIMIT.0).expect("64 KiB fit into every address space");
        let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
        file.take(SIZE_LIMIT.0 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > most {
            return Err(SecretError::TooLarge { path: path(), limit: SIZE_LIMIT });
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText { path: path() })?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(SecretError::Empty { path: path() });
        }
        Ok(Secret(Zeroizing::new(text.to_owned())))
    }
}

impl JsonSchema for SecretFile {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "SecretFile".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "description": "path of a file that holds only the secret" })
    }
}

impl Secret {
    /// A secret that came from elsewhere than a file: another service's answer, for example.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reading a file with this content gives.
    fn check(content: &[u8], exposure: Exposure) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        let read = SecretFile::new(&path).read(|_| Ok(exposure));
        let shown = path.display().to_string();
        read.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string().replace(&shown, "FILE"))
    }

    #[test]
    fn exactly_one_newline_is_taken_off() {
        assert_eq!(check(b"s3cret\n", Exposure::Private).unwrap(), "s3cret");
        assert_eq!(check(b"s3cret\r\n", Exposure::Private).unwrap(), "s3cret");
        assert_eq!(check(b" s3cret \n\n", Exposure::Private).unwrap(), " s3cret \n");
    }

    #[test]
    fn a_file_that_cannot_be_a_secret_is_refused_with_the_reason() {
        let largest = vec![b'x'; 64 << 10];
        assert_eq!(check(&largest, Exposure::Private).unwrap().len(), 64 << 10);
        for (content, exposure, message) in [
            (
                &b"s3cret"[..],
                Exposure::Everybody,
                "secret file FILE is readable by every user of this machine; run `chmod 600` on it",
            ),
            (b"\n", Exposure::Private, "secret file FILE is empty"),
            (b"\xff", Exposure::Private, "secret file FILE is not valid UTF-8"),
            (&[&largest[..], b"x"].concat(), Exposure::Private, "secret file FILE is larger than 64.0 KiB"),
        ] {
            assert_eq!(check(content, exposure).unwrap_err(), message);
        }
        let gone = SecretFile::new("/nowhere/token").read(|_| Ok(Exposure::Private)).unwrap_err();
        assert_eq!(gone.to_string(), "cannot read secret file /nowhere/token");
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("s3cret".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "**** Some(****)");
    }
}
