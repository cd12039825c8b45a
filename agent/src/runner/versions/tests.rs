//! Versions that come, are tried, are given up and go, in a directory of their own.

use std::fs::File;

use hearth_model::{ManualClock, Millis};
use tempfile::TempDir;

use super::super::sample;
use super::super::settings::RunnerFile;
use super::*;

const OLD: RunnerVersion = RunnerVersion::new(2, 334, 0);
const MIDDLE: RunnerVersion = RunnerVersion::new(2, 335, 0);
const NEW: RunnerVersion = RunnerVersion::new(2, 336, 0);

struct Store {
    dir: TempDir,
    clock: Arc<ManualClock>,
    versions: Versions,
}

fn store_with(change: impl FnOnce(&mut RunnerFile)) -> Store {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let mut file = RunnerFile::default();
    change(&mut file);
    let versions = Versions::open(&dir.path().join("runner"), file.check().unwrap(), clock.clone()).unwrap();
    Store { dir, clock, versions }
}

fn store() -> Store {
    store_with(|_| {})
}

impl Store {
    fn install(&self, version: RunnerVersion) -> Installed {
        let (path, sum) = sample::file(self.dir.path(), version);
        self.versions.install_archive(&path, Some(sum)).unwrap()
    }

    fn installed(&self) -> Vec<RunnerVersion> {
        self.versions.installed().unwrap()
    }

    fn current(&self) -> RunnerVersion {
        self.versions.take().unwrap().version
    }

    fn listed(&self, version: RunnerVersion) -> ListedVersion {
        self.versions.list().unwrap().into_iter().find(|listed| listed.version == version).unwrap()
    }

    /// Nothing is left of anything that is under way.
    fn is_clean(&self) -> bool {
        entries(&self.versions.layout.incoming()).unwrap().is_empty()
    }
}

#[test]
fn an_installed_version_is_whole_sealed_and_taken() {
    let store = store();
    assert!(matches!(store.versions.take(), Err(VersionsError::None(NoVersion::NothingInstalled))));
    assert_eq!(store.install(NEW), Installed::New(NEW));
    assert_eq!(store.install(NEW), Installed::AlreadyThere(NEW));
    let held = store.versions.take().unwrap();
    assert_eq!(fs::read_to_string(held.program.join(held.listener)).unwrap(), "2.336.0");
    assert!(sealed::is_sealed(&held.program));
    assert!(store.is_clean());
    let listed = store.listed(NEW);
    assert!(listed.current && listed.in_use && !listed.pinned);
    let built_at = i64::try_from(sample::BUILT_AT_SECONDS * 1000).unwrap();
    assert_eq!((listed.bytes, listed.built_at), (Bytes(21), Some(Timestamp::from_millis(built_at))));
    drop(held);
    assert!(!store.listed(NEW).in_use);
}

#[test]
fn an_archive_that_is_not_the_right_one_leaves_nothing_behind() {
    let store = store();
    let (path, sum) = sample::file(store.dir.path(), NEW);
    let check = |path: &Path, sum: Option<Sha256>, expected: &str| {
        let said = crate::journey::chain(&store.versions.install_archive(path, sum).expect_err(expected));
        assert!(said.contains(expected), "{said}: {expected}");
        assert!(store.is_clean() && store.installed().is_empty(), "{expected}");
    };
    check(&path, None, "name it with --sha256 or runner.sha256");
    check(&path, Some(Sha256::of(&b"another"[..]).unwrap()), "its checksum is");
    let bytes = fs::read(&path).unwrap();
    let replaced = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Some(Sha256::of(bytes).unwrap())
    };
    check(&path, replaced(&bytes[..bytes.len() / 2]), "damaged");
    check(&path, replaced(b""), "damaged");
    check(&path, replaced(&sample::packed(&[("su", 0o4755, b"x")])), "rights of its owner");
    check(&path, replaced(&sample::packed(&[("readme", 0o644, b"x")])), "no bin/Runner.Listener in it");
    let listener = ("bin/Runner.Listener", 0o755, &b"x"[..]);
    check(&path, replaced(&sample::packed(&[listener])), "no externals in it");
    let unusable = ("bin/Runner.Listener", 0o644, &b"x"[..]);
    check(&path, replaced(&sample::packed(&[unusable, ("externals/x", 0o644, b"x")])), "no bin/Runner.Listener in it");
    check(&store.dir.path().join("runner.tar.gz"), Some(sum), "keep the name that GitHub gave it");
    check(&store.dir.path().join(sample::name(MIDDLE).to_string()), Some(sum), "cannot read");
    let other = if store.versions.platform().os == "osx" { "linux" } else { "osx" };
    check(&store.dir.path().join(format!("actions-runner-{other}-x64-2.336.0.tar.gz")), Some(sum), "this machine is");
}

#[test]
fn what_a_killed_installation_left_is_removed_and_done_again() {
    let store = store();
    let incoming = store.versions.layout.incoming();
    fs::write(incoming.join(sample::name(NEW).to_string()), "half a download").unwrap();
    // Killed after sealing and before the rename.
    let staging = incoming.join(NEW.to_string());
    fs::create_dir_all(staging.join("program/bin")).unwrap();
    fs::write(staging.join("program/bin/Runner.Listener"), "half").unwrap();
    sealed::seal(&staging.join("program")).unwrap();
    // A version whose files went, as after a repair of the file system.
    let damaged = store.versions.layout.version(NEW);
    fs::create_dir_all(damaged.join("program/bin")).unwrap();
    fs::write(damaged.join("installed.json"), "{}").unwrap();
    assert!(store.installed().is_empty());
    assert_eq!(store.install(NEW), Installed::New(NEW));
    assert!(store.is_clean());
    assert_eq!(store.installed(), [NEW]);
    fs::write(incoming.join("leftover"), "x").unwrap();
    assert_eq!(store.versions.tidy().unwrap(), Tidied { removed: Vec::new(), swept: 1 });
    assert!(store.is_clean());
}

#[test]
fn two_processes_do_not_install_at_the_same_time() {
    let store = store();
    let other = store.versions.lock_installations().unwrap();
    let (path, sum) = sample::file(store.dir.path(), NEW);
    let refused = store.versions.install_archive(&path, Some(sum));
    assert!(matches!(refused, Err(InstallError::Versions(VersionsError::Installing))));
    fs::write(store.versions.layout.incoming().join("of the other"), "x").unwrap();
    assert_eq!(store.versions.tidy().unwrap(), Tidied::default());
    assert!(!store.is_clean(), "what the other one works on is left alone");
    drop(other);
    assert_eq!(store.install(NEW), Installed::New(NEW));
}

#[test]
fn a_start_takes_the_newest_and_running_ones_keep_theirs() {
    let store = store_with(|file| file.keep = 1);
    store.install(OLD);
    let running = store.versions.take().unwrap();
    store.install(NEW);
    assert_eq!(store.current(), NEW);
    assert_eq!(store.versions.tidy().unwrap().removed, [], "it is in use");
    assert!(running.program.join(running.listener).is_file());
    drop(running);
    assert_eq!(store.versions.tidy().unwrap(), Tidied { removed: vec![OLD], swept: 0 });
    assert_eq!(store.installed(), [NEW]);
    assert!(store.is_clean());
    assert_eq!(entries(&store.versions.layout.uses()).unwrap().len(), 1, "the lock of the removed one is gone");
}

#[test]
fn a_version_whose_first_starts_fail_is_given_up_and_stays_so() {
    let store = store();
    store.install(MIDDLE);
    store.versions.note_start(MIDDLE, Started::Worked).unwrap();
    store.install(NEW);
    for failed in 1..3 {
        assert_eq!(store.versions.note_start(NEW, Started::Failed).unwrap(), Trial::New { failed });
        assert_eq!(store.current(), NEW);
    }
    store.versions.note_start(NEW, Started::Failed).unwrap();
    assert_eq!(store.current(), MIDDLE);
    assert!(!store.versions.wants(NEW).unwrap());
    let again = Versions { settings: Arc::clone(&store.versions.settings), ..store.versions.clone() };
    assert_eq!(again.take().unwrap().version, MIDDLE, "it is on the disk");
    // A person who knows better.
    store.versions.pin(Some(NEW)).unwrap();
    assert_eq!(store.current(), NEW);
    store.versions.pin(None).unwrap();
    assert_eq!(store.current(), NEW, "it is tried anew");
}

#[test]
fn a_person_can_pin_unpin_and_go_back() {
    let store = store();
    store.install(MIDDLE);
    assert!(matches!(store.versions.roll_back(), Err(VersionsError::NothingToGoBackTo { version: MIDDLE })));
    store.install(NEW);
    let missing = store.versions.pin(Some(OLD)).unwrap_err().to_string();
    assert_eq!(missing, "runner 2.334.0 is not installed; there is 2.335.0, 2.336.0");
    store.versions.pin(Some(MIDDLE)).unwrap();
    assert_eq!(store.current(), MIDDLE);
    assert!(store.listed(MIDDLE).pinned && !store.listed(NEW).current);
    assert!(matches!(store.versions.roll_back(), Err(VersionsError::Pinned { version: MIDDLE })));
    store.versions.pin(None).unwrap();
    assert_eq!(store.versions.roll_back().unwrap(), (NEW, MIDDLE));
    assert_eq!(store.current(), MIDDLE);
    assert!(matches!(store.versions.roll_back(), Err(VersionsError::NothingToGoBackTo { .. })));
}

#[test]
fn a_version_that_github_refuses_is_held_back_until_a_newer_one_is_there() {
    let store = store();
    store.install(MIDDLE);
    store.versions.note_start(MIDDLE, Started::Refused).unwrap();
    let refused = store.versions.take().unwrap_err();
    assert!(matches!(refused, VersionsError::None(NoVersion::Refused { version: MIDDLE, .. })), "{refused}");
    store.install(NEW);
    assert_eq!(store.current(), NEW);
    store.versions.note_start(NEW, Started::Refused).unwrap();
    store.clock.advance(Duration::from_hours(1));
    assert_eq!(store.current(), NEW);
    store.versions.note_start(NEW, Started::Worked).unwrap();
    assert_eq!(store.listed(NEW).refused_at, None);
}

#[test]
fn what_github_says_of_a_version_is_kept_with_its_time() {
    let store = store();
    store.install(MIDDLE);
    let built_at = Timestamp::from_millis(i64::try_from(sample::BUILT_AT_SECONDS * 1000).unwrap());
    let days = |days: u64| Millis::from_minutes(days * 24 * 60);
    let deadline = || store.listed(MIDDLE).deadline.map(|deadline| deadline.at);
    assert_eq!(deadline(), Some(built_at + days(30)));
    store.versions.note_offer(MIDDLE).unwrap();
    assert_eq!(deadline(), None, "it is the newest");
    store.versions.note_offer(NEW).unwrap();
    let seen = store.clock.now();
    store.clock.advance(Duration::from_hours(24));
    store.versions.note_offer(NEW).unwrap();
    store.versions.note_offer(OLD).unwrap();
    assert_eq!(deadline(), Some(seen + days(30)), "counted from when it was first seen");
    let asked_at = store.clock.now();
    let answer =
        DeprecationAnswer { asked_at, registration_ends_at: Some(seen + days(9)), use_ends_at: Some(seen + days(12)) };
    store.versions.note_answer(MIDDLE, answer).unwrap();
    assert_eq!(deadline(), Some(seen + days(9)));
}

#[test]
fn the_configured_archive_is_installed_once() {
    let archives = tempfile::tempdir().unwrap();
    let (path, sum) = sample::file(archives.path(), NEW);
    let store = store_with(|file| {
        file.archive = Some(path);
        file.sha256 = Some(sum.to_string());
    });
    assert_eq!(store.versions.install_configured().unwrap(), Some(Installed::New(NEW)));
    assert_eq!(store.versions.install_configured().unwrap(), None);
    assert_eq!(store_with(|_| {}).versions.install_configured().unwrap(), None);
}

#[test]
fn a_damaged_book_is_named_and_nothing_is_changed() {
    let store = store();
    store.install(NEW);
    fs::write(store.versions.layout.book(), "garbage").unwrap();
    for error in [store.versions.take().unwrap_err(), store.versions.pin(Some(NEW)).unwrap_err()] {
        assert!(error.to_string().contains("book.json"), "{error}");
    }
    assert_eq!(fs::read(store.versions.layout.book()).unwrap(), b"garbage");
}

#[test]
fn files_that_are_no_versions_are_nobodys() {
    let store = store();
    store.install(NEW);
    File::create(store.versions.layout.versions().join("2.999.0")).unwrap();
    fs::create_dir(store.versions.layout.versions().join("latest")).unwrap();
    assert_eq!(store.installed(), [NEW]);
    assert_eq!(store.current(), NEW);
}

mod downloaded {
    use hearth_daemon::stop::Stop;
    use hearth_daemon::tasks::Tasks;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::super::download::{Downloads, Offered, Progress};
    use super::*;

    /// An offer of `bytes` from a server that lives as long as the runtime of the test.
    async fn offered(bytes: Vec<u8>, sha256: Option<Sha256>) -> Offered {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/runner?signature=hidden", listener.local_addr().unwrap());
        Tasks::new(Stop::default()).spawn("server", async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let _head = connection.read(&mut [0; 4096]).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len());
                let _gone = connection.write_all(&[head.as_bytes(), &bytes].concat()).await;
            }
        });
        Offered { name: sample::name(NEW), url, token: None, sha256 }
    }

    async fn install(store: &Store, offered: &Offered) -> Result<Installed, InstallError> {
        let downloads = Downloads::new(reqwest::Client::builder().no_proxy().build().unwrap());
        let mut heard = Vec::new();
        store.versions.install_offered(offered, &downloads, &mut |step: Progress| heard.push(step)).await
    }

    #[tokio::test]
    async fn an_offer_is_installed_and_its_source_is_remembered_without_secrets() {
        let (store, bytes) = (store(), sample::archive(NEW));
        let sum = Sha256::of(&bytes[..]).unwrap();
        let offered = offered(bytes, Some(sum)).await;
        assert_eq!(install(&store, &offered).await.unwrap(), Installed::New(NEW));
        assert_eq!(install(&store, &offered).await.unwrap(), Installed::AlreadyThere(NEW));
        assert!(store.is_clean());
        let source = store.listed(NEW).source;
        assert!(source.starts_with("http://127.0.0.1") && !source.contains("hidden"), "{source}");
    }

    #[tokio::test]
    async fn an_offer_without_a_checksum_needs_one_from_the_operator() {
        let bytes = sample::archive(NEW);
        let sum = Sha256::of(&bytes[..]).unwrap();
        let offered = offered(bytes, None).await;
        let store = store();
        assert!(matches!(install(&store, &offered).await, Err(InstallError::NoChecksum { .. })));
        let pinned = store_with(|file| file.sha256 = Some(sum.to_string()));
        assert_eq!(install(&pinned, &offered).await.unwrap(), Installed::New(NEW));
        let wanted = Sha256::of(&b"another"[..]).unwrap();
        let other = store_with(|file| file.sha256 = Some(wanted.to_string()));
        assert!(matches!(install(&other, &offered).await, Err(InstallError::Checksum { .. })));
        let offered = Offered { sha256: Some(sum), ..offered };
        assert!(matches!(install(&other, &offered).await, Err(InstallError::NotWanted { .. })));
        assert!(other.is_clean() && other.installed().is_empty());
    }

    #[tokio::test]
    async fn a_download_that_fails_leaves_nothing_behind() {
        let store = store();
        let wrong = Sha256::of(&b"another"[..]).unwrap();
        let changed = offered(sample::archive(NEW), Some(wrong)).await;
        assert!(matches!(install(&store, &changed).await, Err(InstallError::Checksum { .. })));
        assert!(store.is_clean());
        let nowhere = Offered { url: "http://127.0.0.1:1/runner".to_owned(), ..changed };
        assert!(matches!(install(&store, &nowhere).await, Err(InstallError::Download { .. })));
        assert!(store.is_clean() && store.installed().is_empty());
        assert!(store.versions.lock_installations().is_ok(), "the next one may begin");
    }
}
