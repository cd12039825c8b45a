//! Linux: everything is read from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use hearth_model::Bytes;
use rustix::process::{Pid, Signal, getpid, getppid, set_child_subreaper, set_parent_process_death_signal};

use super::Identity;

/// This boot's id; differs after every reboot.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Identifies a living process.
pub fn identify(pid: u32) -> io::Result<Identity> {
    let stat = read_stat(pid)?;
    Ok(Identity { pid, start_ticks: stat.start_ticks, boot_id: boot_id()? })
}

/// Whether exactly this process is still there and not a zombie.
pub fn is_alive(who: &Identity) -> bool {
    let same_boot = boot_id().is_ok_and(|id| id == who.boot_id);
    same_boot && read_stat(who.pid).is_ok_and(|s| s.start_ticks == who.start_ticks && !matches!(s.state, 'Z' | 'X'))
}

/// Makes us the parent of every process below us whose own parent ends.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// For a forked child: ends when its parent, whose pid this is, has ended. The kernel forgets that upon a change of user.
pub fn end_with(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before the kernel was told.
    if getppid().is_some_and(|now| now.as_raw_nonzero().get().cast_unsigned() == parent) {
        Ok(())
    } else {
        Err(rustix::io::Errno::SRCH.into())
    }
}

/// Every living descendant of `root`, parents before children.
pub fn descendants(root: u32) -> io::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in pids()? {
        if let Ok(stat) = read_stat(pid)
            && stat.state != 'Z'
        {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut all = Vec::new();
    let mut pending = vec![root];
    while let Some(pid) = pending.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            all.push(child);
            pending.push(child);
        }
    }
    Ok(all)
}

/// Sends `signal` to each; one that is gone is fine.
pub fn kill_all(pids: &[u32], signal: i32) {
    for pid in pids {
        let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
        if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
            // It may have ended between the listing and now, which is what we want of it.
            let _gone = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Ends every process of our user whose environment says `NAME=value`; says how many there were. For what a crash
/// left behind: while we live, a job's processes are found by descent.
pub fn end_marked(name: &str, value: &str) -> io::Result<usize> {
    let marker = format!("{name}={value}");
    let (own, uid) = (std::process::id(), crate::users::effective_uid());
    let mut ended = 0;
    // A second look finds what a dying process had just started.
    for _round in 0..4 {
        let marked: Vec<u32> = pids()?
            .into_iter()
            .filter(|pid| *pid != own)
            .filter(|pid| fs::metadata(format!("/proc/{pid}")).is_ok_and(|m| uid == 0 || m.uid() == uid))
            .filter(|pid| read_stat(*pid).is_ok_and(|s| s.state != 'Z'))
            .filter(|pid| {
                fs::read(format!("/proc/{pid}/environ"))
                    .is_ok_and(|env| env.split(|b| *b == 0).any(|entry| entry == marker.as_bytes()))
            })
            .collect();
        if marked.is_empty() {
            break;
        }
        ended += marked.len();
        kill_all(&marked, libc::SIGKILL);
    }
    Ok(ended)
}

/// Resident memory of this process.
pub fn resident_memory() -> io::Result<Bytes> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Bytes(pages * rustix::param::page_size() as u64))
}

/// How many file descriptors this process has open.
pub fn open_descriptors() -> io::Result<u64> {
    Ok(fs::read_dir("/proc/self/fd")?.count() as u64)
}

struct Stat {
    state: char,
    parent: u32,
    start_ticks: u64,
}

fn read_stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything, so count from its closing parenthesis.
    let fields: Vec<&str> =
        text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let read = || {
        Some(Stat {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    };
    read().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn pids() -> io::Result<Vec<u32>> {
    Ok(fs::read_dir("/proc")?.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_by_more_than_its_number() {
        let own = identify(std::process::id()).unwrap();
        assert!(is_alive(&own));
        assert!(!is_alive(&Identity { start_ticks: own.start_ticks + 1, ..own.clone() }));
        assert!(!is_alive(&Identity { boot_id: "another".to_owned(), ..own }));
    }

    #[test]
    fn marked_processes_are_ended_and_others_left() {
        let mut marked = Command::new("sleep").arg("60").env("HEARTH_TEST_MARK", "a").spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").env("HEARTH_TEST_MARK", "ab").spawn().unwrap();
        assert!(descendants(std::process::id()).unwrap().contains(&marked.id()));
        assert!(end_marked("HEARTH_TEST_MARK", "a").unwrap() >= 1);
        assert!(!marked.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
