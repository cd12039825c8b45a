//! One process of a step: started with an environment of its own, its output read line by line, interrupted, terminated
//! and killed in this order when it has to end. Only the process itself gets these signals, as from the official runner;
//! what it leaves behind is ended when the job is over.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::sleep;

use crate::environment::Variables;
use crate::release::Pace;

/// A longer line is handed on in pieces.
const LONGEST_LINE: usize = 64 << 10;
const CHUNK: usize = 8 << 10;
/// Steps are to be killed before the runner when memory runs out.
const OOM_SCORE: &str = "500";
const OOM_SCORE_VARIABLE: &str = "PIPELINE_JOB_OOMSCOREADJ";

/// What to start. `arguments` is one line that is split at blanks, because the official runner's is: a path with a blank
/// in it does not survive.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) directory: &'a Path,
    pub(crate) variables: Variables,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The exit code, or 128 and the signal's number.
    Exited(i32),
    /// By us, because `cancel` came first.
    Canceled,
}

/// Splits a line of arguments as .NET does, but for quotes, which nothing here writes.
pub(crate) fn split(line: &str) -> Vec<OsString> {
    line.split([' ', '\t']).filter(|word| !word.is_empty()).map(OsString::from).collect()
}

/// The first file of this name that can be executed on a search path.
pub(crate) fn which(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let is_program = |path: &PathBuf| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    std::env::split_paths(search_path).map(|directory| directory.join(name)).find(is_program)
}

/// Runs it to its end. `cancel` ends it early when it completes; `on_line` gets what it says on both outputs.
pub(crate) async fn run(
    launch: Launch<'_>,
    pace: &Pace,
    cancel: impl Future<Output = ()>,
    mut on_line: impl FnMut(&str),
) -> io::Result<Ended> {
    let mut command = Command::new(launch.program);
    command.args(&launch.arguments).current_dir(launch.directory).env_clear().envs(&launch.variables);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    set_oom_score(pid, &launch.variables);

    let canceled = Cell::new(false);
    let mut escalation = pin!(async {
        cancel.await;
        canceled.set(true);
        for (signal, patience) in [(Signal::INT, pace.interrupt()), (Signal::TERM, pace.terminate())] {
            send(pid, signal);
            sleep(patience).await;
        }
        send(pid, Signal::KILL);
        std::future::pending::<()>().await;
    });
    let (mut output, mut errors) = (Lines::new(child.stdout.take()), Lines::new(child.stderr.take()));
    let mut status = None;
    while status.is_none() {
        // Nothing is lost when a branch is dropped: reads and waits can be begun again, and the escalation is kept.
        tokio::select! {
            () = output.read(), if output.is_open() => output.hand_on(&mut on_line),
            () = errors.read(), if errors.is_open() => errors.hand_on(&mut on_line),
            ended = child.wait() => status = Some(ended?),
            () = &mut escalation => {}
        }
    }
    let mut patience = pin!(sleep(pace.output()));
    while output.is_open() || errors.is_open() {
        // Reads can be begun again.
        tokio::select! {
            () = output.read(), if output.is_open() => output.hand_on(&mut on_line),
            () = errors.read(), if errors.is_open() => errors.hand_on(&mut on_line),
            () = &mut patience => break,
        }
    }
    output.finish(&mut on_line);
    errors.finish(&mut on_line);
    let exited = status.map_or(Ended::Canceled, |status| Ended::Exited(code(status)));
    Ok(if canceled.get() { Ended::Canceled } else { exited })
}

fn send(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        // It may have ended just now, which is what we want of it.
        let _gone = kill_process(pid, signal);
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// Best effort, as the official one's.
fn set_oom_score(pid: Option<Pid>, variables: &Variables) {
    let wished = variables.get(OsStr::new(OOM_SCORE_VARIABLE)).and_then(|value| value.to_str());
    let wished = wished.filter(|value| value.parse().is_ok_and(|score: i32| (-1000..=1000).contains(&score)));
    if let Some(pid) = pid {
        let file = format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero());
        let _refused = std::fs::write(file, wished.unwrap_or(OOM_SCORE));
    }
}

/// One output, cut into lines.
struct Lines<R> {
    source: Option<R>,
    chunk: Vec<u8>,
    rest: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(source: Option<R>) -> Self {
        Self { source, chunk: Vec::with_capacity(CHUNK), rest: Vec::new() }
    }

    fn is_open(&self) -> bool {
        self.source.is_some()
    }

    /// Reads a chunk; the end, and an error, close the output.
    async fn read(&mut self) {
        if let Some(source) = &mut self.source
            && !source.read_buf(&mut self.chunk).await.is_ok_and(|length| length > 0)
        {
            self.source = None;
        }
    }

    fn hand_on(&mut self, on_line: &mut impl FnMut(&str)) {
        self.rest.append(&mut self.chunk);
        let mut begin = 0;
        while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            say(&self.rest[begin..begin + length], on_line);
            begin += length + 1;
        }
        self.rest.drain(..begin);
        if self.rest.len() > LONGEST_LINE {
            self.finish(on_line);
        }
    }

    fn finish(&mut self, on_line: &mut impl FnMut(&str)) {
        if !self.rest.is_empty() {
            say(&std::mem::take(&mut self.rest), on_line);
        }
    }
}

fn say(line: &[u8], on_line: &mut impl FnMut(&str)) {
    let line = String::from_utf8_lossy(line);
    on_line(line.strip_suffix('\r').unwrap_or(&line));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use tokio::sync::Notify;

    use super::*;

    /// Runs a script, and cancels it when it says this line.
    fn bash(script: &str, cancel_at: Option<&str>) -> (Ended, Vec<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut lines, cancel) = (Vec::new(), Notify::new());
        let launch = Launch {
            program: Path::new("/bin/bash"),
            arguments: vec!["-c".into(), script.into()],
            directory: Path::new("/"),
            variables: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
        };
        let run = run(launch, &Pace::BRISK, cancel.notified(), |line| {
            if cancel_at == Some(line) {
                cancel.notify_one();
            }
            lines.push(line.to_owned());
        });
        let ended = runtime.block_on(run).unwrap();
        (ended, lines)
    }

    #[test]
    fn lines_of_both_outputs_arrive_and_the_code_too() {
        let (ended, mut lines) = bash("echo a; printf 'b\\r\\nc' >&2; exit 3", None);
        lines.sort();
        assert_eq!((ended, lines), (Ended::Exited(3), ["a", "b", "c"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_death_by_signal_is_a_code_above_128() {
        assert_eq!(bash("kill -9 $$", None).0, Ended::Exited(137));
    }

    #[test]
    fn nobody_waits_for_long_for_an_output_that_somebody_else_holds_open() {
        let began = Instant::now();
        let (ended, lines) = bash("echo said; sleep 60 & exit 0", None);
        assert_eq!((ended, lines.as_slice()), (Ended::Exited(0), ["said".to_owned()].as_slice()));
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }

    #[test]
    fn a_process_that_ignores_every_request_is_killed() {
        let (ended, _) = bash("trap '' INT TERM; echo ready; while :; do sleep 0.05; done", Some("ready"));
        assert_eq!(ended, Ended::Canceled);
    }

    #[test]
    fn an_interrupt_comes_first() {
        let script = "trap 'echo interrupted; exit 0' INT; echo ready; while :; do sleep 0.05; done";
        let (ended, lines) = bash(script, Some("ready"));
        assert_eq!((ended, lines.last().map(String::as_str)), (Ended::Canceled, Some("interrupted")));
    }

    #[test]
    fn arguments_are_cut_at_every_blank() {
        assert_eq!(split("-e  /a b/hook.sh"), ["-e", "/a", "b/hook.sh"]);
    }
}
