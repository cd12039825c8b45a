//! Versions from archives, and what people do with them.

use std::fs;

use hearth_tests::world::World;

use super::*;

#[test]
fn versions_come_are_pinned_rolled_back_and_listed() {
    let world = World::new();
    assert!(runner(&world, &["list"]).expect_success().stdout.contains("no version yet"));
    assert_eq!(listed(&world), [] as [Value; 0]);
    let (old, new) = (pack(&world, "2.335.0", 3), pack(&world, "2.336.0", 3));
    assert!(install(&world, &old).expect_success().stdout.contains("runner 2.335.0 is installed"));
    assert!(install(&world, &old).expect_success().stdout.contains("was installed already"));
    expect_refused(&runner(&world, &["rollback"]), &["no other version to go back to"]);
    install(&world, &new).expect_success();
    let both = vec!["2.336.0".to_owned(), "2.335.0".to_owned()];
    assert_eq!(versions(&world), (both.clone(), Some("2.336.0".to_owned())));

    runner(&world, &["rollback"]).expect_success().expect_said(&[]);
    assert_eq!(versions(&world), (both.clone(), Some("2.335.0".to_owned())));
    runner(&world, &["pin", "2.336.0"]).expect_success();
    assert_eq!(versions(&world).1.as_deref(), Some("2.336.0"));
    expect_refused(&runner(&world, &["rollback"]), &["is pinned", "runner pin --off"]);
    expect_refused(
        &runner(&world, &["pin", "2.999.0"]),
        &["runner 2.999.0 is not installed; there is 2.335.0, 2.336.0"],
    );
    runner(&world, &["pin", "--off"]).expect_success();
    assert_eq!(versions(&world), (both, Some("2.336.0".to_owned())));

    let program = world.state().join("runner/versions/2.336.0/program");
    let ran = std::process::Command::new(program.join("bin/Runner.Listener")).output().expect("it can be started");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "2.336.0\n");
    let text = runner(&world, &["list"]).expect_success().stdout;
    assert!(text.contains("current, new") && text.contains(&new.display().to_string()), "{text}");
}

#[test]
fn an_archive_that_is_not_right_leaves_everything_as_it_was() {
    let world = World::new();
    let archive = pack(&world, "2.336.0", 3);
    let named = archive.to_str().expect("test paths are text");
    expect_refused(&runner(&world, &["install"]), &["nowhere to get a runner from", "--archive"]);
    expect_refused(&runner(&world, &["install", "--archive", named]), &["--sha256 or runner.sha256"]);
    let wrong = "ab".repeat(32);
    let refused = runner(&world, &["install", "--archive", named, "--sha256", &wrong]);
    expect_refused(&refused, &["its checksum is", &checksum(&archive)]);
    let renamed = world.path("runner.tar.gz");
    fs::copy(&archive, &renamed).expect("a file can be copied");
    expect_refused(&install(&world, &renamed), &["keep the name that GitHub gave it"]);
    let bytes = fs::read(&archive).expect("a file can be read");
    fs::write(&archive, &bytes[..bytes.len() / 2]).expect("a file can be written");
    expect_refused(&install(&world, &archive), &["damaged or not what its name says"]);
    for words in
        [&["pin"][..], &["pin", "latest"], &["pin", "2.336.0", "--off"], &["install", "2.336.0", "--archive", named]]
    {
        assert_eq!(runner(&world, words).status.code(), Some(2), "{words:?}");
    }
    assert_eq!(listed(&world), [] as [Value; 0]);
    assert!(is_clean(&world));
}

#[test]
fn the_configured_archive_is_what_install_means() {
    let world = World::new();
    let archive = pack(&world, "2.336.0", 3);
    let config = world.path("hearth.toml");
    let section = |sum: &str| {
        let text = format!("[runner]\narchive = '{}'\nsha256 = '{sum}'\n", archive.display());
        fs::write(&config, text).expect("a file can be written");
    };
    let install = || world.hearth().arg("--config").arg(&config).args(["runner", "install"]).run();
    section("abc");
    let refused = install();
    assert_eq!(refused.status.code(), Some(78), "{refused}");
    assert!(refused.stderr.contains("runner.sha256") && refused.stderr.contains("64 hexadecimal digits"), "{refused}");
    section(&checksum(&archive));
    assert!(install().expect_success().stdout.contains("runner 2.336.0 is installed"));
    assert_eq!(versions(&world).1.as_deref(), Some("2.336.0"));
}

#[test]
fn a_daemon_installs_the_configured_archive_by_itself() {
    let world = World::new();
    let archive = pack(&world, "2.336.0", 3);
    let config = world.path("hearth.toml");
    let text = format!(
        "[runner]\narchive = '{}'\nsha256 = '{}'\n[admin]\nlisten = '127.0.0.1:0'\n",
        archive.display(),
        checksum(&archive)
    );
    fs::write(&config, text).expect("a file can be written");
    let daemon = world.hearth().arg("--config").arg(&config).arg("up").start();
    hearth_tests::wait::until("the version is installed", || {
        entries(&world.state().join("runner/versions")).iter().any(|path| path.ends_with("2.336.0"))
    });
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait().expect_success();
    assert_eq!(versions(&world).1.as_deref(), Some("2.336.0"));
}
