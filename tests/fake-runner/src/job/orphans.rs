//! What a job leaves running: processes that were not there before it and that carry its tracking id are killed at its
//! end, however the job ended. Known by `/proc`, as to the official runner on Linux.

use std::collections::HashSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const VARIABLE: &str = "RUNNER_TRACKING_ID";

/// Number and name: a number alone is given out again.
type Process = (i32, String);

/// Everything that runs now.
pub(crate) fn snapshot() -> HashSet<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashSet::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, name(pid)?))).collect()
}

/// Kills what is new since `before` and has this tracking id; says whom, by number.
pub(crate) fn kill(before: &HashSet<Process>, tracking_id: &str) -> Vec<Process> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let is_ours = |(pid, _): &&Process| *pid != own && is_marked(*pid, tracking_id);
    let mut killed: Vec<_> = snapshot().difference(before).filter(is_ours).cloned().collect();
    killed.sort_unstable();
    for pid in killed.iter().filter_map(|(pid, _)| Pid::from_raw(*pid)) {
        // It may have ended by itself meanwhile.
        let _gone = kill_process(pid, Signal::KILL);
    }
    killed
}

/// By the environment that the process was started with.
fn is_marked(pid: i32, tracking_id: &str) -> bool {
    let marker = format!("{VARIABLE}={tracking_id}");
    let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    variables.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
}

fn name(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use super::*;

    /// A process that is what it will be: right after its start it still has the name of who started it.
    fn sleeper(tracking_id: &str) -> Child {
        let child = Command::new("sleep").arg("60").env(VARIABLE, tracking_id).spawn().unwrap();
        let (pid, began) = (i32::try_from(child.id()).unwrap(), Instant::now());
        while name(pid).as_deref() != Some("sleep") || !is_marked(pid, tracking_id) {
            assert!(began.elapsed() < Duration::from_mins(1), "sleep never began");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        child
    }

    #[test]
    fn only_new_processes_of_this_job_are_killed() {
        let mut old = sleeper("github_a");
        let before = snapshot();
        let (mut new, mut other) = (sleeper("github_a"), sleeper("github_ab"));
        let is_new = |(pid, _): &Process| u32::try_from(*pid).is_ok_and(|pid| pid == new.id());
        let killed = kill(&before, "github_a");
        assert!(killed.len() == 1 && killed.iter().all(is_new), "{killed:?}");
        assert!(!new.wait().unwrap().success());
        for child in [&mut old, &mut other] {
            assert!(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
