//! The guard process itself: one loop over requests from the socket and children that ended.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::output::{Capture, Output, Teller};
use super::start::start_process;
use super::{Event, How, Request, Start, Usage};
use crate::processes;
use crate::view::{self, Outside, PrivateNamespace, SystemError, View, ViewError};

/// How long processes get between SIGTERM and SIGKILL when our owner has died.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);
/// How long a sweep tries; what is left then hangs in the kernel and is reported as remaining.
const SWEEP_LIMIT: Duration = Duration::from_secs(10);

enum Heard {
    Request(Box<Request>),
    OwnerDied,
    ChildEnded,
}

/// Runs the guard on the socket with this descriptor number until it is told to sweep or its owner dies.
pub fn run(descriptor: i32) -> io::Result<()> {
    if descriptor < 3 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the guard is started by hearth itself"));
    }
    #[expect(unsafe_code, reason = "a descriptor that arrives by number has no safe constructor")]
    // SAFETY: our parent left exactly this descriptor open for us and nothing else in this process uses it; a wrong
    // number given by a person makes the first read fail.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    processes::adopt_orphans()?;

    let (heard, inbox) = channel();
    // Handlers, not "ignore": exec puts handlers back to the default for the job and leaves "ignore" as it is.
    let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    let on_child = heard.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            // The others are for the job and for our owner, who tells us what follows from them.
            if signal == SIGCHLD && on_child.send(Heard::ChildEnded).is_err() {
                return;
            }
        }
    })?;
    let reader = BufReader::new(socket.try_clone()?);
    thread::Builder::new().name("requests".to_owned()).spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            let Ok(request) = serde_json::from_str(&line) else {
                break;
            };
            if heard.send(Heard::Request(Box::new(request))).is_err() {
                return;
            }
        }
        let _loop_has_ended = heard.send(Heard::OwnerDied);
    })?;
    let outside = Outside::here()?;
    GuardProcess { teller: Teller::new(socket), inbox, running: HashMap::new(), namespace: None, outside }.serve()
}

struct GuardProcess {
    teller: Teller,
    inbox: Receiver<Heard>,
    /// Direct children by pid.
    running: HashMap<i32, Running>,
    namespace: Option<PrivateNamespace>,
    outside: Outside,
}

struct Running {
    /// The name that our owner gave it.
    name: String,
    output: Option<Capture>,
}

impl Running {
    /// What to do when it has ended, before anybody hears of that.
    fn finish(self) -> String {
        if let Some(output) = self.output {
            output.drain();
        }
        self.name
    }
}

impl GuardProcess {
    fn serve(mut self) -> io::Result<()> {
        loop {
            match self.inbox.recv() {
                Ok(Heard::Request(request)) => {
                    if let Request::Sweep = *request {
                        let event = self.sweep();
                        return self.teller.tell(&event);
                    }
                    self.carry_out(*request)?;
                }
                Ok(Heard::ChildEnded) => self.reap_and_tell()?,
                Ok(Heard::OwnerDied) | Err(_) => {
                    self.end_orphans();
                    return Ok(());
                }
            }
        }
    }

    fn carry_out(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Enter => {
                let errno = self.enter().err().map(|error| SystemError::from(error).0);
                self.teller.tell(&Event::Entered { errno })
            }
            Request::Assemble(view) => self.teller.tell(&Event::Assembled { refusal: self.assemble(&view).err() }),
            Request::Start(start) => self.start(&start),
            Request::Signal { name, number } => {
                let named = self.running.iter().find(|(_, child)| child.name == name);
                if let Some(root) = named.map(|(pid, _)| pid.cast_unsigned()) {
                    let mut all = processes::descendants(root).unwrap_or_default();
                    all.push(root);
                    processes::kill_all(&all, number);
                }
                Ok(())
            }
            // Ends the loop that calls this.
            Request::Sweep => Ok(()),
        }
    }

    fn start(&mut self, start: &Start) -> io::Result<()> {
        let name = start.name.clone();
        match start_process(start, &self.teller, &self.outside) {
            Ok((pid, output)) => {
                self.teller.tell(&Event::Started { name: name.clone(), pid })?;
                // Nobody hears of its lines before that.
                let output = output.map(Output::begin).transpose()?;
                self.running.insert(pid.cast_signed(), Running { name, output });
                Ok(())
            }
            Err(error) => self.teller.tell(&Event::NotStarted { name, errno: SystemError::from(error).0 }),
        }
    }

    fn enter(&mut self) -> io::Result<()> {
        self.namespace = Some(view::enter_private()?);
        Ok(())
    }

    /// Never in the namespace of everybody.
    fn assemble(&self, view: &View) -> Result<(), ViewError> {
        let namespace = self.namespace.as_ref().ok_or_else(ViewError::not_private)?;
        view::assemble(namespace, view)
    }

    fn reap_and_tell(&mut self) -> io::Result<()> {
        while let Some((name, how)) = self.reap_one() {
            if let Some(name) = name {
                self.teller.tell(&Event::Ended { name, how })?;
            }
        }
        Ok(())
    }

    /// One child that has ended, with its name when it was one of ours and not an orphan.
    fn reap_one(&mut self) -> Option<(Option<String>, How)> {
        let (pid, status) = wait(WaitOptions::NOHANG).ok()??;
        let child = self.running.remove(&pid.as_raw_nonzero().get());
        Some((child.map(Running::finish), how(status)))
    }

    /// Reaps what has ended; says whether anything is left. Only this is exact: an orphan is our child before its
    /// parent is gone, while a look through `/proc` misses a process that is born behind it.
    fn has_children(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, _status))) => {
                    let child = self.running.remove(&pid.as_raw_nonzero().get());
                    child.map(Running::finish);
                }
                Err(Errno::CHILD) => return false,
                Ok(None) | Err(_) => return true,
            }
        }
    }

    fn sweep(&mut self) -> Event {
        let (mut ended, began) = (0_u32, Instant::now());
        while self.has_children() {
            let left = processes::descendants(std::process::id()).unwrap_or_default();
            let remaining = u32::try_from(left.len()).unwrap_or(u32::MAX);
            if began.elapsed() > SWEEP_LIMIT {
                return Event::Swept { ended, remaining: remaining.max(1), usage: usage_of_children() };
            }
            ended = ended.saturating_add(remaining);
            processes::kill_all(&left, libc::SIGKILL);
            // Wakes at the next child that ends; the limit is for children of children, which tell us nothing.
            let _woken = self.inbox.recv_timeout(Duration::from_millis(20));
        }
        Event::Swept { ended, remaining: 0, usage: usage_of_children() }
    }

    fn end_orphans(&mut self) {
        let all = processes::descendants(std::process::id()).unwrap_or_default();
        processes::kill_all(&all, libc::SIGTERM);
        let began = Instant::now();
        while began.elapsed() < ORPHAN_GRACE {
            if !self.has_children() {
                return;
            }
            match self.inbox.recv_timeout(Duration::from_millis(20)) {
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                // The signal thread is gone as well: do not spin.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.sweep();
    }
}

fn how(status: WaitStatus) -> How {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => How::Exited(code),
        (None, Some(signal)) => How::Signaled(signal),
        (None, None) => How::Exited(255),
    }
}

fn usage_of_children() -> Usage {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    #[expect(unsafe_code, reason = "no safe wrapper for getrusage in our dependencies")]
    // SAFETY: the pointer is valid for one rusage and every field of rusage is valid when zero.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    // Systems disagree about the width of these numbers.
    let micros =
        |t: libc::timeval| u64::try_from(i128::from(t.tv_sec) * 1_000_000 + i128::from(t.tv_usec)).unwrap_or_default();
    Usage {
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        peak_rss: usage.ru_maxrss.unsigned_abs() * 1024,
        read_bytes: usage.ru_inblock.unsigned_abs() * 512,
        written_bytes: usage.ru_oublock.unsigned_abs() * 512,
    }
}
