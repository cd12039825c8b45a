//! A status for people and for programs.

use std::io::{self, Write};

use hearth_ledger::{civil_time, rfc3339};
use hearth_model::Timestamp;
use serde_json::{Value, json};

use super::look::{Daemon, Keeper, RunnerProgram, SlotShown, SlotState, Status};
use crate::dispatch::PlaceShown;
use crate::jobs::{OpenJob, told_open};
use crate::report::{Setting, Sheet, draw, forgive_closed_pipe};
use hearth_daemon::terminal::for_terminal;

const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

pub fn print_status(status: &Status, form: Form, setting: Setting<'_>, out: &mut impl Write) -> Result<(), PrintError> {
    let text = match form {
        Form::Text => text(status, setting),
        Form::Json => format!("{:#}\n", json(status)),
    };
    forgive_closed_pipe(out.write_all(text.as_bytes())).map_err(PrintError::Write)
}

fn text(status: &Status, setting: Setting<'_>) -> String {
    let mut lines = vec![daemon(status), for_terminal(&format!("state directory: {}", status.state.display())).into()];
    if status.is_draining {
        lines.push("it is being drained and takes no more jobs; restart it to undo that".to_owned());
    }
    let mut table = |heading: &str, header: &[&'static str], figures, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let sheet = Sheet { heading: format!("\n{heading}"), header: header.to_vec(), figures, whole: &[0], rows };
            let drawn = draw(&sheet, setting.screen);
            lines.extend([sheet.heading, drawn]);
        }
    };
    let places = status.places.iter().map(|place| place_row(place, status.now)).collect();
    table("Places at GitHub", &["Place", "Wanted", "Runners", "Promised", "Heard", "State"], &[1, 2, 3, 4], places);
    let slots = status.slots.iter().map(|slot| slot_row(slot, status, setting)).collect();
    table("Slots", &["Slot", "State", "Since", "Job", "Runner", "Place"], &[], slots);
    if let Some(Ok(program)) = &status.program {
        lines.push(format!("\nRunner program: {}", program_line(program, setting)));
    }
    let troubles = status.troubles();
    if !troubles.is_empty() {
        lines.push("\nTrouble".to_owned());
        lines.extend(troubles.iter().map(|trouble| format!("  {}", for_terminal(trouble))));
    }
    lines.join("\n") + "\n"
}

fn daemon(status: &Status) -> String {
    match &status.daemon {
        Daemon::Up(running) => {
            format!("hearth {} is up, process {}: dashboard at http://{}/", running.version, running.pid, running.admin)
        }
        Daemon::Unwell { running: Some(running), .. } => {
            format!("hearth {} is there, process {}, and not well", running.version, running.pid)
        }
        Daemon::Unwell { running: None, .. } => "hearth is there, and not well".to_owned(),
        Daemon::Down { .. } => "hearth is not up; start it: hearth up".to_owned(),
    }
}

fn place_row(place: &PlaceShown, now: Timestamp) -> Vec<String> {
    let standing = &place.standing;
    let held = place.held_until.is_some_and(|until| until > now);
    let state = match (&standing.trouble, place.heard_at) {
        (Some(_), _) => "trouble, see below",
        (None, _) if held => "held by limits, see below",
        (None, Some(_)) => "listening",
        (None, None) => "not heard yet",
    };
    vec![
        place.url.clone(),
        standing.wanted.to_string(),
        standing.have.to_string(),
        standing.capacity.to_string(),
        place.heard_at.map(|at| format!("{} ago", now.since(at))).unwrap_or_default(),
        state.to_owned(),
    ]
}

fn slot_row(slot: &SlotShown, status: &Status, setting: Setting<'_>) -> Vec<String> {
    let job = status.job_in(slot.number);
    let (state, since, runner, place) = match &slot.state {
        SlotState::Free => ("free".to_owned(), None, "", ""),
        SlotState::Local => ("local job".to_owned(), job.and_then(OpenJob::since), "", ""),
        SlotState::Unreadable { .. } => ("unreadable, see below".to_owned(), None, "", ""),
        SlotState::Runner { record, keeper } => {
            let gone = if *keeper == Keeper::Gone { ", process gone" } else { "" };
            let state = format!("{}{gone}", record.state.name());
            (state, Some(record.state.since()), record.runner.as_str(), record.target.as_str())
        }
    };
    let since = since.map(|at| civil_time(at, setting.zone).unwrap_or_else(|_| rfc3339(at)));
    let job = job.map(|job| {
        let facts = job.execution.facts.as_ref();
        let named = facts.map(|facts| format!("{} of {}", facts.job, facts.repository)).unwrap_or_default();
        format!("{} {named}", job.execution.id.short())
    });
    vec![
        slot.number.to_string(),
        state,
        since.unwrap_or_default(),
        job.unwrap_or_default(),
        runner.to_owned(),
        place.to_owned(),
    ]
}

fn program_line(program: &RunnerProgram, setting: Setting<'_>) -> String {
    let Some(version) = program.version else { return "none that could be started".to_owned() };
    match program.deadline {
        None => format!("{version}, which GitHub takes without a limit so far"),
        Some(deadline) => {
            let at = civil_time(deadline.at, setting.zone).unwrap_or_else(|_| rfc3339(deadline.at));
            format!("{version}, which GitHub takes until {at}")
        }
    }
}

fn json(status: &Status) -> Value {
    let running = match &status.daemon {
        Daemon::Up(running) => Some(running),
        Daemon::Unwell { running, .. } => running.as_ref(),
        Daemon::Down { .. } => None,
    };
    let daemon = match &status.daemon {
        Daemon::Up(_) => "up",
        Daemon::Unwell { .. } => "unwell",
        Daemon::Down { .. } => "down",
    };
    let program = status.program.as_ref().and_then(|program| program.as_ref().ok());
    json!({
        "schema_version": SCHEMA_VERSION,
        "kind": "status",
        "generated_at": rfc3339(status.now),
        "verdict": status.verdict(),
        "state_directory": status.state,
        "daemon": {
            "is": daemon,
            "version": running.map(|running| &running.version),
            "pid": running.map(|running| running.pid),
            "dashboard": running.map(|running| format!("http://{}/", running.admin)),
        },
        "is_draining": status.is_draining,
        "places": status.places.iter().map(json_place).collect::<Vec<_>>(),
        "slots": status.slots.iter().map(|slot| json_slot(slot, status)).collect::<Vec<_>>(),
        "runner_program": program.map(|program| json!({
            "version": program.version,
            "deadline_at": program.deadline.map(|deadline| rfc3339(deadline.at)),
            "basis": program.deadline.map(|deadline| deadline.basis),
        })),
        "troubles": status.troubles(),
    })
}

fn json_place(place: &PlaceShown) -> Value {
    json!({
        "url": place.url,
        "wanted_runners": place.standing.wanted,
        "runners": place.standing.have,
        "promised_runners": place.standing.capacity,
        "trouble": place.standing.trouble,
        "heard_at": place.heard_at.map(rfc3339),
        "held_until": place.held_until.map(rfc3339),
        "clock_skew_ms": place.clock_skew_ms,
    })
}

fn json_slot(slot: &SlotShown, status: &Status) -> Value {
    let job = status.job_in(slot.number).map(told_open);
    let (state, record) = match &slot.state {
        SlotState::Free => ("free", None),
        SlotState::Local => ("local_job", None),
        SlotState::Unreadable { .. } => ("unreadable", None),
        SlotState::Runner { record, .. } => (record.state.name(), Some(record)),
    };
    json!({
        "slot": slot.number,
        "state": state,
        "since": record.map(|record| rfc3339(record.state.since())),
        "runner": record.map(|record| &record.runner),
        "place": record.map(|record| &record.target),
        "job": job,
    })
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::well;
    use super::*;
    use crate::report::Screen;

    fn shown(status: &Status) -> String {
        let setting = Setting { now: status.now, zone: "UTC", screen: Screen::None };
        let mut out = Vec::new();
        print_status(status, Form::Text, setting, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_says_who_is_where() {
        let page = shown(&well());
        for line in [
            "hearth 0.1.0 is up, process 7: dashboard at http://127.0.0.1:7788/",
            "https://x/y |      1 |       1 |        2 | 0 ms ago | listening",
            "0    | intent | 2026-11-22 12:00 |     | hearth-1 | https://x/y",
            "Runner program: 2.336.0, which GitHub takes without a limit so far",
        ] {
            assert!(page.lines().any(|found| found.trim() == line), "{line}\n{page}");
        }
        assert!(!page.contains("Trouble"), "{page}");
    }

    #[test]
    fn what_others_said_cannot_speak_to_the_terminal() {
        let mut status = well();
        status.places[0].standing.trouble = Some("\u{1b}[2Jrefused".to_owned());
        let page = shown(&status);
        assert!(page.contains("https://x/y: \\u{1b}[2Jrefused") && page.contains("trouble, see below"), "{page}");
        assert!(!page.contains('\u{1b}'), "{page}");
        assert_eq!(json(&status)["troubles"][0], "https://x/y: \u{1b}[2Jrefused");
        assert_eq!(json(&status)["verdict"], "trouble");
    }

    #[test]
    fn without_a_daemon_the_slots_still_speak() {
        let status = Status { daemon: Daemon::Down { crashed: None }, places: Vec::new(), ..well() };
        let page = shown(&status);
        assert!(page.starts_with("hearth is not up; start it: hearth up\n"), "{page}");
        assert!(page.contains("hearth-1") && !page.contains("Places at GitHub"), "{page}");
        assert_eq!(json(&status)["daemon"]["is"], "down");
    }
}
