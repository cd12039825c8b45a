//! A state directory on a small disk, and what becomes of jobs, daemon and books when it is full.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use fake_github::Job;
use fake_github::runner_protocol::JobResult;
use hearth_ledger::State;
use hearth_model::Outcome;
use hearth_tests::disk::{Disk, Kind};
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{Machine, Served};
use hearth_tests::wait::{is_reached, until};
use serde_json::Value;

use crate::books::{Witness, each_ran_once, ledger};
use crate::left::nothing_is_left;
use crate::moments::Gate;

/// Room for the programs that a machine keeps, and not for much more.
const SMALL: Kind = Kind::Memory { mebibytes: 512 };

fn on(disk: &Disk) -> Machine {
    // The reserves of a real machine are larger than this disk.
    let reserves = "[targets]\nfree_reserve = \"1MiB\"\n[cache]\nfree_reserve = \"1MiB\"".to_owned();
    Machine { slots: 1, state: Some(disk.path().join("state")), github: reserves, ..Machine::default() }
}

/// Takes all the room that there is, until dropped.
struct Ballast(PathBuf);

impl Ballast {
    fn on(disk: &Disk) -> Self {
        let path = disk.path().join("ballast");
        let mut file = File::create(&path).expect("a file can be made");
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; size]).and_then(|()| file.sync_data()).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

fn job(script: &str) -> Job {
    Job::new("acme/widgets").labels(["hearth"]).run(script)
}

/// What is found by name in a list of the doctor's.
fn found<'a>(doctor: &'a Value, name: &str) -> &'a Value {
    let sections = doctor["sections"].as_array().expect("sections are a list").iter();
    let mut all = sections.flat_map(|section| section["findings"].as_array().into_iter().flatten());
    all.find(|finding| finding["name"] == name).unwrap_or_else(|| unreachable!("no {name} in {doctor:#}"))
}

#[test]
fn a_job_that_fills_the_disk_is_told_apart_and_the_next_one_runs() {
    let Some(disk) = Disk::make(Kind::Ext4) else { return };
    let mut served = Served::start(&on(&disk));
    let filled = served.github.offer(job("dd if=/dev/zero of=fill bs=1M status=none"));
    served.done(&[filled]);
    served.idle();
    let record = served.github.job(filled).unwrap();
    assert_eq!((record.acquired, record.completed), (1, 1), "{record:#?}");
    assert_eq!(record.result(), Some(JobResult::Failed), "{}", record.log);
    let next = served.github.offer(job("dd if=/dev/zero of=fits bs=1M count=32 status=none"));
    served.done(&[next]);
    served.idle();
    let record = served.github.job(next).unwrap();
    assert_eq!(record.result(), Some(JobResult::Succeeded), "{}\n{}", record.log, served.said());
    let rows = ledger(&served.world);
    let ends: Vec<_> = rows.iter().map(|row| (row.state, row.outcome)).collect();
    let full = Some(Outcome::DiskFull { code: 1 });
    assert_eq!(ends, [(State::Ended, Some(Outcome::Exited { code: 0 })), (State::Ended, full)]);
    let told = served.hearth().arg("jobs").run().expect_success().stdout;
    assert!(told.contains("full disk"), "{told}");
    nothing_is_violated(&served.github);
    served.stop();
    nothing_is_left(&mut served);
}

#[test]
fn a_full_disk_takes_no_job_and_says_so_until_there_is_room() {
    let Some(disk) = Disk::make(SMALL) else { return };
    let mut served = Served::start(&on(&disk));
    let ballast = Ballast::on(&disk);
    let waiting = served.github.offer(job("true"));
    let status = |served: &Served| served.hearth().args(["status", "--json"]).run();
    if !is_reached(Duration::from_secs(20), || status(&served).stdout.contains("no runner is started with less")) {
        unreachable!("no place waits for room\n{}\n{}", status(&served), served.said());
    }
    let said: Value = serde_json::from_str(&status(&served).expect_code(1).stdout).unwrap();
    let troubles: Vec<_> = said["troubles"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(troubles.iter().any(|trouble| trouble.starts_with("the disk of the state directory has")), "{troubles:?}");
    assert_eq!(served.github.operations().iter().find(|(name, _)| name.contains("jitconfig")), None);
    let doctor = served.hearth().args(["doctor", "--json"]).run();
    let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap();
    assert_eq!(found(&doctor, "free space")["state"], "bad", "{doctor:#}");
    drop(ballast);
    served.done(&[waiting]);
    served.idle();
    assert_eq!(served.github.job(waiting).unwrap().result(), Some(JobResult::Succeeded));
    until("a status that forgets it", || !status(&served).stdout.contains("no runner is started"));
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_disk_that_others_fill_under_a_job_costs_neither_the_job_nor_its_record() {
    let Some(disk) = Disk::make(SMALL) else { return };
    let mut served = Served::start(&on(&disk));
    let gate = Gate::new(&served, 0);
    // Its words go into logs that have no room any more.
    let script = format!("{}; seq 1 20000", gate.script());
    let witness = Witness::offer(&served, 0, &script);
    served.until("a job that runs", |_| witness.has_begun());
    let ballast = Ballast::on(&disk);
    gate.open();
    served.done(&[witness.job]);
    served.idle();
    drop(ballast);
    let next = Witness::offer(&served, 1, "true");
    served.done(&[next.job]);
    served.idle();
    each_ran_once(&served, &[witness, next], &[].into());
    nothing_is_violated(&served.github);
    served.stop();
    nothing_is_left(&mut served);
}
