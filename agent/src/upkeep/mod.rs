//! What has to be done regularly and is on no job's path. Every task may be interrupted at any point and done again.

use hearth_host::lock::FileLock;

use crate::app::{App, AppError};
use crate::settings::Settings;
use crate::targets::TargetsError;

#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error(transparent)]
    App(AppError),
    #[error(transparent)]
    Targets(TargetsError),
    #[error("cannot lock the upkeep of {path}")]
    Lock {
        path: std::path::PathBuf,
        #[source]
        cause: std::io::Error,
    },
}

/// One round for a machine without a daemon; nothing when another round is under way.
pub fn run_once(settings: Settings) -> Result<(), UpkeepError> {
    let app = App::open(settings).map_err(UpkeepError::App)?;
    let path = app.places.upkeep_lock();
    let lock = FileLock::try_exclusive(&path).map_err(|cause| UpkeepError::Lock { path, cause })?;
    if lock.is_some() {
        let done = app.targets.upkeep().map_err(UpkeepError::Targets)?;
        tracing::info!("upkeep of warm targets: {done:?}");
    }
    Ok(())
}
