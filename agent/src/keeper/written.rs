//! The slot's record, as it stands on the disk.

use std::path::PathBuf;

use hearth_host::clock::SystemClock;
use hearth_model::Clock;

use super::KeepError;
use crate::slots::{Ended, Record, WrongState};

#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) slot: PathBuf,
    pub(super) record: Record,
}

impl Written {
    pub(super) fn step(self, step: impl FnOnce(Record) -> Result<Record, WrongState>) -> Result<Self, KeepError> {
        let record = step(self.record).map_err(KeepError::State)?;
        record.write(&self.slot).map_err(KeepError::Record)?;
        Ok(Self { record, ..self })
    }

    pub(super) fn finished(self, how: Ended) -> Result<Self, KeepError> {
        self.step(|record| record.finished(how, SystemClock::default().now()))
    }
}
