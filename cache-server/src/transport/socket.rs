//! The Unix socket: made with its mode before anybody can connect, and in the place of one that a crash left behind, but
//! never of one that somebody serves.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("cannot make the socket {path}")]
    Make {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("another process serves the socket {path}")]
    Served { path: PathBuf },
    #[error("{path} is there already and is no socket")]
    NoSocket { path: PathBuf },
}

/// Listens at `path`; whom `mode` lets write there may connect.
pub(crate) fn listen_on_socket(path: &Path, mode: u32) -> Result<UnixListener, SocketError> {
    let failed = |cause| SocketError::Make { path: path.to_owned(), cause };
    match path.symlink_metadata() {
        Ok(there) if !there.file_type().is_socket() => return Err(SocketError::NoSocket { path: path.to_owned() }),
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(SocketError::Served { path: path.to_owned() }),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(failed(cause)),
    }
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?.to_string_lossy();
    // Under another name until its mode is right.
    let partial = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let _leftover = fs::remove_file(&partial);
    let listener = UnixListener::bind(&partial).map_err(failed)?;
    let placed = fs::set_permissions(&partial, Permissions::from_mode(mode)).and_then(|()| fs::rename(&partial, path));
    if let Err(cause) = placed {
        let _gone = fs::remove_file(&partial);
        return Err(failed(cause));
    }
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_nobody_serves_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache.sock");
        let first = listen_on_socket(&path, 0o660).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(listen_on_socket(&path, 0o600), Err(SocketError::Served { .. })));
        drop(first);
        let _second = listen_on_socket(&path, 0o600).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let file = dir.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(listen_on_socket(&file, 0o600), Err(SocketError::NoSocket { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing half made is left");
    }
}
