//! One command under a guard: started, watched, told of signals, and ended with everything it started.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::time::{Duration, Instant};

use hearth_host::guard::{Event, Guard, GuardError, How, Start, Usage};
use hearth_host::signals::{self, Source, StopSignal};
use hearth_host::view::{View, ViewError};
use hearth_model::{Millis, Outcome};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::GUARD_COMMAND;
use crate::targets::Swept;

/// The guard's name for the job's command.
pub const JOB: &str = "job";
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
/// How often the ledger hears that the job still runs.
const BEAT: Duration = Duration::from_secs(10);
/// Lines beyond this are lost while we wait for an answer: they are hints.
const MOST_UNHEARD: usize = 1000;
/// A guard answers in a millisecond; this is for a machine that is out of memory.
const GUARD_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error("cannot look after a job")]
    Guard(#[source] GuardError),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("the guard process died before the job was started")]
    GuardLost,
}

/// Something that happened.
#[derive(Debug)]
pub enum Occurrence {
    Ended {
        name: String,
        how: How,
    },
    /// A process wrote a line.
    Line {
        name: String,
        text: String,
    },
    /// Somebody wants us to stop.
    Signal(i32),
    /// The guard has died, and with it everything that it looked after.
    GuardLost,
}

/// How long a job may take to end.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub stop_grace: Duration,
    pub time_limit: Option<Duration>,
}

/// A guard with our ears on it and on the signals that are meant for us.
#[derive(Debug)]
pub struct Supervisor {
    guard: Guard,
    events: UnboundedReceiver<Event>,
    signals: UnboundedReceiver<StopSignal>,
    is_guard_lost: bool,
    /// A daemon of the job that has ended before it was asked to.
    ended: Vec<String>,
    /// What the guard said while we waited for an answer of its; for [`Self::next`].
    unheard: VecDeque<Event>,
    refusal: Option<io::Error>,
}

impl Supervisor {
    /// Starts the guard. `own` is this very program, which is also the guard's.
    pub fn start(own: &OsStr) -> Result<Self, SuperviseError> {
        let (tell_signal, signals) = unbounded_channel();
        // A signal that comes before the job has started waits in the channel and ends it right after.
        let tell = move |signal| {
            let _job_has_ended = tell_signal.send(signal);
        };
        signals::on_stop_signals(tell).map_err(SuperviseError::Signals)?;
        let (tell_event, events) = unbounded_channel();
        let guard = Guard::start(own, &[GUARD_COMMAND], move |event| drop(tell_event.send(event)));
        let guard = guard.map_err(SuperviseError::Guard)?;
        Ok(Self {
            guard,
            events,
            signals,
            is_guard_lost: false,
            ended: Vec::new(),
            unheard: VecDeque::new(),
            refusal: None,
        })
    }

    /// Tries to get a mount namespace; `false` where the system has none for us.
    pub async fn enter_view(&mut self) -> Result<bool, SuperviseError> {
        self.guard.enter_private_view().map_err(SuperviseError::Guard)?;
        let answer = self.answer(|event| match event {
            Event::Entered { errno } => Some(errno.is_none()),
            _ => None,
        });
        answer.await
    }

    /// Puts together what the job will see.
    pub async fn assemble(&mut self, view: View) -> Result<Result<(), ViewError>, SuperviseError> {
        self.guard.assemble(view).map_err(SuperviseError::Guard)?;
        let answer = self.answer(|event| match event {
            Event::Assembled { refusal } => Some(refusal.map_or(Ok(()), Err)),
            _ => None,
        });
        answer.await
    }

    /// Starts a process under the guard.
    pub async fn start_process(&mut self, start: Start) -> Result<Result<(), io::Error>, SuperviseError> {
        self.guard.start_process(start).map_err(SuperviseError::Guard)?;
        let answer = self.answer(|event| match event {
            Event::Started { .. } => Some(Ok(())),
            Event::NotStarted { errno, .. } => Some(Err(io::Error::from_raw_os_error(errno))),
            _ => None,
        });
        answer.await
    }

    /// Waits until we are asked to stop; gives the signal's number.
    pub async fn stop_signal(&mut self) -> i32 {
        match self.signals.recv().await {
            Some(signal) => signal.number,
            None => std::future::pending().await,
        }
    }

    /// Why the system did not start the command.
    pub fn refusal(&self) -> Option<&io::Error> {
        self.refusal.as_ref()
    }

    /// The guard's own pid.
    pub fn guard(&self) -> u32 {
        self.guard.pid()
    }

    /// Whether this process has ended already.
    pub fn has_ended(&mut self, name: &str) -> bool {
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        self.is_guard_lost || self.ended.iter().any(|ended| ended == name)
    }

    fn note(&mut self, event: Event) {
        match &event {
            Event::Ended { name, .. } => self.ended.push(name.clone()),
            Event::GuardLost => self.is_guard_lost = true,
            _ => {}
        }
        if self.unheard.len() < MOST_UNHEARD || !matches!(event, Event::Line { .. }) {
            self.unheard.push_back(event);
        }
    }

    /// The next thing that happens to the processes or to us. Can be dropped at any time without losing one.
    pub async fn next(&mut self) -> Occurrence {
        loop {
            let event = if self.unheard.is_empty() {
                tokio::select! {
                    event = self.events.recv() => event,
                    Some(signal) = self.signals.recv() => return Occurrence::Signal(signal.number),
                }
            } else {
                self.unheard.pop_front()
            };
            match event {
                Some(Event::Ended { name, how }) => return Occurrence::Ended { name, how },
                Some(Event::Line { name, text, .. }) => return Occurrence::Line { name, text },
                Some(Event::GuardLost) | None => {
                    self.is_guard_lost = true;
                    return Occurrence::GuardLost;
                }
                Some(_) => {}
            }
        }
    }

    /// Sends a signal to a process and to all that descends from it.
    pub fn signal(&mut self, name: &str, number: i32) {
        // A guard that cannot be told anything is gone, and its last event says so.
        if let Err(error) = self.guard.signal(name, number) {
            tracing::debug!("signal {number} was not passed on to {name}: {error}");
        }
    }

    async fn answer<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> Result<T, SuperviseError> {
        let limit = TokioInstant::now() + GUARD_LIMIT;
        loop {
            let event = tokio::time::timeout_at(limit, self.events.recv()).await;
            let Ok(Some(event)) = event else { return Err(SuperviseError::GuardLost) };
            if let Event::Ended { .. } | Event::Line { .. } | Event::GuardLost = event {
                self.note(event);
                if self.is_guard_lost {
                    return Err(SuperviseError::GuardLost);
                }
                continue;
            }
            if let Some(answer) = wanted(event) {
                return Ok(answer);
            }
        }
    }

    /// Starts the command and stays with it to its end. `on_beat` is called every ten seconds with the time so far.
    pub async fn run(
        &mut self,
        start: Start,
        limits: Limits,
        mut on_beat: impl FnMut(Millis),
    ) -> Result<(Outcome, Millis), SuperviseError> {
        let began = Instant::now();
        if let Err(error) = self.start_process(start).await? {
            let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            self.refusal = Some(error);
            return Ok((Outcome::NeverStarted { code }, Millis(0)));
        }
        let ran = || Millis::from(began.elapsed());
        let began_waiting = TokioInstant::now();
        let mut stopping = Stopping::No;
        let mut next_beat = began_waiting + BEAT;
        let time_limit = limits.time_limit.map(|limit| began_waiting + limit);
        loop {
            // Every branch can be dropped: channels keep what was not received, and the times are absolute.
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Event::Ended { name, how }) if name == JOB => return Ok((stopping.outcome(how), ran())),
                    Some(Event::GuardLost) | None => {
                        self.is_guard_lost = true;
                        return Ok((Outcome::Lost, ran()));
                    }
                    Some(event) => self.note(event),
                },
                Some(signal) = self.signals.recv() => {
                    let again = !matches!(stopping, Stopping::No);
                    if again {
                        self.signal(JOB, SIGKILL);
                    } else if signal.source == Source::Process {
                        self.signal(JOB, signal.number);
                    }
                    stopping = stopping.asked(Cause::Signal(signal.number), limits.stop_grace);
                }
                () = sleep_until(time_limit.unwrap_or(next_beat)), if time_limit.is_some() && !stopping.is_asked() => {
                    self.signal(JOB, SIGTERM);
                    stopping = stopping.asked(Cause::TimeLimit, limits.stop_grace);
                }
                () = sleep_until(stopping.deadline().unwrap_or(next_beat)), if stopping.deadline().is_some() => {
                    self.signal(JOB, SIGKILL);
                    stopping = stopping.killed();
                }
                () = sleep_until(next_beat) => {
                    on_beat(ran());
                    next_beat += BEAT;
                }
            }
        }
    }

    /// Ends everything that is left of the job; gives what its processes used, if somebody counted.
    pub async fn sweep(mut self) -> (Swept, Option<Usage>) {
        // A guard that died has been swept after by our own side of it.
        if self.is_guard_lost || self.guard.sweep().is_err() {
            return (Swept::AllGone, None);
        }
        let limit = TokioInstant::now() + GUARD_LIMIT;
        loop {
            match tokio::time::timeout_at(limit, self.events.recv()).await {
                Ok(Some(Event::Swept { remaining, usage, .. })) => {
                    let swept = if remaining == 0 { Swept::AllGone } else { Swept::ProcessesLeft };
                    return (swept, Some(usage));
                }
                Ok(Some(Event::GuardLost)) => return (Swept::AllGone, None),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return (Swept::ProcessesLeft, None),
            }
        }
    }
}

/// Why a job is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Signal(i32),
    TimeLimit,
}

/// Where a job is between being asked to stop and having ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    Asked { cause: Cause, kill_at: TokioInstant },
    Killed { cause: Cause },
}

impl Stopping {
    /// The first cause stands, whatever comes after it.
    fn asked(self, cause: Cause, grace: Duration) -> Self {
        match self {
            Self::No => Self::Asked { cause, kill_at: TokioInstant::now() + grace },
            other => other.killed(),
        }
    }

    fn killed(self) -> Self {
        match self {
            Self::Asked { cause, .. } | Self::Killed { cause } => Self::Killed { cause },
            Self::No => Self::No,
        }
    }

    fn is_asked(self) -> bool {
        self != Self::No
    }

    fn deadline(self) -> Option<TokioInstant> {
        match self {
            Self::Asked { kill_at, .. } => Some(kill_at),
            Self::No | Self::Killed { .. } => None,
        }
    }

    fn outcome(self, how: How) -> Outcome {
        let code = match how {
            How::Exited(code) => code,
            How::Signaled(signal) => 128 + signal,
        };
        match self {
            Self::No => match how {
                How::Exited(code) => Outcome::Exited { code },
                How::Signaled(signal) => Outcome::Signaled { signal },
            },
            Self::Asked { cause, .. } | Self::Killed { cause } => match cause {
                Cause::Signal(signal) => Outcome::Cancelled { signal, code },
                Cause::TimeLimit => Outcome::TimedOut,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_cause_of_a_stop_is_its_outcome() {
        let grace = Duration::from_secs(10);
        let asked = Stopping::No.asked(Cause::TimeLimit, grace);
        assert_eq!(asked.deadline(), Some(TokioInstant::now() + grace));
        let again = asked.asked(Cause::Signal(2), grace);
        assert_eq!(again, Stopping::Killed { cause: Cause::TimeLimit });
        assert_eq!(again.outcome(How::Signaled(9)), Outcome::TimedOut);
        let cancelled = Stopping::No.asked(Cause::Signal(15), grace);
        assert_eq!(cancelled.outcome(How::Exited(0)), Outcome::Cancelled { signal: 15, code: 0 });
        assert_eq!(Stopping::No.outcome(How::Signaled(11)), Outcome::Signaled { signal: 11 });
    }
}
