//! Our side of the guard.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

use super::{Event, GuardError, Request, Start};
use crate::processes;
use crate::view::View;

/// What is left after this hangs in the kernel.
const ORPHANS_END_WITHIN: Duration = Duration::from_secs(10);

/// A running guard. Dropping it closes the socket, upon which the guard ends everything it looks after.
#[derive(Debug)]
pub struct Guard {
    socket: UnixStream,
    child: Arc<Mutex<Child>>,
}

impl Guard {
    /// Starts `program arguments… <descriptor>` as guard: a program whose code calls [`super::run`] with that number.
    /// `on_event` runs on a thread of its own; after [`Event::Swept`] or [`Event::GuardLost`] it is never called again.
    pub fn start(
        program: &OsStr,
        arguments: &[&str],
        on_event: impl Fn(Event) + Send + 'static,
    ) -> Result<Self, GuardError> {
        let failed = |cause| GuardError::Start { program: program.to_string_lossy().into_owned(), cause };
        // If the guard is killed, what it looked after comes to us.
        processes::adopt_orphans().map_err(failed)?;
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let descriptor = theirs.as_raw_fd();
        let mut command = Command::new(program);
        command.args(arguments).arg(descriptor.to_string());
        #[expect(unsafe_code, reason = "the socket must survive exec in this child and in no other")]
        // SAFETY: the closure runs in the forked child and only calls fcntl, which is async-signal-safe; `descriptor`
        // is open there because `theirs` lives until after spawn.
        unsafe {
            command.pre_exec(move || {
                let kept = rustix::fd::BorrowedFd::borrow_raw(descriptor);
                Ok(rustix::io::fcntl_setfd(kept, rustix::io::FdFlags::empty())?)
            });
        }
        let child = Arc::new(Mutex::new(command.spawn().map_err(failed)?));
        drop(theirs);
        let reader = BufReader::new(ours.try_clone().map_err(failed)?);
        let waited = Arc::clone(&child);
        thread::Builder::new()
            .name("guard-events".to_owned())
            .spawn(move || pass_on(reader, &waited, &on_event))
            .map_err(failed)?;
        Ok(Self { socket: ours, child })
    }

    pub fn enter_private_view(&mut self) -> Result<(), GuardError> {
        self.send(&Request::Enter)
    }
    pub fn assemble(&mut self, view: View) -> Result<(), GuardError> {
        self.send(&Request::Assemble(view))
    }
    pub fn start_process(&mut self, start: Start) -> Result<(), GuardError> {
        self.send(&Request::Start(start))
    }
    pub fn signal(&mut self, name: &str, number: i32) -> Result<(), GuardError> {
        self.send(&Request::Signal { name: name.to_owned(), number })
    }
    pub fn sweep(&mut self) -> Result<(), GuardError> {
        self.send(&Request::Sweep)
    }

    /// The guard's own pid.
    pub fn pid(&self) -> u32 {
        self.child.lock().map_or(0, |child| child.id())
    }

    fn send(&mut self, request: &Request) -> Result<(), GuardError> {
        let mut line = serde_json::to_vec(request).map_err(|e| GuardError::Speak { cause: e.into() })?;
        line.push(b'\n');
        self.socket.write_all(&line).map_err(|cause| GuardError::Speak { cause })
    }
}

fn pass_on(reader: BufReader<UnixStream>, child: &Mutex<Child>, on_event: &dyn Fn(Event)) {
    for line in reader.lines().map_while(Result::ok) {
        let Ok(event) = serde_json::from_str::<Event>(&line) else {
            break;
        };
        let last = matches!(event, Event::Swept { .. });
        if last {
            reap(child);
        }
        on_event(event);
        if last {
            return;
        }
    }
    reap(child);
    end_orphans();
    on_event(Event::GuardLost);
}

fn reap(child: &Mutex<Child>) {
    if let Ok(mut child) = child.lock() {
        // The guard has closed its socket: it has ended, or ends now.
        let _status = child.wait();
    }
}

/// The guard was killed; its children were adopted by us, before its socket was seen to close. As in the guard itself,
/// only having no child at all is exact.
fn end_orphans() {
    let began = Instant::now();
    while began.elapsed() < ORPHANS_END_WITHIN {
        processes::kill_all(&processes::descendants(std::process::id()).unwrap_or_default(), libc::SIGKILL);
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_ended)) => {}
            Err(Errno::CHILD) => return,
            Ok(None) | Err(_) => thread::park_timeout(Duration::from_millis(1)),
        }
    }
}
