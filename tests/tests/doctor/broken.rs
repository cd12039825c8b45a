//! Machines that lack one thing each: it is named, with what to do about it, and the exit code says so.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use fake_github::{AppKey, Group, Level, Members};
use hearth_tests::served::{Machine, Served};

use crate::{Found, configure, machine, prepared, write_secret};

#[test]
fn credentials_that_do_not_work_are_told_apart() {
    let served = machine("");
    let key = served.world.path("app.pem");
    write_secret(&key, &AppKey::generate().pkcs1_pem());
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "credentials", "does not know the private key", "app.client_id, the key");

    write_secret(&key, "no key at all");
    Found::on(&served).expect("bad", "secrets and network", "no RSA key", "mend what it names");

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    Found::on(&served).expect("bad", "secrets and network", "readable by every user", "its mode");

    fs::remove_file(&key).unwrap();
    Found::on(&served).expect("bad", "secrets and network", "app.pem", "the file");
}

#[test]
fn a_missing_permission_is_named() {
    let served = machine("");
    served.github.change_accounts(|accounts| {
        let permissions = &mut accounts.apps[0].installations[0].permissions;
        permissions.insert("organization_self_hosted_runners".to_owned(), Level::Read);
    });
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "permissions", "organization_self_hosted_runners: write", "grant it in the app's settings");
}

#[test]
fn a_group_that_hides_from_a_repository_is_named() {
    let served = machine("group = 'hearth'\ndemand = 'polling'\nrepositories = ['acme/widgets']");
    served.github.change_accounts(|accounts| {
        let members = Members::Selected(vec!["acme/gadgets".to_owned()]);
        let group = Group { id: 42, name: "hearth".to_owned(), members, ..Group::default_group() };
        accounts.organizations[0].groups.push(group);
    });
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "runner group", "does not serve acme/widgets", "add it to the repositories");
}

#[test]
fn a_clock_that_is_off_is_a_warning() {
    let served = machine("");
    served.github.set_clock_skew(jiff::SignedDuration::from_mins(10));
    let found = Found::on(&served);
    assert_eq!(found.code, 0, "{:#}", found.all);
    found.expect("warning", "clock", "behind GitHub's", "NTP");
}

#[test]
fn a_github_that_cannot_be_reached_is_named_in_time() {
    let served = machine("");
    configure(&served, |text| {
        let here = served.github.url();
        // Nobody listens on the first port of all.
        text.replace(&here, "http://127.0.0.1:1")
    });
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "runners", "cannot be reached", "firewall");
}

#[test]
fn a_machine_without_a_runner_program_is_told_where_to_get_one() {
    let served = Served::prepare(&Machine::default());
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "installed version", "none is installed", "hearth runner install");

    let archives = fs::read_dir(served.world.path("")).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let archive = archives.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "gz")).unwrap();
    fs::remove_file(&archive).unwrap();
    Found::on(&served).expect("bad", "archive", &archive.display().to_string(), "put the archive there");
}

#[test]
fn a_state_path_that_the_runner_program_cannot_take_is_named() {
    let served = machine("");
    let at = |name: &str| {
        let state = served.world.path(name);
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        let program = served.world.program().to_string_lossy().into_owned();
        let call = served.world.other(&program, &served.world.path(""));
        Found::by(call.arg("--config").arg(served.configuration()).arg("--state").arg(state))
    };
    let blank = at("a state");
    assert_eq!(blank.code, 1);
    blank.expect("bad", "hook scripts", "a blank in it", "without blanks");
    let long = at(&"x".repeat(100));
    long.expect("bad", "socket paths", "a socket may have 107", "shorter state directory");
}

#[test]
fn a_state_directory_that_others_can_write_is_named() {
    let served = machine("");
    let state = served.world.state();
    fs::set_permissions(state, fs::Permissions::from_mode(0o777)).unwrap();
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "state directory", "mode 777", "chmod go-w");
}

#[test]
fn programs_that_jobs_would_not_find_are_named() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().display().to_string();
    let served = prepared(&Machine { path: Some(empty.clone()), ..Machine::default() });
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "git", "cannot run `git --version`", &empty);
    found.expect("warning", "toolchain", "cannot run `rustc", "[runner.env]");
}

#[test]
fn a_port_that_somebody_else_holds_is_named() {
    let served = machine("");
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    configure(&served, |text| format!("[cache]\nlisten = '{address}'\n\n{text}"));
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "address of the cache", &address, "cache.listen");
}

#[test]
fn sections_that_cannot_stand_together_are_named() {
    let served = machine("");
    configure(&served, |text| {
        let section = text.split_once("[[github]]").map(|(_, section)| section.to_owned()).unwrap();
        let labels: Vec<String> = (0..98).map(|n| format!("'label-{n}'")).collect();
        format!("{text}\n[[github]]{section}labels = [{}]\n", labels.join(", "))
    });
    let found = Found::on(&served);
    assert_eq!(found.code, 1);
    found.expect("bad", "scale set", "two [[github]] sections", "`scale_set` of its own");
    found.expect("bad", "labels", "GitHub takes between 1 and 100", "shorten `labels`");
}
