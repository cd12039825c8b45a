//! Whether the server can do its work now: its directory is the one that it was started with and takes what is written,
//! those who work on the disk get on with it, what it holds is known, and its certificates are good.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::admin::Readiness;
use hearth_daemon::stop::Stop;
use hearth_model::{Bytes, Clock};
use tokio::sync::Semaphore;

use crate::node::{IndexState, Node};
use crate::transport::Certificates;

/// The longest that one write may take before it is called stuck.
const STUCK: Duration = Duration::from_secs(5);

/// Room for one of the biggest objects that compilers make: with less, a write is declined soon.
const ROOM: Bytes = Bytes::mib(8);

/// What readiness is asked of.
pub(super) struct Server {
    pub(super) dir: PathBuf,
    pub(super) node: Node,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The checks of a server whose directory is there now.
pub(super) fn readiness(stop: Stop, server: Server) -> io::Result<Readiness> {
    let Server { dir, node, certificates, clock } = server;
    let probe =
        Arc::new(Probe { identity: identity(&dir)?, dir, node: node.clone(), turn: Arc::new(Semaphore::new(1)) });
    let (writing, reading, syncing) = (node.clone(), node.clone(), node.clone());
    let readiness = Readiness::new(stop)
        .with("directory", move || Arc::clone(&probe).ask())
        .with("writes", move || std::future::ready(writes(&writing)))
        .with("reads", move || {
            std::future::ready(fine(reading.disk().read_failure, "the last object could not be read"))
        })
        .with("syncs", move || {
            std::future::ready(fine(syncing.disk().sync_failure, "what was stored does not reach the disk"))
        })
        .with("index", move || std::future::ready(index(&node)));
    Ok(match certificates {
        Some(certificates) => {
            readiness.with("certificates", move || std::future::ready(unexpired(&certificates, &*clock)))
        }
        None => readiness,
    })
}

fn fine(failure: Option<String>, what: &str) -> Result<(), String> {
    failure.map_or(Ok(()), |said| Err(format!("{what}: {said}")))
}

fn writes(node: &Node) -> Result<(), String> {
    let disk = node.disk();
    if disk.writing_for > STUCK {
        return Err(format!("the disk has been at one write for {} s", disk.writing_for.as_secs()));
    }
    fine(disk.write_failure, "the last object could not be stored")
}

/// Whether everything on disk is known: before, what another server has stored may be missed.
fn index(node: &Node) -> Result<(), String> {
    match node.status().index {
        IndexState::Complete => Ok(()),
        IndexState::Loading => Err("still reading what the directory holds".to_owned()),
    }
}

fn unexpired(certificates: &Certificates, clock: &dyn Clock) -> Result<(), String> {
    let now = clock.now();
    match certificates.expires_at() {
        Some(end) if end <= now => Err(format!("a certificate expired {} ago", now.since(end))),
        _ => Ok(()),
    }
}

/// Tries the directory, beside the path of requests.
struct Probe {
    dir: PathBuf,
    /// Device and inode of the directory at the start.
    identity: (u64, u64),
    node: Node,
    /// Held by the thread that tries: one that hangs hangs alone, however many ask.
    turn: Arc<Semaphore>,
}

impl Probe {
    async fn ask(self: Arc<Self>) -> Result<(), String> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let tried = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            self.attempt()
        });
        tried.await.unwrap_or_else(|_| Err("the check stumbled".to_owned()))
    }

    /// Blocks.
    fn attempt(&self) -> Result<(), String> {
        let dir = self.dir.display();
        if identity(&self.dir).map_err(|error| format!("cannot look at {dir}: {error}"))? != self.identity {
            return Err(format!("{dir} is not the directory that the server was started with; start it again"));
        }
        let lacking = self.node.lacks_room(ROOM).map_err(|error| format!("cannot see the room in {dir}: {error}"))?;
        if lacking.0 > 0 {
            return Err(format!("the disk of {dir} is full: {lacking} are missing for the next objects"));
        }
        match write_and_read(&self.dir.join(".ready.partial")) {
            Ok(Answer::Same) => Ok(()),
            Ok(Answer::Other) => Err(format!("{dir} gives back other bytes than were written")),
            Err(error) => Err(format!("cannot write and read in {dir}: {error}")),
        }
    }
}

/// What was read where something was written.
enum Answer {
    Same,
    Other,
}

fn identity(dir: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(dir).map(|there| (there.dev(), there.ino()))
}

/// What is written has to reach the disk: memory takes everything.
fn write_and_read(probe: &Path) -> io::Result<Answer> {
    const WORD: &[u8] = b"ready";
    let mut file = File::create(probe)?;
    file.write_all(WORD)?;
    file.sync_all()?;
    let read = fs::read(probe)?;
    fs::remove_file(probe)?;
    Ok(if read == WORD { Answer::Same } else { Answer::Other })
}
