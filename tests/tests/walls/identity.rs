//! As whom a process runs. Needs the superuser.

use hearth_host::guard::{Event, How, Start};
use hearth_host::users::{Identity, Privileges};
use hearth_tests::skip::{has_programs, is_root, skipped};

use super::guarded::Guarded;

/// Nobody on this machine.
pub(crate) const SLOT_USER: Identity =
    Identity { uid: 61_500, gid: 61_501, groups: Vec::new(), privileges: Privileges::Fixed };

#[test]
fn a_process_is_its_user_with_its_groups_and_dies_with_the_guard() {
    if !is_root() || !has_programs(&["setpriv"]) {
        return skipped("only the superuser starts processes of others, and `setpriv` shows what they are");
    }
    let mut guarded = Guarded::start();
    let user = Identity { groups: vec![61_502, 61_503], ..SLOT_USER };
    let lines = guarded.sh(Some(&user), "grep CapEff: /proc/self/status; exec setpriv --dump");
    let has = |line: &str| assert!(lines.iter().any(|said| said == line), "{line}: {lines:#?}");
    has("uid: 61500");
    has("euid: 61500");
    has("gid: 61501");
    has("egid: 61501");
    has("Supplementary groups: 61502,61503");
    has("no_new_privs: 1");
    has("CapEff:\t0000000000000000");
    has("Parent death signal: KILL");
    let gains = Identity { privileges: Privileges::Gained, ..user };
    let lines = guarded.sh(Some(&gains), "exec setpriv --dump");
    assert!(lines.iter().any(|said| said == "no_new_privs: 0"), "{lines:#?}");
}

#[test]
fn a_process_that_cannot_become_its_user_is_not_started() {
    if !is_root() {
        return skipped("only the superuser starts processes of others");
    }
    let mut guarded = Guarded::start();
    let invalid = Identity { uid: u32::MAX, ..SLOT_USER };
    let start = Start { identity: Some(invalid), ..guarded.script("nobody", "true") };
    guarded.guard.start_process(start).unwrap();
    assert!(matches!(guarded.next(), Event::NotStarted { .. }));
    assert_eq!(guarded.run(guarded.script("next", "exit 0")).how, How::Exited(0));
}
