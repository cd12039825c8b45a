//! What to make of how a machine stands: whether a person has something to do, and what. Pure.

use super::look::{Daemon, Keeper, RunnerProgram, SlotState, Status};
use crate::jobs::Owner;
use crate::supervision::LEAST_ROOM;

/// The answer of `hearth status` in one word, and its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Well,
    Trouble,
    Down,
}

impl Verdict {
    /// Service managers know 3 for a service that is not running.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Trouble => 1,
            Self::Down => 3,
        }
    }
}

impl Status {
    pub fn verdict(&self) -> Verdict {
        match &self.daemon {
            Daemon::Down { .. } => Verdict::Down,
            _ if self.troubles().is_empty() => Verdict::Well,
            _ => Verdict::Trouble,
        }
    }

    /// One sentence for each thing that is wrong.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        match &self.daemon {
            Daemon::Unwell { why, .. } => troubles.push(format!("the daemon is not well: {why}")),
            Daemon::Up(_) | Daemon::Down { crashed: None } => {}
            Daemon::Down { crashed: Some(running) } => {
                troubles.push(format!("the last daemon, process {}, did not end in order", running.pid));
            }
        }
        if let Some(room) = self.lacks_room {
            troubles.push(format!(
                "the disk of the state directory has {} of {} free; no runner is started before there are {LEAST_ROOM}",
                room.available, room.total
            ));
        }
        for place in &self.places {
            if let Some(trouble) = &place.standing.trouble {
                troubles.push(format!("{}: {trouble}", place.url));
            }
            if let Some(until) = place.held_until.filter(|until| *until > self.now) {
                let left = until.since(self.now);
                troubles.push(format!("{}: because of GitHub's limits nothing is asked for another {left}", place.url));
            }
        }
        for slot in &self.slots {
            match &slot.state {
                SlotState::Unreadable { why } => troubles.push(format!("slot {}: {why}", slot.number)),
                SlotState::Runner { record, keeper: Keeper::Gone } => troubles.push(format!(
                    "slot {}: the process that looked after runner {} is gone; the daemon clears the slot",
                    slot.number, record.runner
                )),
                SlotState::Free | SlotState::Local | SlotState::Runner { .. } => {}
            }
        }
        match &self.jobs {
            Ok(jobs) => {
                let gone = jobs.iter().filter(|job| job.owner == Owner::Gone);
                troubles.extend(gone.map(|job| {
                    format!(
                        "job {} has lost its process; whoever opens the ledger next books it as lost",
                        job.execution.id
                    )
                }));
            }
            Err(why) => troubles.push(format!("the ledger cannot be read: {why}")),
        }
        match &self.program {
            Some(Ok(RunnerProgram { version: Some(_), warning, .. })) => troubles.extend(warning.clone()),
            Some(Ok(RunnerProgram { version: None, .. })) | None if self.has_places => {
                troubles.push("there is no runner program to start; install one: hearth runner install".to_owned());
            }
            Some(Err(why)) => troubles.push(format!("the runner programs cannot be read: {why}")),
            Some(Ok(_)) | None => {}
        }
        troubles
    }
}

#[cfg(test)]
pub(super) mod tests {
    use hearth_host::space::Space;
    use hearth_model::{Bytes, ExecutionId, SlotNumber, Timestamp};

    use super::*;
    use crate::dispatch::{PlaceShown, Standing};
    use crate::runner::RunnerVersion;
    use crate::slots::Record;
    use crate::status::SlotShown;
    use crate::up::Running;

    pub(in super::super) fn well() -> Status {
        let running = Running {
            version: "0.1.0".to_owned(),
            pid: 7,
            admin: ([127, 0, 0, 1], 7788).into(),
            cache: ([127, 0, 0, 1], 7789).into(),
        };
        let now = Timestamp::from_millis(1_795_348_800_000);
        let record = Record::intent("hearth-1".parse().unwrap(), ExecutionId::new(now), "https://x/y".to_owned(), now);
        Status {
            state: "/state".into(),
            now,
            lacks_room: None,
            daemon: Daemon::Up(Box::new(running)),
            is_draining: false,
            places: vec![PlaceShown {
                url: "https://x/y".to_owned(),
                standing: Standing { wanted: 1, have: 1, capacity: 2, trouble: None },
                heard_at: Some(now),
                held_until: None,
                clock_skew_ms: Some(0),
            }],
            has_places: true,
            slots: vec![
                SlotShown {
                    number: SlotNumber(0),
                    state: SlotState::Runner { record: Box::new(record), keeper: Keeper::None },
                },
                SlotShown { number: SlotNumber(1), state: SlotState::Free },
            ],
            jobs: Ok(Vec::new()),
            program: Some(Ok(RunnerProgram {
                version: Some(RunnerVersion::new(2, 336, 0)),
                deadline: None,
                warning: None,
            })),
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_and_decides_the_exit_code() {
        let check = |change: fn(&mut Status), code: u8, expected: Option<&str>| {
            let mut status = well();
            change(&mut status);
            let troubles = status.troubles();
            assert_eq!(
                (status.verdict().exit_code(), troubles.len()),
                (code, usize::from(expected.is_some())),
                "{troubles:?}"
            );
            assert!(expected.is_none_or(|words| troubles[0].contains(words)), "{troubles:?}");
        };
        check(|_| {}, 0, None);
        check(|status| status.is_draining = true, 0, None);
        check(|status| status.daemon = Daemon::Down { crashed: None }, 3, None);
        let silent = |status: &mut Status| status.daemon = Daemon::Unwell { running: None, why: "silent".to_owned() };
        check(silent, 1, Some("silent"));
        check(|status| status.places[0].standing.trouble = Some("refused".to_owned()), 1, Some("https://x/y: refused"));
        check(
            |status| status.places[0].held_until = Some(Timestamp::from_millis(1_795_348_860_000)),
            1,
            Some("1 min 00 s"),
        );
        check(|status| status.places[0].held_until = Some(status.now), 0, None);
        check(
            |status| status.slots[1].state = SlotState::Unreadable { why: "damaged".to_owned() },
            1,
            Some("slot 1: damaged"),
        );
        let orphan = |status: &mut Status| {
            if let SlotState::Runner { keeper, .. } = &mut status.slots[0].state {
                *keeper = Keeper::Gone;
            }
        };
        check(orphan, 1, Some("hearth-1 is gone"));
        check(|status| status.jobs = Err("corrupt".to_owned()), 1, Some("corrupt"));
        let full = |status: &mut Status| {
            status.lacks_room = Some(Space { available: Bytes(0), total: Bytes::gib(9) });
        };
        check(full, 1, Some("has 0 B of 9.00 GiB free"));
        check(|status| status.program = None, 1, Some("hearth runner install"));
        check(|status| (status.program, status.has_places) = (None, false), 0, None);
        let warned = |status: &mut Status| {
            if let Some(Ok(program)) = &mut status.program {
                program.warning = Some("two more days".to_owned());
            }
        };
        check(warned, 1, Some("two more days"));
    }
}
