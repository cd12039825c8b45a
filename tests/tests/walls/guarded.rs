//! A guard in the hands of a test.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use hearth_host::guard::{EnvironmentBase, Event, Guard, How, Lines, Log, Raw, Start, Stdio};
use hearth_host::users::Identity;
use hearth_host::view::{View, ViewError};
use hearth_tests::wait::PATIENCE;
use tempfile::TempDir;

const LOG_LIMIT: u64 = 1 << 20;

pub(crate) struct Guarded {
    pub(crate) guard: Guard,
    events: Receiver<Event>,
    logs: TempDir,
}

/// What a script said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) lines: Vec<String>,
    pub(crate) how: How,
}

impl Guarded {
    pub(crate) fn start() -> Self {
        let (tell, events) = channel();
        let program = Path::new(env!("CARGO_BIN_EXE_guard"));
        let guard = Guard::start(program.as_os_str(), &[], move |event| {
            // The test may have ended and hear nothing more.
            let _heard = tell.send(event);
        });
        let logs = tempfile::tempdir().expect("a directory can be made");
        Self { guard: guard.expect("the guard starts"), events, logs }
    }

    /// With a view put together, which must succeed.
    pub(crate) fn with_view(view: View) -> Self {
        let mut guarded = Self::start();
        guarded.enter();
        guarded.assemble(view).expect("the view can be put together");
        guarded
    }

    pub(crate) fn enter(&mut self) {
        self.guard.enter_private_view().expect("the guard listens");
        assert_eq!(self.next(), Event::Entered { errno: None });
    }

    pub(crate) fn assemble(&mut self, view: View) -> Result<(), ViewError> {
        self.guard.assemble(view).expect("the guard listens");
        match self.next() {
            Event::Assembled { refusal } => refusal.map_or(Ok(()), Err),
            other => unexpected(&other),
        }
    }

    pub(crate) fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("the guard says something")
    }

    pub(crate) fn log(&self) -> Log {
        let path = self.logs.path().canonicalize().expect("it is there").join("log");
        Log { path: Raw::from(path), limit_bytes: LOG_LIMIT, lines: Lines::Told }
    }

    /// A shell script with nothing but a `PATH`, whose lines we hear.
    pub(crate) fn script(&self, name: &str, text: &str) -> Start {
        Start {
            name: name.to_owned(),
            program: Raw::from("/bin/sh"),
            arguments: vec![Raw::from("-c"), Raw::from(text)],
            directory: Raw::from("/"),
            environment_base: EnvironmentBase::Empty,
            environment: vec![(Raw::from("PATH"), Some(Raw::from("/usr/sbin:/usr/bin:/sbin:/bin")))],
            stdio: Stdio::Log(self.log()),
            identity: None,
        }
    }

    /// Starts it and gives its pid.
    pub(crate) fn begin(&mut self, start: Start) -> u32 {
        self.guard.start_process(start).expect("the guard listens");
        match self.next() {
            Event::Started { pid, .. } => pid,
            other => unexpected(&other),
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(&mut self, start: Start) -> Said {
        self.begin(start);
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Event::Line { text, left_out: 0, .. } => lines.push(text),
                Event::Ended { how, .. } => return Said { lines, how },
                other => unexpected(&other),
            }
        }
    }

    /// Runs a script as this user, to its end; fails with what it said when it fails.
    pub(crate) fn sh(&mut self, identity: Option<&Identity>, text: &str) -> Vec<String> {
        let said = self.run(Start { identity: identity.cloned(), ..self.script("script", text) });
        assert_eq!(said.how, How::Exited(0), "{text}: {:?}", said.lines);
        said.lines
    }
}

impl Drop for Guarded {
    /// In order: a guard whose owner just goes is taken for lost, upon which everything below this process is ended, the
    /// processes of other tests included.
    fn drop(&mut self) {
        if self.guard.sweep().is_err() {
            return;
        }
        while let Ok(event) = self.events.recv_timeout(PATIENCE) {
            if let Event::Swept { .. } | Event::GuardLost = event {
                return;
            }
        }
    }
}

#[expect(clippy::panic, reason = "so that the test which asked for something else fails")]
fn unexpected(event: &Event) -> ! {
    panic!("the guard says {event:?}")
}
