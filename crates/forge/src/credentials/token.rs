//! A token that a person made. When GitHub refuses it, the file is read again: a new token needs no restart.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_daemon::secrets::{Secret, SecretFile};

use super::{Bearer, CredentialError, header};
use crate::http::PeekExposure;

#[derive(Debug)]
pub(crate) struct FileToken {
    file: SecretFile,
    exposure: PeekExposure,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    token: Secret,
    generation: u64,
}

impl FileToken {
    pub(crate) fn read(file: SecretFile, exposure: PeekExposure) -> Result<Self, CredentialError> {
        let token = file.read(exposure).map_err(CredentialError::Secret)?;
        header("Bearer", &token)?;
        Ok(Self { file, exposure, current: Mutex::new(Current { token, generation: 0 }) })
    }

    pub(crate) fn bearer(&self) -> Result<Bearer, CredentialError> {
        let current = self.lock();
        Ok(Bearer { header: header("Bearer", &current.token)?, generation: current.generation })
    }

    /// Whether the file holds another token now.
    pub(crate) fn refused(&self, generation: u64) -> bool {
        let mut current = self.lock();
        if current.generation != generation {
            return true;
        }
        match self.file.read(self.exposure) {
            Ok(token) if token.expose() != current.token.expose() => {
                *current = Current { token, generation: generation + 1 };
                true
            }
            _ => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use hearth_daemon::secrets::Exposure;

    use super::*;

    #[test]
    fn a_new_token_in_the_file_is_taken_once_the_old_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "old\n").unwrap();
        let token = FileToken::read(SecretFile::new(&path), |_| Ok(Exposure::Private)).unwrap();
        assert_eq!(token.bearer().unwrap().header, "Bearer old");
        assert!(!token.refused(0), "the file still holds the token that was refused");
        std::fs::write(&path, "new\n").unwrap();
        assert!(token.refused(0));
        assert_eq!(token.bearer().unwrap().header, "Bearer new");
        assert!(token.refused(0), "somebody else's call was refused with the old one meanwhile");
        assert!(!token.refused(1));
    }
}
