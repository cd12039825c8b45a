//! A daemon's own key: made once, at random, in a file that only its owner may read. Whoever has it can make the tokens
//! that this daemon believes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hearth_host::{owners, tree};
use zeroize::Zeroizing;

/// Bytes of a key.
pub const LENGTH: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read the key at {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot make a key at {}", path.display())]
    Make {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the key at {} is not {LENGTH} bytes long; remove it to get a new one", path.display())]
    Length { path: PathBuf },
    #[error("the key at {} is readable by every user of this machine; run `chmod 600` on it", path.display())]
    Exposed { path: PathBuf },
}

/// Reads the key, or makes one where there is none. Of several processes that do so at once, all get the same.
pub fn read_or_make(path: &Path) -> Result<Zeroizing<[u8; LENGTH]>, KeyError> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let failed = |cause| KeyError::Make { path: path.to_owned(), cause };
    let mut key = Zeroizing::new([0; LENGTH]);
    getrandom::fill(&mut *key).map_err(|error| failed(error.into()))?;
    tree::write_private_once(path, &*key).map_err(failed)?;
    // Somebody else's may have been first.
    read(path)?.ok_or_else(|| KeyError::Read { path: path.to_owned(), cause: io::ErrorKind::NotFound.into() })
}

fn read(path: &Path) -> Result<Option<Zeroizing<[u8; LENGTH]>>, KeyError> {
    let failed = |cause| KeyError::Read { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    if owners::is_readable_by_everybody(&file).map_err(failed)? {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH + 1));
    file.take(LENGTH as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    match <[u8; LENGTH]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Some(Zeroizing::new(key))),
        Err(_) => Err(KeyError::Length { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = read_or_make(&path).unwrap();
        assert_eq!(read_or_make(&path).unwrap(), key);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(read_or_make(&dir.path().join("other")).unwrap(), key);
    }

    #[test]
    fn a_key_that_cannot_be_one_is_refused_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for bytes in [&b""[..], &[7; LENGTH - 1], &[7; LENGTH + 1]] {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_or_make(&path), Err(KeyError::Length { .. })), "{} bytes", bytes.len());
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn a_key_that_everybody_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, [7; LENGTH]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_or_make(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
