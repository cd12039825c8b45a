//! Registrations that carry our name and belong to no slot: left by a lost answer, a crash, a forge that was away.
//! Only names that this very agent made are ever touched.

use hearth_forge::{CallError, Registrar, Removal};
use hearth_model::SlotNumber;

use super::Names;
use crate::places::Places;
use crate::slots::Record;

/// Removes them; gives how many there were. `count` is how many slots there are.
pub(super) async fn sweep<R: Registrar>(
    registrar: &R,
    names: &Names,
    places: &Places,
    count: u16,
) -> Result<u32, CallError> {
    let seen = registrar.list(names.prefix()).await?;
    // Looked at after the listing: whatever was registered by then stands in a slot's record already, or is over.
    let records: Vec<Record> =
        (0..count).filter_map(|n| Record::read(&places.slot(SlotNumber(n))).ok().flatten()).collect();
    let mut removed = 0;
    for runner in seen {
        let is_ours = names.execution(&runner.name).is_some();
        let is_in_use = records.iter().any(|record| record.runner.as_str() == runner.name);
        if !is_ours || is_in_use || runner.busy == Some(true) {
            continue;
        }
        if registrar.remove(runner.runner).await? == Removal::Gone {
            tracing::info!(runner = %runner.name, "a registration that belongs to no slot is removed");
            removed += 1;
        }
    }
    Ok(removed)
}
