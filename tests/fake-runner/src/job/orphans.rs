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
    let marker = format!("{VARIABLE}={tracking_id}");
    let is_marked = |pid: i32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|variables| variables.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes()))
    };
    let mut killed: Vec<_> =
        snapshot().difference(before).filter(|(pid, _)| *pid != own && is_marked(*pid)).cloned().collect();
    killed.sort_unstable();
    for pid in killed.iter().filter_map(|(pid, _)| Pid::from_raw(*pid)) {
        // It may have ended by itself meanwhile.
        let _gone = kill_process(pid, Signal::KILL);
    }
    killed
}

fn name(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper(tracking_id: &str) -> Child {
        Command::new("sleep").arg("60").env(VARIABLE, tracking_id).spawn().unwrap()
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
