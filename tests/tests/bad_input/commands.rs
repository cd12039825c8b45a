//! The command's own affairs: its exit code, its input and output, and what it leaves running.

use std::fs;

use hearth_tests::family::is_alive;
use hearth_tests::world::World;

use super::{expect_works, plain};

#[test]
fn a_command_that_cannot_be_started_costs_nothing_and_says_why() {
    let world = World::new();
    let repository = plain(&world);
    let script = repository.path().join("script");
    fs::write(&script, "#!/bin/sh\n").expect("a file can be written");
    let script = script.to_str().expect("test paths are text");
    for (command, code, why) in [
        ("no-such-command", 127, "No such file"),
        ("/nowhere/command", 127, "No such file"),
        (script, 126, "ermission"),
        ("/", 126, "ermission"),
    ] {
        let ran = world.exec(&repository).args(["--", command]).run();
        assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(code), ""), "{ran}");
        let sentence = format!("cannot start `{command}`: ");
        assert!(ran.stderr.contains(&sentence) && ran.stderr.contains(why), "{command}, {why}: {ran}");
        assert_eq!(ran.receipt()["outcome"]["how"], "never_started", "{ran}");
        assert_eq!(ran.receipt()["billable_minutes"], 0, "{ran}");
    }
    expect_works(&world, 1);
}

#[test]
fn exit_codes_are_the_commands_own() {
    let world = World::new();
    let repository = plain(&world);
    for code in [0, 1, 2, 77, 78, 101, 124, 125, 126, 127, 128, 137, 255] {
        world.exec(&repository).sh(&format!("exit {code}")).expect_code(code);
    }
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("INT", 130), ("SEGV", 139), ("HUP", 129), ("PIPE", 141)] {
        let ran = world.exec(&repository).sh(&format!("kill -{signal} $$")).expect_code(code);
        assert_eq!(ran.receipt()["outcome"]["how"], "signaled", "{ran}");
    }
}

#[test]
fn input_reaches_the_command_and_output_is_the_commands_alone() {
    let world = World::new();
    let repository = plain(&world);
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let ran = world.exec(&repository).input(&bytes).args(["--", "sha256sum"]).run().expect_success();
    let expected = world.other("sha256sum", repository.path()).input(&bytes).run().expect_success();
    assert_eq!(ran.stdout, expected.stdout);
    let ran = world.exec(&repository).sh("printf 'no end of line'; printf 'hearth: not us\\n' >&2").expect_success();
    assert_eq!(ran.stdout, "no end of line");
    let ran = world.exec(&repository).arg("--quiet").sh("printf said >&2; exit 4").expect_code(4);
    assert_eq!(ran.stderr, "said", "quiet adds nothing");
}

#[test]
fn arguments_are_passed_as_they_are() {
    let world = World::new();
    let repository = plain(&world);
    let call = world.exec(&repository).args(["--", "printf", "[%s]", "--job", "a b", "", "$HOME", "--", "*"]);
    assert_eq!(call.run().expect_success().stdout, "[--job][a b][][$HOME][--][*]");
}

#[test]
fn what_a_job_leaves_running_is_gone_when_it_has_ended() {
    let world = World::new();
    let repository = plain(&world);
    let ways = [
        "sh -c 'echo $$ > PIDS/plain; exec sleep 600' &",
        "setsid sh -c 'echo $$ > PIDS/session; exec sleep 600' </dev/null >/dev/null 2>&1 &",
        "(setsid --fork sh -c '(echo $(exec sh -c \"echo \\$PPID\") > PIDS/twice; exec sleep 600) &' &) ",
        "env -i setsid --fork /bin/sh -c 'echo $$ > PIDS/nameless; trap \"\" TERM HUP INT; while :; do sleep 1; done'",
        "nohup sh -c 'echo $$ > PIDS/nohup; exec sleep 600' >/dev/null 2>&1 &",
    ];
    let pids = world.path("pids");
    fs::create_dir(&pids).expect("a directory can be made");
    let script = ways.join("\n").replace("PIDS", &pids.display().to_string());
    let wait = format!("until test $(cat {}/* | wc -l) = {}; do sleep 0.02; done", pids.display(), ways.len());
    world.exec(&repository).sh(&format!("{script}\n{wait}")).expect_success();
    let mut count = 0;
    for file in hearth_tests::world::entries(&pids) {
        let pid = fs::read_to_string(&file).expect("a file can be read").trim().parse().expect("a process id");
        assert!(!is_alive(pid), "{} is still there", file.display());
        count += 1;
    }
    assert_eq!(count, ways.len());
    expect_works(&world, 2);
}
