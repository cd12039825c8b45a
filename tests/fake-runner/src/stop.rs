//! Being told to stop: by the service, which cancels the job, or by a signal, which ends the runner.

use std::io;

use hearth_host::signals::on_stop_signals;
use tokio::sync::watch;

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;

/// What the job is told. Grows only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    #[default]
    No,
    /// The service canceled the job: steps whose condition still holds run on.
    Canceled,
    /// The runner itself has to end: nothing more is started, not even what runs always.
    Shutdown,
}

/// Who tells.
#[derive(Debug, Clone)]
pub(crate) struct Stopper {
    sender: watch::Sender<Stop>,
}

/// Who is told.
pub(crate) type Stopped = watch::Receiver<Stop>;

/// How the process ends after a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// SIGINT and SIGQUIT, which the official program handles as a key press: it ends in its own way.
    Own,
    /// Any other: .NET runs the handlers of its end and then ends with 128 and the signal's number.
    BySignal(u8),
}

impl Stopper {
    pub(crate) fn new() -> (Self, Stopped) {
        let (sender, receiver) = watch::channel(Stop::No);
        (Self { sender }, receiver)
    }

    pub(crate) fn tell(&self, stop: Stop) {
        self.sender.send_if_modified(|now| {
            let more = stop > *now;
            *now = stop.max(*now);
            more
        });
    }
}

/// Turns signals into a shutdown. The second value holds how to end, once there was one.
pub(crate) fn listen_to_signals(stopper: Stopper) -> io::Result<watch::Receiver<Option<Farewell>>> {
    let (sender, receiver) = watch::channel(None);
    on_stop_signals(move |signal| {
        sender.send_if_modified(|farewell| {
            let is_first = farewell.is_none();
            farewell.get_or_insert(of(signal.number));
            is_first
        });
        stopper.tell(Stop::Shutdown);
    })?;
    Ok(receiver)
}

fn of(signal: i32) -> Farewell {
    match signal {
        SIGINT | SIGQUIT => Farewell::Own,
        other => Farewell::BySignal(u8::try_from(128 + other).unwrap_or(u8::MAX)),
    }
}

/// Waits until the job is told at least this.
pub(crate) async fn reached(stopped: &mut Stopped, at_least: Stop) {
    if stopped.wait_for(|stop| *stop >= at_least).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_is_not_taken_back_by_a_cancellation() {
        let (stopper, stopped) = Stopper::new();
        stopper.tell(Stop::Shutdown);
        stopper.tell(Stop::Canceled);
        assert_eq!(*stopped.borrow(), Stop::Shutdown);
    }

    #[test]
    fn each_signal_has_its_exit_code() {
        assert_eq!(
            [of(2), of(3), of(15), of(1)],
            [Farewell::Own, Farewell::Own, Farewell::BySignal(143), Farewell::BySignal(129)]
        );
    }
}
