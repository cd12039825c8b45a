//! What serving costs: figures for docs/performance.md, printed and not judged. Run by hand on a quiet machine:
//! `cargo test -p hearth-tests --test served -- --ignored --nocapture figures`

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fake_github::{Job, JobRecord};
use hearth_tests::served::{Machine, Served};
use hearth_tests::wait::until;
use hearth_tests::world::processes;

const JOBS: usize = 100;
const SLOTS: u16 = 64;
const IDLE: Duration = Duration::from_secs(20);

#[expect(clippy::print_stdout, reason = "figures are for people")]
fn quantiles(name: &str, mut millis: Vec<f64>) {
    millis.sort_by(f64::total_cmp);
    let at = |percent: usize| millis[(millis.len() - 1) * percent / 100];
    println!("{name}: p50 {:.0} ms, p95 {:.0} ms, of {}", at(50), at(95), millis.len());
}

/// The time of a line of a job's log, in milliseconds of the day.
fn time_of(line: &str) -> Option<f64> {
    let (_, time) = line.split_once('T')?;
    let mut parts = time.get(..15)?.split(':');
    let (hours, minutes): (f64, f64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(((hours * 60.0 + minutes) * 60.0 + parts.next()?.parse::<f64>().ok()?) * 1000.0)
}

/// From the line that announces a hook to the first line after it that is another step's.
fn hook(record: &JobRecord, announced: &str, next: &str) -> Option<f64> {
    let mut lines = record.log.lines().skip_while(|line| !line.contains(announced));
    let began = time_of(lines.next()?)?;
    let ended = lines.find(|line| line.contains(next))?;
    Some(time_of(ended)? - began)
}

#[test]
#[ignore = "it measures and judges nothing"]
fn figures_of_a_hundred_jobs() {
    let mut served = Served::start(&Machine::default());
    let (mut starts, mut started, mut completed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..JOBS {
        let id = served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run("true"));
        served.done(&[id]);
        let record = served.github.job(id).expect("a job that was offered is known");
        let (assigned, taken) = (record.assigned_at, record.runner_assigned_at);
        if let (Some(assigned), Some(taken)) = (assigned, taken) {
            starts.push(taken.duration_since(assigned).as_millis() as f64);
        }
        started.extend(hook(&record, "runs a hook when a job starts", "##[group]Run true"));
        completed.extend(hook(&record, "runs a hook when a job completes", "Cleaning up orphan processes"));
        served.idle();
    }
    quantiles("from the assignment at GitHub to a runner that has the job", starts);
    quantiles("started hook", started);
    quantiles("completed hook", completed);
    operations(&served);
    served.stop();
}

/// Which calls the agent has made, and how often.
#[expect(clippy::print_stdout, reason = "figures are for people")]
fn operations(served: &Served) {
    for (operation, count) in served.github.operations() {
        println!("{count:>6} {operation}");
    }
}

/// Memory that is a process's own (its share of what is shared), and its CPU time in ticks.
fn costs(pid: u32) -> (u64, u64) {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    let pss = pss.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = after.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
    (pss, fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0))
}

#[test]
#[ignore = "it measures and judges nothing"]
fn figures_of_sixty_four_idle_runners() {
    let machine = Machine { slots: SLOTS, ..Machine::default() };
    let mut served = Served::start(&machine);
    let jobs: Vec<_> =
        (0..SLOTS).map(|_| served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run("true"))).collect();
    until("registered runners", || !served.github.runners().is_empty());
    for job in jobs {
        served.github.cancel(job);
    }
    let state = served.world.state().to_owned();
    let of_this = |name: &'static [u8]| {
        let state = state.as_os_str().as_encoded_bytes().to_owned();
        move |arguments: &[&[u8]]| {
            let program = arguments.first().is_some_and(|program| program.starts_with(parent(&state)));
            program && arguments.contains(&name)
        }
    };
    let keepers = || processes(of_this(b"keep"));
    let mut last = 0;
    until("keepers that have come to rest", || {
        pass(Duration::from_secs(3));
        std::mem::replace(&mut last, keepers().len()) == keepers().len()
    });
    let guards = || processes(of_this(b"guard"));
    let daemon = vec![served.daemon().pid()];
    let total =
        |pids: &[u32]| pids.iter().map(|pid| costs(*pid)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let groups = [("daemon", daemon), ("keepers", keepers()), ("guards", guards())];
    let before: Vec<_> = groups.iter().map(|(_, pids)| total(pids)).collect();
    pass(IDLE);
    println!("idle runners: {} of {SLOTS}", groups[1].1.len());
    for ((name, pids), before) in groups.iter().zip(before) {
        let (memory, ticks) = total(pids);
        let share = (ticks - before.1) as f64 / IDLE.as_secs_f64();
        println!("{name}: {} processes, {memory} KiB in all, {share:.2} % of one core", pids.len());
    }
    served.stop();
}

/// Lets time pass, which is what is measured here.
fn pass(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        thread::park_timeout(time.saturating_sub(began.elapsed()));
    }
}

/// Everything of a test's world stands in one directory.
fn parent(state: &[u8]) -> &[u8] {
    let length = Path::new(std::str::from_utf8(state).unwrap_or_default()).parent().map_or(0, |p| p.as_os_str().len());
    &state[..length]
}
