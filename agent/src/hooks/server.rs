//! The keeper's side of the job's socket: lets the right user in, reads one question after the other, and hands each to
//! the keeper together with a place for the answer. Decides nothing.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_host::users;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::protocol::{Answer, Ask, FIRST_USE_LIMIT, LARGEST};
use hearth_daemon::frames;

/// So many callers at a time; more wait in the kernel's queue. Bounds what questions can hold of our memory.
const AT_A_TIME: usize = 4;
/// A caller that says nothing for longer is dropped. Restoring the times of a checkout takes less.
const SILENCE_LIMIT: Duration = FIRST_USE_LIMIT;

#[derive(Debug, thiserror::Error)]
pub enum HookServerError {
    #[error("cannot listen for the job's hooks on {path}")]
    Listen {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// A question, and where its answer goes. The connection it came by has a number: questions that belong together come
/// by one.
#[derive(Debug)]
pub struct Heard {
    pub connection: u64,
    pub ask: Ask,
    pub answer: oneshot::Sender<Answer>,
}

/// Listens until dropped.
#[derive(Debug)]
pub struct HookServer {
    _listening: JoinSet<()>,
}

impl HookServer {
    /// Takes questions of `user` (and of ours) on `path`, which every user may reach that sees it.
    pub fn listen(path: &Path, user: u32) -> Result<(Self, mpsc::Receiver<Heard>), HookServerError> {
        let failed = |cause| HookServerError::Listen { path: path.to_owned(), cause };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Whose questions are answered is decided by the kernel's word on who asks.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
        let (tell, heard) = mpsc::channel(AT_A_TIME);
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, user, tell));
        Ok((Self { _listening: listening }, heard))
    }
}

async fn listen(listener: UnixListener, user: u32, tell: mpsc::Sender<Heard>) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut connections = JoinSet::new();
    for connection in 0_u64.. {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let caller = stream.peer_cred().map(|peer| peer.uid());
                if !matches!(caller, Ok(uid) if uid == user || uid == users::effective_uid()) {
                    tracing::warn!("a hook's question by another user was refused");
                    continue;
                }
                let tell = tell.clone();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, connection, &tell).await {
                        tracing::debug!("a hook's connection ended: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("a hook cannot be heard: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, connection: u64, tell: &mpsc::Sender<Heard>) -> io::Result<()> {
    let late = |_elapsed| io::Error::from(io::ErrorKind::TimedOut);
    loop {
        let ask = tokio::time::timeout(SILENCE_LIMIT, frames::receive::<Ask>(&mut stream, LARGEST)).await;
        let ask = match ask.map_err(late)? {
            Ok(ask) => ask,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let (answer, answered) = oneshot::channel();
        if tell.send(Heard { connection, ask, answer }).await.is_err() {
            return Ok(());
        }
        // A keeper that drops the question has nothing more to say.
        let Ok(answer) = answered.await else { return Ok(()) };
        tokio::time::timeout(SILENCE_LIMIT, frames::send(&mut stream, &answer, LARGEST)).await.map_err(late)??;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::Refused;

    #[tokio::test]
    async fn questions_reach_the_keeper_and_answers_the_caller() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hooks.sock");
        let (_server, mut heard) = HookServer::listen(&path, users::effective_uid()).unwrap();
        let mut caller = UnixStream::connect(&path).await.unwrap();
        for expected_connection in [0, 0] {
            frames::send(&mut caller, &Ask::Completed, LARGEST).await.unwrap();
            let question = heard.recv().await.unwrap();
            assert_eq!(question.connection, expected_connection);
            assert!(matches!(question.ask, Ask::Completed));
            question.answer.send(Answer::Refused(Refused::NotStarted)).unwrap();
            let answer = frames::receive::<Answer>(&mut caller, LARGEST).await.unwrap();
            assert!(matches!(answer, Answer::Refused(Refused::NotStarted)));
        }
    }

    #[tokio::test]
    async fn a_forged_or_endless_question_ends_its_own_connection_only() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hooks.sock");
        let (_server, mut heard) = HookServer::listen(&path, users::effective_uid()).unwrap();
        for forged in [&b"\xff\xff\xff\xff"[..], b"\x05\x00\x00\x00nope!", b"GET / HTTP/1.1\r\n\r\n"] {
            let mut caller = UnixStream::connect(&path).await.unwrap();
            caller.write_all(forged).await.unwrap();
            let mut answer = Vec::new();
            let _broken_off = caller.shutdown().await;
            let _ended = caller.read_to_end(&mut answer).await;
            assert!(answer.is_empty());
        }
        let mut caller = UnixStream::connect(&path).await.unwrap();
        frames::send(&mut caller, &Ask::Completed, LARGEST).await.unwrap();
        assert!(matches!(heard.recv().await.unwrap().ask, Ask::Completed));
    }
}
