//! Processes as a group that is counted, limited and killed together. Needs a version 2 hierarchy that is ours to
//! divide; limits need controllers in it as well.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hearth_host::cgroups::{
    Cgroup, CgroupError, Cgroups, Controller, Cpus, Delegation, Limits, NotApplied, OnOutOfMemory,
    has_run_out_of_memory,
};
use hearth_host::guard::{Event, Usage};
use hearth_model::{Bytes, MeasuredBy, SlotNumber};
use hearth_tests::skip::{beyond_this_machine, skipped};
use hearth_tests::wait::until;

use super::guarded::Guarded;

const WITHIN: Duration = Duration::from_secs(10);

/// A part of the machine's hierarchy for one test.
struct Ground {
    base: PathBuf,
    cgroups: Cgroups,
}

impl Ground {
    /// `None` after having said what this machine lacks.
    fn make() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let found = match Delegation::find() {
            Ok(found) => found,
            Err(error) => {
                skipped(&error.to_string());
                return None;
            }
        };
        // As the product does it, so that controllers reach what is below.
        found.clone().divide().expect("what is ours can be divided");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let base = found.base.join(format!("hearth-test-{}-{number}", std::process::id()));
        if let Err(error) = fs::create_dir(&base) {
            skipped(&format!("no control group can be made in {}: {error}", found.base.display()));
            return None;
        }
        let ground = Delegation { base: base.clone(), ..found };
        let available = fs::read_to_string(base.join("cgroup.controllers")).expect("a new group has this file");
        let controllers = Controller::ALL.into_iter().filter(|one| available.contains(one.name())).collect();
        let cgroups = Delegation { controllers, ..ground }.divide().expect("a new group can be divided");
        assert!(cgroups.withheld.is_empty(), "{:?}", cgroups.withheld);
        Some(Self { base, cgroups })
    }

    /// With this controller.
    fn with(controller: Controller) -> Option<Self> {
        let ground = Self::make()?;
        if !ground.cgroups.controllers.contains(&controller) {
            beyond_this_machine(&format!("version 2 of its control groups has no {controller} controller"));
            return None;
        }
        Some(ground)
    }

    fn slot(&self, limits: &Limits) -> Cgroup {
        let slot = self.cgroups.slot(SlotNumber(3));
        let not_applied = slot.make(limits, WITHIN).expect("the slot's group can be made");
        assert!(not_applied.is_empty(), "{not_applied:?}");
        slot
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ended = self.cgroups.slot(SlotNumber(3)).end(WITHIN);
        for group in [self.base.join("slots"), self.base.clone()] {
            let _removed = fs::remove_dir(group);
        }
    }
}

/// A shell that runs this script inside the group, from its first command on.
fn inside(slot: &Cgroup, script: &str) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("read go; {script}")]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut shell = shell.spawn().expect("a shell can be started");
    slot.add(shell.id()).expect("a process can be added");
    shell.stdin.take().expect("it is a pipe").write_all(b"go\n").expect("the shell reads");
    shell
}

fn members(slot: &Cgroup) -> Vec<u32> {
    let members = fs::read_to_string(slot.path().join("cgroup.procs")).unwrap_or_default();
    members.lines().filter_map(|pid| pid.parse().ok()).collect()
}

#[test]
fn everything_that_a_process_starts_is_in_its_group_and_ends_with_it() {
    let Some(ground) = Ground::make() else { return };
    let slot = ground.slot(&Limits::default());
    assert!(!slot.is_populated().unwrap());
    // One that has left its session and its parent, and one that keeps starting others.
    let mut shell = inside(&slot, "setsid sleep 300 & (sleep 300 &); while :; do sleep 300 & sleep 0.01; done");
    until("a few processes", || members(&slot).len() > 8);
    let pids = members(&slot);
    slot.end(WITHIN).unwrap();
    assert!(!slot.path().exists());
    shell.wait().unwrap();
    let is_alive = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    assert_eq!(pids.into_iter().filter(is_alive).collect::<Vec<_>>(), Vec::<u32>::new());
    slot.end(WITHIN).unwrap();
}

#[test]
fn a_group_that_is_made_anew_holds_nothing_of_the_one_before() {
    let Some(ground) = Ground::make() else { return };
    let slot = ground.slot(&Limits::default());
    let mut spinning = inside(&slot, "while :; do :; done");
    until("CPU time", || slot.reading().cpu_us.is_some_and(|used| used > 20_000));
    fs::create_dir_all(slot.path().join("of-a-job/below")).unwrap();
    let again = ground.slot(&Limits::default());
    assert!(!spinning.wait().unwrap().success());
    assert!(!again.is_populated().unwrap());
    assert!(again.reading().cpu_us.is_some_and(|used| used < 20_000), "{:?}", again.reading());
    assert!(!again.path().join("of-a-job").exists());
}

#[test]
fn a_guard_in_a_group_has_all_its_processes_there_and_leaves_it_empty() {
    let Some(ground) = Ground::make() else { return };
    let slot = ground.slot(&Limits::default());
    let mut guarded = Guarded::start();
    slot.add(guarded.guard.pid()).unwrap();
    let group = guarded.sh(None, "grep ^0:: /proc/self/cgroup; setsid sleep 300 > /dev/null 2>&1 &");
    assert!(group[0].ends_with("/slots/3"), "{group:?}");
    guarded.guard.sweep().unwrap();
    assert!(matches!(guarded.next(), Event::Swept { remaining: 0, .. }));
    assert!(!slot.is_populated().unwrap());
    let usage = slot.reading().usage(Usage::default());
    let has_memory = ground.cgroups.controllers.contains(&Controller::Memory);
    assert_eq!(usage.measured_by == MeasuredBy::Cgroup2, has_memory, "{usage:?}");
    slot.end(WITHIN).unwrap();
}

#[test]
fn what_a_killed_parent_leaves_behind_is_found_by_its_group() {
    let Some(ground) = Ground::make() else { return };
    let slot = ground.slot(&Limits::default());
    let mut shell = inside(&slot, "setsid sleep 300 & sleep 300");
    until("both", || members(&slot).len() == 3);
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert!(slot.is_populated().unwrap());
    slot.end(WITHIN).unwrap();
    assert!(!slot.path().exists());
}

#[test]
fn a_limit_that_the_machine_does_not_hold_is_named() {
    let Some(ground) = Ground::make() else { return };
    let slot = ground.cgroups.slot(SlotNumber(3));
    let limits = Limits { processes: Some(100), memory: Some(Bytes::gib(1)), ..Limits::default() };
    let not_applied = slot.make(&limits, WITHIN).unwrap();
    for (controller, file) in [(Controller::Pids, "pids.max"), (Controller::Memory, "memory.max")] {
        let named = not_applied.iter().any(|one| match one {
            NotApplied::NoController { file: missing, controller: whose, .. } => {
                *missing == file && *whose == controller
            }
            NotApplied::Refused { .. } | NotApplied::Device { .. } => false,
        });
        assert_eq!(named, !ground.cgroups.controllers.contains(&controller), "{not_applied:?}");
    }
    inside(&slot, "exit 0").wait().unwrap();
    slot.end(WITHIN).unwrap();
}

#[test]
fn a_process_that_is_gone_cannot_be_added() {
    let Some(ground) = Ground::make() else { return };
    let slot = ground.slot(&Limits::default());
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    assert!(matches!(slot.add(gone.id()), Err(CgroupError::Add { .. })));
    slot.end(WITHIN).unwrap();
    assert!(matches!(slot.add(std::process::id()), Err(CgroupError::Add { .. })));
}

#[test]
fn memory_at_its_limit_costs_the_largest_process_and_is_told_apart() {
    for (policy, survives) in [(OnOutOfMemory::KillLargest, true), (OnOutOfMemory::KillAll, false)] {
        let Some(ground) = Ground::with(Controller::Memory) else { return };
        let limit = Bytes::mib(64);
        let slot = ground.slot(&Limits {
            memory: Some(limit),
            swap: Some(Bytes(0)),
            on_out_of_memory: policy,
            ..Limits::default()
        });
        let before = slot.reading();
        // `tail` keeps a line of any length in memory.
        let mut shell = inside(&slot, "head -c 256M /dev/zero | tail; exit 7");
        let ended = shell.wait().unwrap();
        assert_eq!(ended.code() == Some(7), survives, "{ended} {policy:?}");
        let after = slot.reading();
        assert!(has_run_out_of_memory(&before, &after), "{after:?}");
        assert!(after.memory_peak.is_none_or(|peak| peak <= limit + limit), "{after:?}");
    }
}

#[test]
fn processes_beyond_their_number_are_refused_and_counted() {
    let Some(ground) = Ground::with(Controller::Pids) else { return };
    let slot = ground.slot(&Limits { processes: Some(5), ..Limits::default() });
    let mut shell = inside(&slot, "for i in 1 2 3 4 5 6 7 8; do sleep 300 & done; exit 0");
    shell.wait().unwrap();
    assert!(slot.reading().process_refusals.is_some_and(|refused| refused > 0), "{:?}", slot.reading());
    assert!(members(&slot).len() <= 5);
}

#[test]
fn cpu_time_beyond_the_limit_is_withheld() {
    let Some(ground) = Ground::with(Controller::Cpu) else { return };
    let slot = ground.slot(&Limits { cpus: Cpus::new(0.1).ok(), ..Limits::default() });
    let mut shell = inside(&slot, "while :; do :; done");
    until("the limit to be felt", || slot.reading().throttled_us.is_some_and(|held| held > 0));
    shell.kill().unwrap();
    shell.wait().unwrap();
}
