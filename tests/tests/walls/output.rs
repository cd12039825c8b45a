//! What a process says and what it is told.

use hearth_host::guard::{EnvironmentBase, Event, How, Log, Raw, Start, Stdio};

use super::guarded::{Guarded, Said};

#[test]
fn every_line_is_heard_before_the_end_and_kept_in_the_log() {
    let mut guarded = Guarded::start();
    let said = guarded.run(guarded.script("talker", "echo one; echo two >&2; printf three; exit 3"));
    assert_eq!(said, Said { lines: ["one", "two", "three"].map(str::to_owned).to_vec(), how: How::Exited(3) });
    let Log { path, .. } = guarded.log();
    let path: std::path::PathBuf = path.into();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\nthree");
}

#[test]
fn one_that_goes_on_with_the_output_holds_up_no_end_and_is_still_heard() {
    let mut guarded = Guarded::start();
    let script = "(read go < \"$0\"; echo later) & echo first";
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("gate");
    rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut start = guarded.script("parent", script);
    start.arguments.push(Raw::from(&gate));
    assert_eq!(guarded.run(start).lines, ["first"]);
    std::fs::write(&gate, "go\n").unwrap();
    let later = Event::Line { name: "parent".to_owned(), text: "later".to_owned(), left_out: 0 };
    assert_eq!(guarded.next(), later);
}

#[test]
fn a_flood_of_lines_is_cut_down_counted_and_kept_within_the_log() {
    let mut guarded = Guarded::start();
    let limit_bytes = 20_000;
    let log = Log { limit_bytes, ..guarded.log() };
    let path: std::path::PathBuf = log.path.clone().into();
    let flood = guarded.script("flood", "i=0; while [ $i -lt 5000 ]; do echo \"line $i\"; i=$((i+1)); done");
    guarded.begin(Start { stdio: Stdio::Log(log), ..flood });
    let (mut heard, mut counted) = (0, 0);
    loop {
        match guarded.next() {
            Event::Line { left_out, .. } => {
                heard += 1;
                counted += left_out;
            }
            Event::Ended { how, .. } => {
                assert_eq!(how, How::Exited(0));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(heard < 5_000 && heard + counted <= 5_000, "{heard} heard, {counted} left out");
    let sizes = [path.clone(), path.with_extension("old")].map(|path| path.metadata().unwrap().len());
    assert!(sizes.iter().sum::<u64>() <= limit_bytes, "{sizes:?}");
    assert!(std::fs::read_to_string(path).unwrap().ends_with("line 4999\n"));
}

#[test]
fn an_empty_environment_holds_nothing_of_the_guards() {
    let mut guarded = Guarded::start();
    let mut start = guarded.script("environment", "");
    (start.program, start.arguments) = (Raw::from("env"), Vec::new());
    start.environment.push((Raw::from("GIVEN"), Some(Raw::from("yes"))));
    let mut lines = guarded.run(start.clone()).lines;
    lines.sort();
    assert_eq!(lines, ["GIVEN=yes", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
    start.environment_base = EnvironmentBase::Inherited;
    let inherited = guarded.run(start).lines;
    assert!(inherited.len() > lines.len(), "{inherited:?}");
}

#[test]
fn the_values_of_variables_are_no_part_of_a_debug_output() {
    let guarded = Guarded::start();
    let mut start = guarded.script("secret", "true");
    start.environment.push((Raw::from("TOKEN"), Some(Raw::from("hunter2"))));
    let shown = format!("{start:?}");
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
}
