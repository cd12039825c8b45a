//! Signals that a person or the machine sends us, with where they came from: one from the terminal has already
//! reached the whole foreground group, one sent to us alone has to be passed on.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;

/// Where a signal came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The kernel, on behalf of the terminal: everybody in the foreground group has it.
    Terminal,
    /// Some process, to us.
    Process,
}

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopSignal {
    pub number: i32,
    pub source: Source,
}

/// Hands every SIGINT, SIGTERM, SIGHUP and SIGQUIT to `on_signal`, on a thread of its own, from now on.
pub fn on_stop_signals(on_signal: impl Fn(StopSignal) + Send + 'static) -> io::Result<()> {
    listen(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT], on_signal)
}

/// The same for a service that reads some of its files anew upon SIGHUP, which then is no request to stop.
pub fn on_service_signals(
    on_stop: impl Fn(StopSignal) + Send + 'static,
    on_reload: impl Fn() + Send + 'static,
) -> io::Result<()> {
    listen(
        &[SIGINT, SIGTERM, SIGHUP, SIGQUIT],
        move |signal| {
            if signal.number == SIGHUP { on_reload() } else { on_stop(signal) }
        },
    )
}

fn listen(numbers: &[i32], on_signal: impl Fn(StopSignal) + Send + 'static) -> io::Result<()> {
    let mut signals = SignalsInfo::<WithOrigin>::new(numbers)?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for origin in &mut signals {
            let source = if origin.process.is_some() { Source::Process } else { Source::Terminal };
            on_signal(StopSignal { number: origin.signal, source });
        }
    })?;
    Ok(())
}
