//! One runner's way, as the daemon walks it: from the intent to a clean slot. Every state is written before the act;
//! whoever finds the slot after a crash walks the rest with [`clean_up`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hearth_forge::{RegisterError, Registrar, Removal, RunnerName, Ticket};
use hearth_model::ExecutionId;
use tokio::sync::watch;

use super::{Names, Place, Runners, Running, room};
use crate::app::App;
use crate::journey::chain;
use crate::keeper::Order;
use crate::slots::{Ended, Record, Slot, State};

/// So many new names are tried in one walk; then somebody else's turn comes first.
const NAMES: u32 = 3;
/// How often a runner that should go is looked at again while the forge calls it busy.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// A runner without a job ends after this time.
    pub idle_limit: Duration,
}

/// What every walk needs.
#[derive(Debug)]
pub(super) struct Ground<K> {
    pub(super) app: Arc<App>,
    pub(super) runners: Arc<K>,
    pub(super) names: Names,
    pub(super) pace: Pace,
    /// Turns true when runners without a job must go.
    pub(super) stop: watch::Receiver<bool>,
}

/// How a walk ended, for the board: whether the next one should wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Walked {
    /// The runner carried a job: the forge wants one runner less.
    Job { execution: ExecutionId },
    /// The runner ran without a job.
    Idle,
    /// It never did; the place had better wait before it asks again.
    Failed { why: String },
}

/// Walks a new runner of `place` through `slot`.
pub(super) async fn walk<R: Registrar, K: Runners>(ground: &Ground<K>, place: &Place<R>, slot: Slot) -> Walked {
    let failed = |why: String| {
        tracing::warn!(slot = %slot.number, "no runner for {}: {why}", place.url);
        Walked::Failed { why }
    };
    if let Err(why) = ground.runners.is_ready() {
        return failed(why);
    }
    let (places, count) = (&ground.app.places, ground.app.settings.file.slots.count);
    if let Err(why) = tokio::task::block_in_place(|| room::make(places, count, &slot)) {
        return failed(why);
    }
    let (record, ticket) = match register(ground, place, &slot).await {
        Ok(registered) => registered,
        Err(why) => return failed(why),
    };
    let order = order(ground, place, &slot, record.execution, &ticket);
    let running = match ground.runners.start(order, &slot).await {
        Ok(running) => running,
        Err(error) => {
            let why = chain(&error);
            close(ground, &slot.directory, record, Ended::NeverStarted { why: why.clone() });
            clean_up(ground, &place.registrar, &slot.directory).await;
            return failed(why);
        }
    };
    tracing::info!(slot = %slot.number, runner = %record.runner, "a runner for {} is started", place.url);
    let how = accompany(ground, &place.registrar, &slot.directory, running).await;
    clean_up(ground, &place.registrar, &slot.directory).await;
    match how {
        Ended::Job => Walked::Job { execution: record.execution },
        Ended::Idle => Walked::Idle,
        Ended::NeverStarted { why } => failed(why),
        Ended::TooOld => failed("the forge takes no runner of this version any more".to_owned()),
        Ended::Failed { why } => failed(format!("the runner program ended without a job: {why}")),
    }
}

/// Registers under a name that was never used. The slot's record says `Registered` then, or there is none.
async fn register<R: Registrar, K: Runners>(
    ground: &Ground<K>,
    place: &Place<R>,
    slot: &Slot,
) -> Result<(Record, Ticket), String> {
    let mut why = String::new();
    for _attempt in 0..NAMES {
        let now = ground.app.clock.now();
        let execution = ExecutionId::new(now);
        let name = ground.names.of(execution);
        let record = Record::intent(name.clone(), execution, place.url.clone(), now);
        record.write(&slot.directory).map_err(|error| chain(&error))?;
        let error = match place.registrar.register(&name).await {
            Ok(ticket) => {
                place.counts.registered();
                let written = record
                    .registered(ticket.runner, ground.app.clock.now())
                    .map_err(|error| chain(&error))
                    .and_then(|record| record.write(&slot.directory).map(|()| record).map_err(|error| chain(&error)));
                return match written {
                    Ok(record) => Ok((record, ticket)),
                    Err(why) => {
                        remove(&place.registrar, &name, Some(ticket.runner)).await;
                        forget(&slot.directory);
                        Err(why)
                    }
                };
            }
            Err(error) => error,
        };
        why = chain(&error);
        forget(&slot.directory);
        // Only a lost answer is worth another name at once. What may be left under an unresolved one is swept later.
        if !matches!(error, RegisterError::Lost { .. }) {
            break;
        }
    }
    Err(why)
}

fn order<R: Registrar, K>(
    ground: &Ground<K>,
    place: &Place<R>,
    slot: &Slot,
    execution: ExecutionId,
    ticket: &Ticket,
) -> Order {
    Order {
        state: ground.app.places.root().to_owned(),
        file: Box::new(ground.app.settings.file.clone()),
        slot: slot.number,
        runner: ticket.name.clone(),
        execution,
        host: place.host.clone(),
        repository: place.repository.clone(),
        proxy: place.proxy.as_ref().map(|proxy| proxy.expose().to_owned()),
        no_proxy: place.no_proxy.clone(),
        jit: ticket.jit.expose().to_owned(),
    }
}

/// Stays with a runner until nothing of it is left; says how it ended.
pub(super) async fn accompany<R: Registrar, K: Runners>(
    ground: &Ground<K>,
    registrar: &R,
    slot: &Path,
    mut running: impl Running,
) -> Ended {
    let mut stop = ground.stop.clone();
    let mut look_at = tokio::time::Instant::now() + ground.pace.idle_limit;
    loop {
        let must_go = tokio::select! {
            () = running.ended() => break,
            stopped = stop.wait_for(|stop| *stop) => stopped.is_ok(),
            () = tokio::time::sleep_until(look_at) => true,
        };
        if must_go && has_no_job(slot) && remove_idle(registrar, slot).await {
            running.stop_idle();
        }
        // It has a job, or is on its way out; nothing here needs to be seen to at once.
        look_at = tokio::time::Instant::now() + LOOK_AGAIN;
        tokio::select! {
            () = running.ended() => break,
            () = tokio::time::sleep_until(look_at) => {}
        }
    }
    ended(ground, slot)
}

fn has_no_job(slot: &Path) -> bool {
    matches!(Record::read(slot), Ok(Some(Record { state: State::Started { .. }, .. })))
}

/// Takes the registration of a runner without a job away; `false` when the forge gave it one meanwhile.
async fn remove_idle<R: Registrar>(registrar: &R, slot: &Path) -> bool {
    let Ok(Some(record)) = Record::read(slot) else { return false };
    let Some(id) = record.id() else { return false };
    match registrar.remove(id).await {
        Ok(Removal::Gone) => true,
        Ok(Removal::Busy) => false,
        Err(error) => {
            tracing::warn!(runner = %record.runner, "an idle runner stays: {}", chain(&error));
            false
        }
    }
}

/// How the runner in this slot ended, by its record; a keeper that died without a word is a crash.
fn ended<K>(ground: &Ground<K>, slot: &Path) -> Ended {
    match Record::read(slot) {
        Ok(Some(Record { state: State::Finished { how, .. }, .. })) => how,
        Ok(Some(record)) => {
            tracing::error!(runner = %record.runner, "the keeper of {} died", slot.display());
            let was_busy = record.state.has_job();
            let how = if was_busy { Ended::Job } else { Ended::NeverStarted { why: "its keeper died".to_owned() } };
            close(ground, slot, record, how.clone());
            how
        }
        Ok(None) => Ended::NeverStarted { why: "the slot's record is gone".to_owned() },
        Err(error) => Ended::NeverStarted { why: chain(&error) },
    }
}

/// Writes a runner's end that nobody else has written, and closes the books of its job.
fn close<K>(ground: &Ground<K>, slot: &Path, record: Record, how: Ended) {
    let runner = record.runner.clone();
    if let Err(error) = ground.app.recover() {
        tracing::error!(%runner, "what a crash left open cannot be closed: {}", chain(&error));
    }
    let finished = record.finished(how, ground.app.clock.now()).map_err(|error| chain(&error));
    let written = finished.and_then(|record| record.write(slot).map_err(|error| chain(&error)));
    if let Err(why) = written {
        tracing::error!(%runner, "its end is not written: {why}");
    }
}

/// Leaves a slot clean whose runner has ended: no registration, no processes, no record.
pub(super) async fn clean_up<R: Registrar, K: Runners>(ground: &Ground<K>, registrar: &R, slot: &Path) {
    match Record::read(slot) {
        Ok(Some(record)) => {
            let how = ended(ground, slot);
            // A runner that had a job is dropped by the forge itself.
            if how != Ended::Job {
                remove(registrar, &record.runner, record.id()).await;
            }
        }
        Ok(None) => {}
        Err(error) => tracing::error!("slot {}: {}", slot.display(), chain(&error)),
    }
    forget(slot);
}

/// Takes a registration away that may be there. What cannot be done now, the sweep does later.
async fn remove<R: Registrar>(registrar: &R, name: &RunnerName, id: Option<hearth_forge::RunnerId>) {
    let removing = async {
        let id = match id {
            Some(id) => Some(id),
            None => registrar.find(name).await?.map(|found| found.runner),
        };
        match id {
            Some(id) => registrar.remove(id).await.map(|removal| removal == Removal::Gone),
            None => Ok(true),
        }
    };
    match removing.await {
        Ok(true) => {}
        Ok(false) => tracing::info!(runner = %name, "the forge calls a runner busy that has ended; it is swept later"),
        Err(error) => tracing::warn!(runner = %name, "a registration is left to the sweep: {}", chain(&error)),
    }
}

fn forget(slot: &Path) {
    if let Err(error) = Record::remove(slot) {
        tracing::error!("slot {}: {}", slot.display(), chain(&error));
    }
}
