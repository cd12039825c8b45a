//! The output of a process on its way through the guard: into a bounded log, and line by line to our owner. A process
//! is never made to wait by an owner that does not listen: lines that find no room are counted and left out.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::log::BoundedLog;
use super::{Event, Lines};

/// How many bytes of a line are told; the log has all of it.
pub const LINE_LIMIT: usize = 4096;
/// How many lines are told at once, and how many more for each second.
const BURST: u32 = 200;
const LINES_PER_SECOND: u32 = 100;
/// How long the end of a process is held back for the last of its output. Only another process that keeps writing into
/// the same pipe can use it up.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// The guard's side of the socket, for all its threads.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    socket: Arc<Mutex<UnixStream>>,
}

impl Teller {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket: Arc::new(Mutex::new(socket)) }
    }

    pub(super) fn tell(&self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        match socket.write_all(&line) {
            // Our owner has died; the reader says so as well and the loop acts upon it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Whether there is room for an event now: the system says so while less than a quarter of its buffer is used,
    /// which leaves room for the longest line.
    fn has_room(&self) -> bool {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        poll([Some((socket.as_fd(), libc::POLLOUT)), None], Patience::None)[0]
    }
}

/// The output of a process that has just been started: it waits in its pipe until somebody begins to read.
pub(super) struct Output {
    reader: Reader,
    capture: Capture,
}

impl Output {
    /// Also gives the end of the pipe that is for the process.
    pub(super) fn new(name: &str, log: BoundedLog, lines: Lines, teller: &Teller) -> io::Result<(Self, PipeWriter)> {
        let (pipe, writer) = io::pipe()?;
        let (ended, alive) = io::pipe()?;
        let (draining, drained) = channel();
        let reader = Reader {
            pipe,
            ended: Some((ended, draining)),
            log,
            lines: (lines == Lines::Told).then(|| LineTeller {
                name: name.to_owned(),
                teller: teller.clone(),
                splitter: Splitter::default(),
                meter: Meter::new(Instant::now()),
                left_out: 0,
            }),
        };
        Ok((Self { reader, capture: Capture { alive, drained } }, writer))
    }

    /// Begins to read, on a thread of its own.
    pub(super) fn begin(self) -> io::Result<Capture> {
        let Self { reader, capture } = self;
        thread::Builder::new().name("output".to_owned()).spawn(move || reader.run())?;
        Ok(capture)
    }
}

/// The hands on a running process's output. Dropping it leaves the output to its reader.
#[derive(Debug)]
pub(super) struct Capture {
    /// Closed to tell the reader that the process has ended.
    alive: PipeWriter,
    /// Closed by the reader when everything was read that was written until then.
    drained: Receiver<()>,
}

impl Capture {
    /// To be called when the process has ended: waits until what it wrote has been told.
    pub(super) fn drain(self) {
        drop(self.alive);
        let _closed_or_too_late = self.drained.recv_timeout(DRAIN_LIMIT);
    }
}

struct Reader {
    pipe: PipeReader,
    ended: Option<(PipeReader, Sender<()>)>,
    log: BoundedLog,
    lines: Option<LineTeller>,
}

impl Reader {
    fn run(mut self) {
        let mut buffer = [0; 8192];
        loop {
            let ended = self.ended.as_ref().map(|(ended, _)| (ended.as_fd(), libc::POLLIN));
            let [is_written, has_ended] = poll([Some((self.pipe.as_fd(), libc::POLLIN)), ended], Patience::Endless);
            if is_written {
                match self.pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => self.take(&buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            } else if has_ended {
                // Nothing is left of what the process wrote; others may still hold its output.
                self.finish_line();
                self.ended = None;
            }
        }
        self.finish_line();
    }

    fn take(&mut self, bytes: &[u8]) {
        // A disk that is full costs the log, not the process.
        let _not_logged = self.log.write(bytes);
        if let Some(lines) = &mut self.lines {
            lines.take(bytes);
        }
    }

    fn finish_line(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.finish();
        }
    }
}

/// Tells the lines of one process, within bounds.
struct LineTeller {
    name: String,
    teller: Teller,
    splitter: Splitter,
    meter: Meter,
    left_out: u64,
}

impl LineTeller {
    fn take(&mut self, bytes: &[u8]) {
        for line in self.splitter.take(bytes) {
            self.tell(&line);
        }
    }

    fn finish(&mut self) {
        if let Some(line) = self.splitter.finish() {
            self.tell(&line);
        }
    }

    fn tell(&mut self, line: &[u8]) {
        if !self.meter.admits(Instant::now()) || !self.teller.has_room() {
            self.left_out += 1;
            return;
        }
        let text = String::from_utf8_lossy(line).into_owned();
        let event = Event::Line { name: self.name.clone(), text, left_out: std::mem::take(&mut self.left_out) };
        // An owner that cannot be told anything has died, upon which the guard's loop acts.
        let _owner_is_gone = self.teller.tell(&event);
    }
}

/// Makes lines of chunks. Holds at most [`LINE_LIMIT`] bytes; the rest of a longer line is dropped.
#[derive(Debug, Default)]
struct Splitter {
    pending: Vec<u8>,
}

impl Splitter {
    /// The lines that these bytes end, without their ends.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_LIMIT - self.pending.len();
            self.pending.extend_from_slice(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                let mut line = std::mem::take(&mut self.pending);
                line.pop_if(|byte| *byte == b'\r');
                lines.push(line);
            }
        }
        lines
    }

    /// The line that has no end yet.
    fn finish(&mut self) -> Option<Vec<u8>> {
        (!self.pending.is_empty()).then(|| std::mem::take(&mut self.pending))
    }
}

/// How many lines may be told.
#[derive(Debug)]
struct Meter {
    admitted: f64,
    seen: Instant,
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self { admitted: f64::from(BURST), seen: now }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let earned = now.duration_since(self.seen).as_secs_f64() * f64::from(LINES_PER_SECOND);
        self.seen = now;
        self.admitted = (self.admitted + earned).min(f64::from(BURST));
        let is_admitted = self.admitted >= 1.0;
        if is_admitted {
            self.admitted -= 1.0;
        }
        is_admitted
    }
}

#[derive(Debug, Clone, Copy)]
enum Patience {
    None,
    Endless,
}

/// Which of these are ready, or closed, or broken; an interruption is none of them.
fn poll(asked: [Option<(BorrowedFd<'_>, i16)>; 2], patience: Patience) -> [bool; 2] {
    // The system passes over negative descriptors.
    let mut all = asked.map(|one| match one {
        Some((descriptor, events)) => libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 },
        None => libc::pollfd { fd: -1, events: 0, revents: 0 },
    });
    let timeout = match patience {
        Patience::None => 0,
        Patience::Endless => -1,
    };
    #[expect(unsafe_code, reason = "no safe wrapper for poll in the features that we use")]
    // SAFETY: the pointer and the length are those of a live array, and its descriptors are borrowed for the call.
    unsafe {
        libc::poll(all.as_mut_ptr(), 2, timeout);
    }
    all.map(|one| one.revents != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_made_of_chunks_and_cut_where_they_are_too_long() {
        let check = |chunks: &[&str], expected: &[&str], rest: Option<&str>| {
            let mut splitter = Splitter::default();
            let lines: Vec<_> = chunks.iter().flat_map(|chunk| splitter.take(chunk.as_bytes())).collect();
            let lines: Vec<_> = lines.iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!(lines, expected, "{chunks:?}");
            assert_eq!(splitter.finish().as_deref(), rest.map(str::as_bytes), "{chunks:?}");
        };
        check(&["a\nb\r\n\nc"], &["a", "b", ""], Some("c"));
        check(&["a", "b", "\n"], &["ab"], None);
        let (long, cut) = ("x".repeat(LINE_LIMIT + 5), "x".repeat(LINE_LIMIT));
        check(&[&long, &long, "\nnext\n"], &[&cut, "next"], None);
        check(&[&long], &[], Some(&cut));
    }

    #[test]
    fn a_meter_admits_a_burst_and_then_so_many_for_each_second() {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        let mut admitted = |at, of: u32| (0..of).filter(|_| meter.admits(at)).count();
        assert_eq!(admitted(now, 2 * BURST), BURST as usize);
        let later = now + Duration::from_secs(1);
        assert_eq!(admitted(later, 2 * BURST), LINES_PER_SECOND as usize);
        assert_eq!(admitted(later + Duration::from_hours(1), 2 * BURST), BURST as usize);
    }

    #[test]
    fn lines_are_left_out_and_counted_while_nobody_listens() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut lines = LineTeller {
            name: "talker".to_owned(),
            teller: Teller::new(ours),
            splitter: Splitter::default(),
            meter: Meter::new(Instant::now()),
            left_out: 0,
        };
        // Would block for good if it did not look first.
        for _ in 0..BURST {
            lines.take(&[&b"x".repeat(LINE_LIMIT)[..], b"\n"].concat());
        }
        assert!((1..u64::from(BURST)).contains(&lines.left_out), "{}", lines.left_out);
        drop(theirs);
        lines.take(b"to nobody\n");
    }
}
