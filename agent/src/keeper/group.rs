//! The control group of the slot: its limits, what its processes used together, and the kernel's last word about them.
//! A machine without control groups of ours does without, and says why.

use std::time::Duration;

use hearth_host::cgroups::{Cgroup, Delegation, Reading, Standing, has_run_out_of_memory};
use hearth_host::guard::Usage;
use hearth_model::{Outcome, UsageReading};

use super::Setting;
use crate::journey::chain;

/// What is left after this hangs in the kernel.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// The slot's group.
#[derive(Debug)]
pub(super) struct Group(Option<Cgroup>);

impl Group {
    /// Makes the group anew and moves the guard into it, before that has started anything.
    pub(super) fn make(setting: &Setting, guard: u32) -> Self {
        let made = Self::try_make(setting, guard);
        Self(made.unwrap_or_else(|why| {
            let limits = &setting.settings.limits;
            if limits.is_unlimited() {
                tracing::debug!("the slot has no control group: {why}");
            } else {
                tracing::warn!("the slot's limits are not held: {why}");
            }
            None
        }))
    }

    fn try_make(setting: &Setting, guard: u32) -> Result<Option<Cgroup>, String> {
        let limits = &setting.settings.limits;
        let delegation = Delegation::find().map_err(|error| chain(&error))?;
        // To divide it moves everybody in it; only who asks for limits wants that where nobody gave us a group.
        if delegation.standing == Standing::First && limits.is_unlimited() {
            return Err("nobody has given us one, and no limits are set".to_owned());
        }
        let cgroups = delegation.divide().map_err(|error| chain(&error))?;
        let group = cgroups.slot(setting.order.slot);
        for not_applied in group.make(limits, ENDS_WITHIN).map_err(|error| chain(&error))? {
            tracing::warn!("a limit of the slot is not held: {}", chain(&not_applied));
        }
        group.add(guard).map_err(|error| chain(&error))?;
        Ok(Some(group))
    }

    /// What was counted, by the group where it counts.
    pub(super) fn reading(&self) -> Option<Reading> {
        self.0.as_ref().map(Cgroup::reading)
    }

    /// Ends whatever is left, and the group.
    pub(super) fn end(self) {
        if let Some(group) = self.0
            && let Err(error) = group.end(ENDS_WITHIN)
        {
            tracing::error!("the slot's control group stays: {}", chain(&error));
        }
    }
}

/// A failure for want of memory is told apart from the job's own.
pub(super) fn told_apart_from_no_memory(outcome: Outcome, reading: Option<&Reading>) -> Outcome {
    let has_failed = matches!(outcome, Outcome::Exited { code } if code != 0) || outcome == Outcome::Lost;
    match reading {
        Some(reading) if has_failed && has_run_out_of_memory(&Reading::default(), reading) => Outcome::OutOfMemory,
        _ => outcome,
    }
}

/// One reading of the group and of what the guard counted process by process.
pub(super) fn usage(reading: Option<&Reading>, counted: Usage) -> UsageReading {
    reading.map_or_else(|| counted.reading(), |reading| reading.usage(counted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_is_blamed_on_memory() {
        let killed = Reading { memory_kills: Some(1), ..Reading::default() };
        let failed = Outcome::Exited { code: 1 };
        assert_eq!(told_apart_from_no_memory(failed, Some(&killed)), Outcome::OutOfMemory);
        assert_eq!(told_apart_from_no_memory(Outcome::Lost, Some(&killed)), Outcome::OutOfMemory);
        let well = Outcome::Exited { code: 0 };
        assert_eq!(told_apart_from_no_memory(well, Some(&killed)), well);
        assert_eq!(told_apart_from_no_memory(failed, Some(&Reading::default())), failed);
        assert_eq!(told_apart_from_no_memory(failed, None), failed);
    }
}
