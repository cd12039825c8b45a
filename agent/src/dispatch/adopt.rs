//! What an earlier daemon left in the slots: keepers that live are accompanied to their end, everything else is walked
//! to a clean slot.

use hearth_host::processes::Identity;
use hearth_model::SlotNumber;

use super::keepers::Keeper;
use super::walk::{Ground, Walked, accompany, clean_up};
use super::{Place, Runners};
use crate::journey::chain;
use crate::slots::{self, Ended, Record, Slot, State};
use hearth_forge::Registrar;

/// A slot in which somebody has left a runner.
#[derive(Debug)]
pub(super) enum Found {
    /// Its keeper lives.
    Alive { number: SlotNumber, record: Box<Record> },
    /// Nobody looks after it any more.
    Abandoned { slot: Slot, record: Box<Record> },
}

impl Found {
    pub(super) fn number(&self) -> SlotNumber {
        match self {
            Self::Alive { number, .. } => *number,
            Self::Abandoned { slot, .. } => slot.number,
        }
    }

    pub(super) fn target(&self) -> &str {
        match self {
            Self::Alive { record, .. } | Self::Abandoned { record, .. } => &record.target,
        }
    }
}

/// Looks through the slots. One whose record cannot be read is cleared: nobody could go on with it.
pub(super) fn find<K>(ground: &Ground<K>, count: u16) -> Vec<Found> {
    let places = &ground.app.places;
    let mut found = Vec::new();
    for number in (0..count).map(SlotNumber) {
        let directory = places.slot(number);
        if !Record::stands_in(&directory) {
            continue;
        }
        let slot = match slots::try_claim_one(places, number) {
            Ok(slot) => slot,
            Err(error) => {
                tracing::error!("slot {number} cannot be looked at: {}", chain(&error));
                continue;
            }
        };
        let record = match (Record::read(&directory), slot.is_some()) {
            (Ok(Some(record)), _) => Box::new(record),
            (Ok(None), _) => continue,
            (Err(error), is_free) => {
                tracing::error!("{}", chain(&error));
                if is_free && let Err(error) = Record::remove(&directory) {
                    tracing::error!("{}", chain(&error));
                }
                continue;
            }
        };
        found.push(match slot {
            Some(slot) => Found::Abandoned { slot, record },
            None => Found::Alive { number, record },
        });
    }
    found
}

/// Walks what was found to a clean slot.
pub(super) async fn go_on<R: Registrar, K: Runners>(ground: &Ground<K>, place: &Place<R>, found: Found) -> Walked {
    let (slot, record, walked) = match found {
        // Of one that died the forge does not know yet; one that ended had told it before we asked what is wanted.
        Found::Abandoned { slot, record } if record.state.has_job() => {
            let walked = Walked::Job { execution: record.execution };
            (slot, record, walked)
        }
        Found::Abandoned { slot, record } => (slot, record, Walked::Idle),
        Found::Alive { number, record } => {
            let directory = ground.app.places.slot(number);
            tracing::info!(slot = %number, runner = %record.runner, "a runner of an earlier daemon goes on");
            let (keeper, lock) = Keeper::found(keeper_of(&record), slots::lock_file(&directory));
            let walked = match accompany(ground, &place.registrar, &directory, keeper).await {
                Ended::Job => Walked::Job { execution: record.execution },
                _ => Walked::Idle,
            };
            let Ok(lock) = lock.await else { return walked };
            (Slot::taken_over(number, directory, lock), record, walked)
        }
    };
    clean_up(ground, &place.registrar, &slot.directory).await;
    tracing::debug!(slot = %slot.number, runner = %record.runner, "the slot is clean");
    walked
}

fn keeper_of(record: &Record) -> Option<Identity> {
    match &record.state {
        State::Started { keeper, .. } | State::Busy { keeper, .. } => Some(keeper.clone()),
        State::Intent { .. } | State::Registered { .. } | State::Finished { .. } => None,
    }
}
