//! The daemon's side of the desk.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_host::users;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore};

use super::protocol::{Answer, What, receive, send, version};
use crate::app::App;
use crate::dispatch::Control;
use crate::journey::{self, chain};

/// So many questions at a time; more wait in the kernel's queue.
const AT_A_TIME: usize = 64;
/// A caller that does not say its question within this time is dropped.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {path}")]
    Listen {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// The desk of a daemon.
#[derive(Debug, Clone)]
pub struct DeskServer {
    app: Arc<App>,
    node: SocketAddr,
    /// Rung when a snapshot may have been left, so that its next clone is made ready.
    upkeep: Arc<Notify>,
    board: Control,
}

impl DeskServer {
    pub fn new(app: Arc<App>, node: SocketAddr, upkeep: Arc<Notify>, board: Control) -> Self {
        Self { app, node, upkeep, board }
    }

    /// Takes the socket's place. The caller holds the daemon lock, so whatever stands there is a leftover.
    pub fn listen(path: &Path) -> Result<UnixListener, ServerError> {
        let failed = |cause| ServerError::Listen { path: path.to_owned(), cause };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(listener)
    }

    /// Answers until dropped. `spawn` runs one answer beside the others.
    pub async fn serve(
        self,
        listener: UnixListener,
        spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
    ) {
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let desk = self.clone();
                    spawn(Box::pin(async move {
                        desk.answer_one(stream).await;
                        drop(place);
                    }));
                }
                Err(error) => {
                    tracing::warn!("the desk cannot take a caller: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn answer_one(&self, mut stream: UnixStream) {
        // The directory's mode keeps others out already; this holds when somebody opens it.
        let caller = stream.peer_cred().map(|peer| peer.uid());
        if !matches!(caller, Ok(uid) if uid == users::effective_uid() || uid == 0) {
            tracing::warn!("the desk refused a caller of another user");
            return;
        }
        if send(&mut stream, &version()).await.is_err() {
            return;
        }
        let question = match tokio::time::timeout(QUESTION_LIMIT, receive::<What>(&mut stream)).await {
            Ok(Ok(question)) => question,
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return,
            Ok(Err(error)) => {
                let why = format!("the question cannot be read: {error}");
                let _gone = send(&mut stream, &Answer::Failed { why }).await;
                return;
            }
            Err(_elapsed) => return,
        };
        // Whoever has given up keeps the books by itself, and what it asked for is another's by now: this machine may
        // have been asleep in between.
        if matches!(stream.try_read(&mut [0]), Ok(0)) {
            return;
        }
        let answer = match question {
            What::Show => Answer::Shown(Box::new(self.board.show())),
            // Whoever asked may leave; what was begun goes on.
            What::Drain => {
                self.board.drain().await;
                Answer::Noted
            }
            What::AwaitDrained => {
                self.board.drained().await;
                Answer::Drained
            }
            question => {
                self.settle(&question).await;
                let desk = self.clone();
                let answered = tokio::task::spawn_blocking(move || desk.carry_out(question)).await;
                let stumbled = || Answer::Failed { why: "the daemon stumbled over this question".to_owned() };
                answered.unwrap_or_else(|_| stumbled())
            }
        };
        if let Err(error) = send(&mut stream, &answer).await {
            tracing::debug!("a caller left before its answer: {error}");
        }
    }

    /// Before a job is judged by what the forge called its repository, that name is looked into.
    async fn settle(&self, question: &What) {
        let (execution, repository, number) = match question {
            What::Begin(intent) => (intent.execution, &intent.facts.repository, intent.facts.run.repository_id),
            What::Finish(finish) => (finish.begun.execution, &finish.begun.repository, finish.begun.repository_id),
            _ => return,
        };
        self.board.settle(&self.app.heard, execution, repository, number).await;
    }

    fn carry_out(&self, what: What) -> Answer {
        let app = self.app.as_ref();
        let done = match what {
            What::Begin(intent) => journey::begin(app, *intent).map(|begun| {
                let token = app.signer().sign(&begun.claims).expose().to_owned();
                Answer::Begun { begun: Box::new(begun), node: self.node, token }
            }),
            What::Lease(wish) => journey::lease(app, &wish).map(|lease| Answer::Leased(Box::new(lease))),
            What::Started(execution) => journey::started(app, execution).map(|()| Answer::Noted),
            What::Beat { execution, ran } => journey::beat(app, execution, ran).map(|()| Answer::Noted),
            What::Finish(finish) => journey::finish(app, *finish).map(|receipt| {
                self.upkeep.notify_one();
                Answer::Finished(Box::new(receipt))
            }),
            What::Show | What::Drain | What::AwaitDrained => {
                return Answer::Failed { why: "the board answers this".to_owned() };
            }
        };
        done.unwrap_or_else(|error| Answer::Failed { why: chain(&error) })
    }
}
