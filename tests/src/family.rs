//! The processes of a job as the system shows them: who belongs to which call, and what a crash has left behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hearth_host::processes::descendants;
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::is_reached;
use crate::world::processes;

/// The variable that every process of a job has, with the job's own value.
const MARK: &[u8] = b"HEARTH_EXECUTION=";
/// A guard is there before a call says its first word, a command right after it was announced.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

/// The guard of a running `exec`.
pub fn guard_of(exec: u32) -> Option<u32> {
    child(exec, |arguments| arguments.get(1).is_some_and(|argument| argument == b"guard"))
}

/// A process that the guard has started, by the name of its program.
pub fn started_by(guard: u32, program: &str) -> Option<u32> {
    child(guard, |arguments| arguments.first().is_some_and(|name| name.ends_with(program.as_bytes())))
}

/// The processes that carry the mark of one of these executions.
pub fn marked_with(executions: impl Fn(&str) -> bool) -> Vec<u32> {
    let is_marked = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let marks = environment.split(|byte| *byte == 0).filter_map(|variable| variable.strip_prefix(MARK));
        marks.filter_map(|id| std::str::from_utf8(id).ok()).any(&executions)
    };
    processes(|_| true).into_iter().filter(is_marked).collect()
}

/// The processes that have to do with a directory: their program stands in it, or their arguments or their environment
/// name it. Ourselves left out.
pub fn of_directory(directory: &Path) -> Vec<u32> {
    let name = directory.as_os_str().as_encoded_bytes();
    let names_it = |text: &[u8]| text.windows(name.len()).any(|part| part == name);
    let is_of_it = |pid: &u32| {
        let process = Path::new("/proc").join(pid.to_string());
        let program = fs::read_link(process.join("exe")).unwrap_or_default();
        let texts = ["cmdline", "environ"].map(|file| fs::read(process.join(file)).unwrap_or_default());
        *pid != std::process::id() && (program.starts_with(directory) || texts.iter().any(|text| names_it(text)))
    };
    processes(|_| true).into_iter().filter(|pid| is_of_it(pid) && is_alive(*pid)).collect()
}

/// What a process is, for the message of a test that fails.
pub fn described(pid: u32) -> String {
    let arguments = arguments_of(pid).join(&b' ');
    format!("{pid} {}", String::from_utf8_lossy(&arguments))
}

/// Whether a process is there and not just waiting for its parent to notice that it has ended.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// kill -9; says whether there was such a process.
pub fn kill(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

fn child(parent: u32, fits: impl Fn(&[Vec<u8>]) -> bool) -> Option<u32> {
    let mut found = None;
    let _appeared = is_reached(APPEARS_WITHIN, || {
        let descendants = descendants(parent).unwrap_or_default();
        found = descendants.into_iter().find(|pid| fits(&arguments_of(*pid)));
        found.is_some() || !is_alive(parent)
    });
    found
}

fn arguments_of(pid: u32) -> Vec<Vec<u8>> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}
