//! Whose files are, on the file systems that Hearth is used on. Needs the superuser.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use hearth_host::clones::{Means, mirror, probe};
use hearth_host::owners::{HandedOver, Mapping, MappingError, Owner, hand_over, idmapped_binds};
use hearth_host::times::{FileTime, set_modified};
use hearth_host::users::{Identity, Privileges};
use hearth_host::view::{Access, Mount, Shown, View};
use hearth_tests::disk::{Disk, Kind};

use super::guarded::Guarded;
use super::identity::SLOT_USER;

/// Who keeps all files, the agent's own user.
const STORAGE: Owner = Owner { uid: 61_400, gid: 61_400 };
const OTHER_SLOT_USER: Identity =
    Identity { uid: 61_600, gid: 61_600, groups: Vec::new(), privileges: Privileges::Fixed };

fn owner_of(path: &Path) -> Owner {
    let metadata = path.symlink_metadata().expect("the disk can be used");
    Owner { uid: metadata.uid(), gid: metadata.gid() }
}

/// Every disk that this machine can make.
fn on_each_disk(check: impl Fn(&Path)) {
    for kind in [Kind::Ext4, Kind::Btrfs, Kind::Xfs] {
        if let Some(disk) = Disk::make(kind) {
            check(&disk.path().canonicalize().expect("the disk can be used"));
        }
    }
}

/// A slot's directory of the storage user.
fn slot(disk: &Path, name: &str) -> PathBuf {
    let slot = disk.join(name);
    fs::create_dir(&slot).expect("the disk can be used");
    chown(&slot, Some(STORAGE.uid), Some(STORAGE.gid)).expect("the disk can be used");
    slot
}

/// The slot at a constant place of the disk, with the files of the storage user as those of the slot's.
fn seen_by(user: &Identity, slot: &Path, place: &Path) -> Guarded {
    let mapping = Mapping { stored: STORAGE, seen: Owner { uid: user.uid, gid: user.gid } };
    let (source, place) = (slot.to_owned(), place.to_owned());
    let shown = Shown { source, place, access: Access::Writable, owners: Some(mapping) };
    Guarded::with_view(View { mounts: vec![Mount::Shown(shown)] })
}

#[test]
fn a_warm_directory_moves_between_slots_of_two_users_by_one_rename() {
    on_each_disk(|disk| {
        idmapped_binds(disk).unwrap();
        let (first, second, place) = (slot(disk, "first"), slot(disk, "second"), disk.join("place"));
        fs::create_dir(&place).unwrap();
        let script = |text: &str| format!("cd {} && umask 022 && {text}", place.display());

        let mut guarded = seen_by(&SLOT_USER, &first, &place);
        let made = "mkdir -p build/deps && echo object > build/deps/unit.o && ln build/deps/unit.o build/unit.o && \
                    ln -s unit.o build/link && chmod 750 build && stat -c %u:%g build/deps/unit.o && \
                    touch -d @1700000000 build/deps/unit.o && stat -c %Y build/deps/unit.o";
        assert_eq!(guarded.sh(Some(&SLOT_USER), &script(made)), ["61500:61501", "1700000000"]);
        assert_eq!(owner_of(&first.join("build/deps/unit.o")), STORAGE);
        assert_eq!(owner_of(&first.join("build/link")), STORAGE);

        fs::rename(first.join("build"), second.join("build")).unwrap();
        let mut guarded = seen_by(&OTHER_SLOT_USER, &second, &place);
        let changed = "cat build/unit.o && stat -c %u:%g build/unit.o && echo more >> build/unit.o && \
                       touch -d @1600000000 build/unit.o && rm build/link && stat -c %Y build/deps/unit.o";
        assert_eq!(guarded.sh(Some(&OTHER_SLOT_USER), &script(changed)), ["object", "61600:61600", "1600000000"]);
        assert_eq!(fs::read_to_string(second.join("build/unit.o")).unwrap(), "object\nmore\n");

        // Somebody whose files have no place there.
        guarded.sh(Some(&SLOT_USER), &script("! touch mine 2>/dev/null && ! echo x >> build/unit.o"));
        guarded.sh(None, &script("! touch of-the-superuser 2>/dev/null"));
    });
}

#[test]
fn the_agent_clones_and_dates_what_a_slot_user_made() {
    on_each_disk(|disk| {
        let (source, place, copy) = (slot(disk, "slot"), disk.join("place"), disk.join("copy"));
        fs::create_dir(&place).unwrap();
        let mut guarded = seen_by(&SLOT_USER, &source, &place);
        guarded.sh(Some(&SLOT_USER), &format!("cd {} && umask 077 && mkdir a && echo data > a/file", place.display()));
        let means = probe(disk).unwrap();
        assert_eq!(means == Means::Copy, disk_is_ext4(disk), "{means}");
        set_modified(&source.join("a/file"), FileTime(1_500_000_000_000_000_007)).unwrap();
        assert_eq!(mirror(&source, &copy, means, None).unwrap().files, 1);
        assert_eq!(FileTime::modified(&copy.join("a/file").metadata().unwrap()), FileTime(1_500_000_000_000_000_007));
        let seen = guarded.sh(Some(&SLOT_USER), &format!("stat -c %Y {}/a/file", place.display()));
        assert_eq!(seen, ["1500000000"]);
    });
}

fn disk_is_ext4(disk: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").expect("the system has mounts");
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.any(|fields| Path::new(fields[1]) == disk && fields[2] == "ext4")
}

#[test]
fn files_change_hands_one_by_one_where_owners_cannot_be_mapped() {
    on_each_disk(|disk| {
        let root = slot(disk, "slot");
        let precious = disk.join("precious");
        fs::write(&precious, "").unwrap();
        chown(&precious, Some(STORAGE.uid), Some(STORAGE.gid)).unwrap();
        fs::write(root.join("file"), "x").unwrap();
        fs::write(root.join("foreign"), "x").unwrap();
        std::os::unix::fs::symlink(&precious, root.join("link")).unwrap();
        for name in ["file", "link"] {
            std::os::unix::fs::lchown(root.join(name), Some(STORAGE.uid), Some(STORAGE.gid)).unwrap();
        }
        let user = Owner { uid: SLOT_USER.uid, gid: SLOT_USER.gid };
        assert_eq!(hand_over(&root, STORAGE, user).unwrap(), HandedOver { changed: 3, foreign: 1 });
        let owners = ["", "file", "link", "foreign"].map(|name| owner_of(&root.join(name)));
        assert_eq!(owners, [user, user, user, Owner { uid: 0, gid: 0 }]);
        assert_eq!(owner_of(&precious), STORAGE);
        assert_eq!(hand_over(&root, STORAGE, user).unwrap(), HandedOver { changed: 0, foreign: 1 });
    });
}

#[test]
fn a_file_system_that_maps_no_owners_is_named() {
    if !hearth_tests::skip::is_root() {
        return hearth_tests::skip::skipped("only the superuser makes mounts");
    }
    let why = idmapped_binds(Path::new("/proc")).unwrap_err();
    assert!(matches!(why, MappingError::FileSystem { .. }) && why.to_string().contains("/proc"), "{why}");
    assert!(matches!(idmapped_binds(Path::new("/nowhere")).unwrap_err(), MappingError::Open { .. }));
}
