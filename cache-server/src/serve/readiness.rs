//! Whether the server can do its work now: its directory can be written, and what it holds is known.

use std::path::{Path, PathBuf};

use hearth_daemon::admin::Readiness;
use hearth_daemon::stop::Stop;

use crate::node::{IndexState, Node};

/// Whether the directory takes what is written there.
pub(super) fn readiness(stop: Stop, dir: PathBuf) -> Readiness {
    Readiness::new(stop).with("directory", move || {
        let dir = dir.clone();
        async move {
            let probed = tokio::task::spawn_blocking(move || write_and_read(&dir)).await;
            probed.unwrap_or_else(|_| Err("the check stumbled".to_owned()))
        }
    })
}

/// Whether everything on disk is known: before, what another server has stored may be missed.
pub(super) fn with_index(readiness: Readiness, node: Node) -> Readiness {
    readiness.with("index", move || {
        let state = node.status().index;
        async move {
            match state {
                IndexState::Complete => Ok(()),
                IndexState::Loading => Err("still reading what the directory holds".to_owned()),
            }
        }
    })
}

fn write_and_read(dir: &Path) -> Result<(), String> {
    const WORD: &[u8] = b"ready";
    let probe = dir.join(".ready.partial");
    let told = |what: &str, error| format!("cannot {what} in {}: {error}", dir.display());
    std::fs::write(&probe, WORD).map_err(|error| told("write", error))?;
    let read = std::fs::read(&probe).map_err(|error| told("read", error))?;
    std::fs::remove_file(&probe).map_err(|error| told("remove a file", error))?;
    if read == WORD { Ok(()) } else { Err(format!("{} gives back other bytes than were written", dir.display())) }
}
