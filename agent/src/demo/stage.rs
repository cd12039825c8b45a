//! Where the demo's programs run: each to its end, line by line, with stop signals passed on to it. All of them bear
//! a mark, so that nothing outlives the demo. Knows nothing of what the programs are.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use hearth_host::processes;
use hearth_host::signals::{Source, StopSignal, on_stop_signals};
use hearth_model::Millis;

use super::DemoError;
use super::progress::Progress;
use crate::environment::DEMO;

/// How often the progress moves.
const TICK: Duration = Duration::from_millis(200);
/// A signal of the terminal reaches our program and us; which of the two is heard first is chance.
const SIGNAL_IS_LATE: Duration = Duration::from_millis(200);

#[derive(Debug)]
enum Event {
    Line(Stream, String),
    Closed,
    Signal(StopSignal),
}

/// Which stream a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// A program that has ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    /// What it wrote, in the order in which it arrived.
    pub(super) lines: Vec<(Stream, String)>,
    pub(super) took: Millis,
}

impl Ran {
    /// All lines of one stream.
    pub(super) fn of(&self, stream: Stream) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(of, _)| *of == stream).map(|(_, line)| line.as_str())
    }
}

/// Ears on the program that runs, and on the signals that are meant for us.
#[derive(Debug)]
pub(super) struct Stage {
    events: Receiver<Event>,
    tell: Sender<Event>,
    mark: String,
    pub(super) progress: Progress,
}

impl Stage {
    /// From now on stop signals end the demo in an orderly way. `mark` is nobody else's.
    pub(super) fn open(mark: String) -> Result<Self, DemoError> {
        let (tell, events) = channel();
        let tell_signal = tell.clone();
        on_stop_signals(move |signal| drop(tell_signal.send(Event::Signal(signal)))).map_err(DemoError::Signals)?;
        Ok(Self { events, tell, mark, progress: Progress::on_stderr() })
    }

    /// Runs a program to its end. `detail` hears each line and says how far the program is.
    pub(super) fn run(
        &mut self,
        mut command: Command,
        mut detail: impl FnMut(Stream, &str) -> String,
    ) -> Result<Ran, DemoError> {
        self.stop_if_asked(Duration::ZERO)?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.env(DEMO, &self.mark).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |cause| DemoError::Start { program: program.clone(), cause };
        let began = Instant::now();
        let mut child = command.spawn().map_err(failed)?;
        let mut open = 0;
        if let Some(output) = child.stdout.take() {
            open += self.listen(Stream::Output, output);
        }
        if let Some(error) = child.stderr.take() {
            open += self.listen(Stream::Error, error);
        }
        let (mut lines, mut how_far, mut stop) = (Vec::new(), String::new(), None);
        while open > 0 {
            match self.events.recv_timeout(TICK) {
                Ok(Event::Line(stream, line)) => {
                    how_far = detail(stream, &line);
                    lines.push((stream, line));
                }
                Ok(Event::Closed) => open -= 1,
                Ok(Event::Signal(signal)) => {
                    if signal.source == Source::Process {
                        processes::kill_all(&[child.id()], signal.number);
                    }
                    stop.get_or_insert(signal.number);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.progress.tick(&how_far);
        }
        let status = child.wait().map_err(failed)?;
        if let Some(signal) = stop {
            return Err(DemoError::Stopped { signal });
        }
        if !status.success() {
            self.stop_if_asked(SIGNAL_IS_LATE)?;
        }
        Ok(Ran { status, lines, took: Millis::from(began.elapsed()) })
    }

    /// Ends whatever still bears our mark. Says how many processes that were.
    pub(super) fn end_all(&self) -> usize {
        // A system whose processes cannot be listed has no jobs of ours either.
        processes::end_marked(DEMO, &self.mark).unwrap_or(0)
    }

    /// Tells of a stop signal that has come, or comes within `patience`.
    fn stop_if_asked(&self, patience: Duration) -> Result<(), DemoError> {
        match self.events.recv_timeout(patience) {
            Ok(Event::Signal(signal)) => Err(DemoError::Stopped { signal: signal.number }),
            _ => Ok(()),
        }
    }

    fn listen(&self, stream: Stream, from: impl Read + Send + 'static) -> usize {
        let tell = self.tell.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(from);
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
                let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
                let _demo_has_ended = tell.send(Event::Line(stream, line));
                bytes.clear();
            }
            let _demo_has_ended = tell.send(Event::Closed);
        });
        1
    }
}
