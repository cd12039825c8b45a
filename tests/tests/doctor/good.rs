//! Machines in order: nothing is bad, and looking changes nothing.

use std::fs;

use fake_github::Job;
use hearth_tests::github::nothing_is_violated;
use hearth_tests::world::{World, entries};

use crate::{Found, configure, machine};

#[test]
fn nothing_is_bad_on_a_machine_in_order_and_nothing_is_changed() {
    let served = machine("");
    let names = || entries(served.world.state());
    let (before, configuration) = (names(), fs::read(served.configuration()).unwrap());
    let found = Found::on(&served);
    assert_eq!((found.code, found.named("bad")), (0, vec![]), "{:#}", found.all);
    let good = found.named("good");
    for name in ["credentials", "permissions", "runners", "runner group", "labels", "scale set", "installed version"] {
        assert!(good.contains(&name), "{name} is not good\n{:#}", found.all);
    }
    for name in ["state directory", "git", "hook scripts", "socket paths", "address of pages", "clock", "months"] {
        assert!(good.contains(&name), "{name} is not good\n{:#}", found.all);
    }
    assert_eq!((names(), fs::read(served.configuration()).unwrap()), (before, configuration));
    assert!(served.github.runners().is_empty());
    assert_eq!(served.github.read(|state| state.scale_sets().count()), 0);
    nothing_is_violated(&served.github);
}

#[test]
fn a_person_reads_a_table_for_each_part() {
    let served = machine("");
    let ran = served.hearth().arg("doctor").run().expect_success();
    let url = served.github.url_of(&fake_github::Scope::Organization("acme".to_owned()));
    for words in ["machine\n", "programs of jobs\n", "runner program\n", &url, "check", "state", "found", "0 bad, "] {
        assert!(ran.stdout.contains(words), "{words}\n{ran}");
    }
}

#[test]
fn beside_a_daemon_that_works_nothing_is_bad_and_nobody_is_disturbed() {
    let mut served = machine("");
    served.up();
    let address = served.admin().to_string();
    configure(&served, |text| text.replace("127.0.0.1:0", &address));
    let job = served.github.offer(Job::new("acme/widgets").labels(["self-hosted", "hearth"]).run("true"));
    let found = Found::on(&served);
    assert_eq!((found.code, found.named("bad")), (0, vec![]), "{:#}", found.all);
    let good = found.named("good");
    assert!(good.contains(&"daemon") && good.contains(&"address of pages"), "{:#}", found.all);
    served.done(&[job]);
    served.idle();
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_machine_that_serves_nobody_is_looked_at_as_well_as_can_be() {
    let world = World::new();
    let found = Found::by(world.hearth());
    let unknown = found.named("not_checked");
    for name in ["state directory", "clones", "installed version", "places", "daemon"] {
        assert!(unknown.contains(&name), "{name}\n{:#}", found.all);
    }
    assert!(!world.state().exists(), "looking has made it");
}
