//! `hearth drain`: asks the daemon to take no more jobs, and waits beside it.

use std::io::{self, Write};
use std::time::Duration;

use hearth_host::signals;
use tokio::sync::watch;
use tokio::time::sleep;

use super::args::DrainArgs;
use crate::desk::{self, DeskError};
use crate::places::Places;
use crate::settings::Settings;
use crate::slots;

/// As `timeout` says it.
const DEADLINE_CAME: u8 = 124;
/// How often it is looked who is left.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    #[error("no daemon answers for the state directory {state}, so there is nothing to drain; hearth up starts one")]
    NoDaemon {
        state: String,
        #[source]
        cause: DeskError,
    },
    #[error("the daemon went away while it was drained; jobs that run go on, and hearth status shows them")]
    Gone(#[source] DeskError),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

/// Gives the exit code.
pub async fn drain(args: &DrainArgs, settings: &Settings, tell: &mut impl Write) -> Result<u8, DrainError> {
    let places = Places::at(&settings.state);
    let state = || places.root().display().to_string();
    desk::show(&places).await.map_err(|cause| DrainError::NoDaemon { state: state(), cause })?;
    let (signal, mut signaled) = watch::channel(None);
    let on_signal = move |stop: signals::StopSignal| {
        signal.send_replace(Some(stop.number));
    };
    signals::on_stop_signals(on_signal).map_err(DrainError::Signals)?;

    let mut say = |line: &str| drop(writeln!(tell, "hearth: {line}"));
    desk::drain(&places).await.map_err(DrainError::Gone)?;
    say("no more jobs are taken");
    let drained = desk::drained(&places);
    let deadline = sleep(args.deadline.to_duration());
    tokio::pin!(drained, deadline);
    let mut said = Vec::new();
    loop {
        let left = left(&places, settings.file.slots.count);
        if left != said && !left.is_empty() {
            say(&format!("waiting for {}", left.join(", ")));
        }
        said = left;
        // Only the look is dropped with each turn; the question and both ends stay what they are.
        tokio::select! {
            done = &mut drained => {
                done.map_err(DrainError::Gone)?;
                say("drained: no runner is left; restart the daemon to take jobs again");
                return Ok(0);
            }
            () = &mut deadline => {
                say(&format!("not drained after {}: {UNDO}", args.deadline));
                return Ok(DEADLINE_CAME);
            }
            number = signaled.wait_for(Option::is_some) => {
                let number = number.ok().and_then(|number| *number).unwrap_or_default();
                say(&format!("not waited for: {UNDO}"));
                return Ok(u8::try_from(128 + number).unwrap_or(u8::MAX));
            }
            () = sleep(LOOK_AGAIN) => {}
        }
    }
}

const UNDO: &str = "jobs that run go on and none is taken; ask again to wait, or restart the daemon to take jobs again";

/// The runners that are still there.
fn left(places: &Places, count: u16) -> Vec<String> {
    let said = |(slot, record): (hearth_model::SlotNumber, Result<slots::Record, _>)| match record {
        Ok(record) => format!("runner {} in slot {slot} ({})", record.runner, record.state.name()),
        Err(_unreadable) => format!("an unknown runner in slot {slot}"),
    };
    slots::records(places, count).into_iter().map(said).collect()
}
