//! What has to be done regularly and is on no job's path. Every task may be interrupted at any point and done again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hearth_cache_server::NodeError;
use hearth_daemon::stop::Stop;
use hearth_daemon::upkeep::{Failure, Report, Running, Task};
use hearth_host::lock::FileLock;
use tokio::sync::Notify;

use crate::app::{App, AppError};
use crate::settings::Settings;
use crate::sources::Sources;
use crate::targets::{TargetsError, Upkept};

#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error(transparent)]
    App(AppError),
    #[error(transparent)]
    Targets(TargetsError),
    #[error("cannot keep the compile cache within its budget")]
    Cache(#[source] NodeError),
    #[error("cannot lock the upkeep of {path}")]
    Lock {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// One round for a machine without a daemon; nothing when another round is under way, except to come after it: what
/// that round did not see any more is then seen by this one.
pub async fn run_once(settings: Settings) -> Result<(), UpkeepError> {
    let app = App::open(settings).map_err(UpkeepError::App)?;
    let path = app.places.upkeep_lock();
    let _lock = FileLock::exclusive(&path).map_err(|cause| UpkeepError::Lock { path, cause })?;
    let done = app.targets.upkeep().map_err(UpkeepError::Targets)?;
    tracing::info!("{}", in_words(&done));
    match app.trim_cache().await {
        // A daemon that has come meanwhile keeps it itself.
        Err(NodeError::InUse { .. }) => Ok(()),
        other => other.map_err(UpkeepError::Cache),
    }
}

/// The tasks of a daemon.
pub fn tasks(app: &Arc<App>) -> Vec<Box<dyn Task>> {
    vec![Box::new(Clones(Arc::clone(app))), Box::new(Crashed(Arc::clone(app))), Box::new(Trimmed(Arc::clone(app)))]
}

/// Makes clones ready as soon as a job has left a snapshot.
pub async fn when_rung(app: Arc<App>, bell: Arc<Notify>, stop: Stop) {
    loop {
        // A ring that comes while a round is under way is kept for the next turn.
        tokio::select! {
            () = bell.notified() => {}
            () = stop.requested() => return,
        }
        if let Err(error) = Clones(Arc::clone(&app)).run().await {
            tracing::warn!("no clone could be made ready: {error}");
        }
    }
}

/// Clones ready, superseded and evicted snapshots gone, trash emptied.
struct Clones(Arc<App>);

impl Task for Clones {
    fn name(&self) -> &'static str {
        "clones"
    }
    fn every(&self) -> Duration {
        Duration::from_mins(5)
    }
    fn run(&mut self) -> Running<'_> {
        let app = Arc::clone(&self.0);
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || app.targets.upkeep()).await??;
            Ok(if done == Upkept::default() { Report::NothingToDo } else { Report::Done(in_words(&done)) })
        })
    }
}

/// Dependency sources within bounds.
struct Trimmed(Arc<App>);

impl Task for Trimmed {
    fn name(&self) -> &'static str {
        "dependency sources"
    }
    fn every(&self) -> Duration {
        Duration::from_hours(1)
    }
    fn run(&mut self) -> Running<'_> {
        let app = Arc::clone(&self.0);
        Box::pin(async move {
            let sources = Sources::at(app.places.sources(), app.places.trash());
            let now = app.clock.now();
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0));
            let gone = tokio::task::spawn_blocking(move || sources.trim(now)).await??;
            Ok(if gone == 0 { Report::NothingToDo } else { Report::Done(format!("removed {gone} copies")) })
        })
    }
}

/// Jobs whose process died are ended and booked.
struct Crashed(Arc<App>);

impl Task for Crashed {
    fn name(&self) -> &'static str {
        "crashed jobs"
    }
    fn every(&self) -> Duration {
        Duration::from_secs(30)
    }
    fn run(&mut self) -> Running<'_> {
        let app = Arc::clone(&self.0);
        Box::pin(async move {
            let closed = tokio::task::spawn_blocking(move || app.recover()).await?.map_err(Failure::from)?;
            Ok(if closed.is_empty() {
                Report::NothingToDo
            } else {
                Report::Done(format!("booked {} lost jobs", closed.len()))
            })
        })
    }
}

fn in_words(done: &Upkept) -> String {
    format!(
        "made {} clones ready ({} written), removed {} superseded and {} evicted snapshots ({} freed), emptied {} things",
        done.prepared, done.cloned, done.superseded, done.evicted, done.freed, done.trash
    )
}
