//! Room on the disk, before a runner is registered that could only fail its job for want of it.

use crate::journey::chain;
use crate::keeper::{BuildDirectory, clear};
use crate::places::Places;
use crate::slots::{self, Record, Slot};
use crate::supervision::{LEAST_ROOM, lack_of_room};
use hearth_host::tree;
use hearth_model::SlotNumber;

/// Where room is lacking, throws away what jobs that have ended left in their slots: `ours`, and those that nobody has.
/// Says why no runner can be started when that was not enough.
pub(super) fn make(places: &Places, count: u16, ours: &Slot) -> Result<(), String> {
    if lack_of_room(places.root()).is_none() {
        return Ok(());
    }
    for number in (0..count).map(SlotNumber) {
        let cleared = if number == ours.number {
            clear(&ours.directory, BuildDirectory::Unwanted)
        } else {
            match slots::try_claim_one(places, number) {
                Ok(Some(slot)) if !Record::stands_in(&slot.directory) => {
                    clear(&slot.directory, BuildDirectory::Unwanted)
                }
                Ok(_) => Ok(()),
                Err(error) => Err(std::io::Error::other(chain(&error))),
            }
        };
        if let Err(error) = cleared {
            tracing::warn!(slot = %number, "what a job left cannot be removed: {error}");
        }
    }
    if let Err(error) = tree::empty(&places.trash()) {
        tracing::warn!("the trash cannot be emptied: {error}");
    }
    match lack_of_room(places.root()) {
        None => Ok(()),
        Some(room) => Err(format!(
            "the disk of {} has {} of {} free, and no runner is started with less than {LEAST_ROOM}",
            places.root().display(),
            room.available,
            room.total
        )),
    }
}
