//! The side of the control socket that has the store: takes callers of its own user only, a few at a time, and answers
//! one question of each. A caller who leaves ends what he asked for at its next word.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hearth_host::users;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::protocol::{Ask, Said, receive, send, version};
use super::{archive, work};
use crate::node::Node;
use crate::transport::{SocketError, listen_on_socket};

/// The socket's name in the server's directory.
pub(crate) const SOCKET: &str = "control.sock";
/// Questions at a time; more wait in the kernel's queue.
const AT_A_TIME: usize = 8;
/// A caller who has not said his question by then is dropped.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);
/// Before the next try where no caller could be taken.
const AGAIN: Duration = Duration::from_millis(100);

/// Answers questions about a node.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    node: Node,
    since: Instant,
}

impl Desk {
    pub(crate) fn new(node: Node) -> Self {
        Self { node, since: Instant::now() }
    }

    pub(crate) fn listen(dir: &Path) -> Result<UnixListener, SocketError> {
        listen_on_socket(&dir.join(SOCKET), 0o600)
    }

    /// Answers until `stop`. What is under way then is broken off; it is safe to be.
    pub(crate) async fn serve(self, listener: UnixListener, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        let mut answers = JoinSet::new();
        let accepting = async {
            loop {
                while answers.try_join_next().is_some() {}
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let desk = self.clone();
                        answers.spawn(async move {
                            desk.answer(stream).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        warn!(error = %error, "the control socket cannot take a caller");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        };
        // A caller who was not accepted yet sees the socket close.
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        answers.shutdown().await;
    }

    /// Answers one question.
    pub(crate) async fn answer(self, mut stream: UnixStream) {
        // The socket's mode keeps others out already; this holds when somebody opens it.
        let caller = stream.peer_cred().map(|peer| peer.uid());
        if !matches!(caller, Ok(uid) if uid == users::effective_uid() || uid == 0) {
            warn!("the control socket refused a caller of another user");
            return;
        }
        if let Err(error) = self.converse(&mut stream).await {
            debug!(error = %error, "a caller of the control socket left before the end");
        }
    }

    async fn converse(&self, stream: &mut UnixStream) -> io::Result<()> {
        send(stream, &version()).await?;
        let Ok(asked) = timeout(QUESTION_LIMIT, receive::<Ask>(stream)).await else { return Ok(()) };
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return send(stream, &failed(&error)).await,
        };
        // What is not known yet can neither be shown nor checked.
        self.node.store().book.index.loaded().await;
        let done = match asked {
            Ask::Stats => work::stats(&self.node, self.since.elapsed(), stream).await,
            Ask::List { which, limit } => work::list(&self.node, &which, limit, stream).await,
            Ask::Verify => work::verify(&self.node, stream).await,
            Ask::Collect { to } => work::collect(&self.node, to, stream).await,
            Ask::Pin { which } => work::set_pinned(&self.node, which, true).await,
            Ask::Unpin { which } => work::set_pinned(&self.node, which, false).await,
            Ask::Warm { endpoint, token, ca } => work::warm_from(&self.node, endpoint, token, ca, stream).await,
            Ask::Export { which } => archive::export(&self.node, &which, stream).await,
            Ask::Import => archive::import(&self.node, stream).await,
        };
        let last = match done {
            Ok(report) => Said::Done(report),
            Err(error) => failed(&error),
        };
        send(stream, &last).await
    }
}

/// The error with all its causes, for a person.
fn failed(error: &dyn std::error::Error) -> Said {
    let mut why = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        why.push_str(": ");
        why.push_str(&cause.to_string());
        next = cause.source();
    }
    Said::Failed { why }
}
