//! A store against a model of it: whatever happens in whatever order, it gives back what was stored or nothing; and as
//! long as nobody has damaged its files, it gives back everything.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth_model::Bytes;
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::appender::Filed;
use crate::keys::Address;
use crate::reads::Part;
use crate::testing::{Shed, body, plain, reserved};
use crate::upkeep::{Pace, compact, look_after_once};

#[derive(Debug, Clone)]
enum Step {
    Put {
        key: u8,
        length: usize,
        seed: u64,
        known: bool,
    },
    Remove(u8),
    /// Everything that is dead is given back, whatever that takes.
    Compact,
    Tidy,
    Restart,
    /// The process dies. Nothing that was written is lost by that.
    Die,
    /// The power goes, or the disk does: a piece of a file is lost, of the log or of a segment.
    Damage {
        file: prop::sample::Index,
        at: prop::sample::Index,
        harm: Harm,
    },
}

#[derive(Debug, Clone)]
enum Harm {
    CutOff,
    Zeros(usize),
    Flip(u8),
    Remove,
}

fn step() -> impl Strategy<Value = Step> {
    let length =
        prop_oneof![0..600usize, Just(4096), 60_000..70_000usize, 250_000..270_000usize, 500_000..600_000usize];
    let harm = prop_oneof![
        Just(Harm::CutOff),
        (1..20_000usize).prop_map(Harm::Zeros),
        (0..8u8).prop_map(Harm::Flip),
        Just(Harm::Remove),
    ];
    prop_oneof![
        10 => (0..12u8, length, 0..3u64, any::<bool>())
            .prop_map(|(key, length, seed, known)| Step::Put { key, length, seed, known }),
        3 => (0..12u8).prop_map(Step::Remove),
        1 => Just(Step::Compact),
        1 => Just(Step::Tidy),
        1 => Just(Step::Restart),
        1 => Just(Step::Die),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>(), harm)
            .prop_map(|(file, at, harm)| Step::Damage { file, at, harm }),
    ]
}

fn address(key: u8) -> Address {
    if key.is_multiple_of(4) { reserved(1, &format!("k{key}")) } else { plain(u64::from(key % 3), &format!("k{key}")) }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let in_dir = |name: &str| fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = in_dir("segments").chain(in_dir("log")).collect();
    all.sort();
    all
}

fn hurt(path: &Path, at: prop::sample::Index, harm: &Harm) {
    let mut bytes = fs::read(path).unwrap();
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match harm {
        Harm::CutOff => bytes.truncate(at),
        Harm::Zeros(length) => {
            let end = bytes.len().min(at + length);
            bytes[at..end].fill(0);
        }
        Harm::Flip(bit) => bytes[at] ^= 1 << bit,
        Harm::Remove => return fs::remove_file(path).unwrap(),
    }
    fs::write(path, bytes).unwrap();
}

/// What the store should have.
#[derive(Default)]
struct Model {
    /// What each key holds.
    now: HashMap<u8, Vec<u8>>,
    /// Everything that each key ever held. After damage, an older one of these may be what is left.
    ever: HashMap<u8, Vec<Vec<u8>>>,
    damaged: bool,
}

impl Model {
    fn put(&mut self, key: u8, data: Vec<u8>, filed: Filed) {
        let expected = match self.now.get(&key) {
            None => Filed::New,
            Some(held) if *held == data => Filed::Same,
            Some(_) => Filed::Divergent,
        };
        assert!(self.damaged || filed == expected, "{key}: {filed:?}, not {expected:?}");
        if filed == Filed::New {
            self.ever.entry(key).or_default().push(data.clone());
            self.now.insert(key, data);
        }
    }

    async fn check(&self, shed: &Shed) {
        for key in 0..12 {
            let found = shed.get(&address(key), Part::Whole).await;
            match &found {
                _ if !self.damaged => assert!(found.as_ref() == self.now.get(&key), "{key} is not what was stored"),
                Some(data) => assert!(self.ever[&key].contains(data), "{key} was never stored like this"),
                None => {}
            }
        }
        let (index, objects) = (&shed.store.book.index, shed.store.book.index.objects());
        assert!(self.damaged || objects == self.now.len() as u64);
        let live: u64 = shed.store.book.shelf.all().iter().map(|segment| segment.live()).sum();
        assert_eq!(live, index.bytes().0, "segments and index count the same records");
        let mut listed = 0;
        shed.store.scan(&crate::catalog::Filter::default(), |_| listed += 1).unwrap();
        assert_eq!(listed, objects, "what is there is listed");
    }
}

async fn follow(steps: Vec<Step>) {
    let mut shed = Shed::new().await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Put { key, length, seed, known } => {
                let data = body(seed + 10 * u64::from(key), length);
                let filed = shed.put_as(1, &address(key), known.then_some(length as u64), &data).await.unwrap();
                model.put(key, data, filed);
            }
            Step::Remove(key) => {
                let (on, name) = (Arc::clone(&shed.store), address(key).name());
                let removed = tokio::task::spawn_blocking(move || on.remove(name)).await.unwrap();
                assert!(model.damaged || removed == model.now.contains_key(&key));
                model.now.remove(&key);
            }
            Step::Compact => compact(&shed.store, Pace::Urgent, |_| true).await,
            Step::Tidy => look_after_once(&shed.store).await,
            Step::Restart => shed = shed.restart(|_| {}).await,
            Step::Die => shed = shed.reopen(|_| {}).await,
            Step::Damage { file, at, harm } => {
                let damage = |root: &Path| {
                    let all = files(root);
                    if !all.is_empty() {
                        hurt(&all[file.index(all.len())], at, &harm);
                    }
                };
                shed = shed.reopen_after(damage, |_| {}).await;
                model.damaged = true;
            }
        }
    }
    model.check(&shed).await;
    shed = shed.restart(|_| {}).await;
    model.check(&shed).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_store_gives_back_what_was_stored_or_nothing(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(follow(steps));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_while_records_are_moved_misses_nothing() {
    const OBJECTS: u64 = 60;
    let address = |n: u64| plain(0, &format!("moved/{n}"));
    let shed = Arc::new(Shed::with(|config| config.memory = Bytes(0)).await);
    for n in 0..OBJECTS {
        shed.put(&address(n), &body(n, 700_000)).await.unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for reader in 0..4 {
        let (shed, done) = (Arc::clone(&shed), Arc::clone(&done));
        readers.spawn(async move {
            let mut n = reader;
            while !done.load(Ordering::Relaxed) {
                n = (n + 7) % OBJECTS;
                assert!(shed.get(&address(n), Part::Whole).await == Some(body(n, 700_000)), "{n} was missed");
            }
        });
    }
    let slots = shed.store.book.shelf.slots();
    for _ in 0..10 {
        compact(&shed.store, Pace::Urgent, |_| true).await;
    }
    assert!(shed.store.book.shelf.slots() > slots + 10, "little was moved");
    done.store(true, Ordering::Relaxed);
    readers.join_all().await;
}
