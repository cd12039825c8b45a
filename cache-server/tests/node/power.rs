//! The power goes while a node takes objects. The file system of the node's directory is shut down without a chance to
//! write anything more, and mounted again: what had not reached the disk is gone, as after a real cut. No wrong byte is
//! ever served, and what the durability promised is there.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hearth_cache_server::{Durability, NodeConfig};
use hearth_model::{Bytes, ManualClock};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::environment::{on_path, skip};
use crate::world::{NOW, World, body, send, trusted};

const WRITERS: usize = 4;
/// More than all rounds on one file system write: what is evicted to make room is not lost. The file is sparse.
const IMAGE: u64 = 4 << 30;
const ROUNDS_EACH: u64 = 10;
/// A writer's pause between two objects.
const PACE: Duration = Duration::from_millis(10);
/// With `Durability::Batch` objects reach the disk this long after they were stored, and the sync takes its time too.
const SYNC: Duration = Duration::from_millis(20);

/// A file system of its own, that can lose its power. Unmounted when dropped.
struct Disk {
    dir: TempDir,
    /// How often the power has come back.
    times: u32,
}

impl Disk {
    fn make() -> Option<Self> {
        if ["mkfs.xfs", "xfs_io", "losetup"].iter().any(|program| on_path(program).is_none()) {
            skip("there is no mkfs.xfs, xfs_io or losetup");
            return None;
        }
        let disk = Self { dir: tempfile::tempdir().unwrap(), times: 0 };
        std::fs::File::create(disk.image()).unwrap().set_len(IMAGE).unwrap();
        done(Command::new("mkfs.xfs").arg("-q").arg(disk.image())).unwrap();
        match disk.mount() {
            Ok(()) => Some(disk),
            Err(why) => {
                skip(&format!("a file system in a file cannot be mounted here: {why}"));
                None
            }
        }
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join(format!("image-{}", self.times))
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(format!("disk-{}", self.times))
    }

    fn mount(&self) -> Result<(), String> {
        std::fs::create_dir(self.path()).unwrap();
        // A copy has the number of the first one, which somebody may still hold on to.
        done(Command::new("mount").args(["-o", "loop,nouuid"]).arg(self.image()).arg(self.path()))
    }

    /// From here on nothing reaches the disk.
    fn cut(&self) {
        done(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path())).unwrap();
    }

    /// The machine comes up again, with what had reached the disk. A copy of that is mounted: the system keeps a file
    /// system that was shut down as long as anybody on the machine sees the mount, and would give the same one again.
    fn come_back(&mut self) {
        let (image, path) = (self.image(), self.path());
        self.times += 1;
        done(Command::new("cp").arg("--sparse=always").arg(&image).arg(self.image())).unwrap();
        done(Command::new("umount").arg("-l").arg(path)).unwrap();
        std::fs::remove_file(image).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn path(n: u64) -> String {
    format!("power/{n}")
}

fn length(n: u64) -> usize {
    [4096, 300, 70_000, 4096, 300_000, 9000, 4096, 1_000_000][usize::try_from(n % 8).unwrap()]
}

async fn open(root: &Path, durability: Durability) -> World {
    let change = |config: &mut NodeConfig| {
        config.durability = durability;
        config.limits.sync = SYNC;
        // What is slow on a busy machine is not lost.
        config.limits.read = Duration::from_secs(30);
        config.budget = Bytes::gib(4);
        config.memory = Bytes(0);
    };
    let world = World::at(root, ManualClock::at(NOW), change).await;
    world.settled().await;
    world
}

/// What was acknowledged, and when.
type Told = Arc<Mutex<Vec<(u64, Instant)>>>;

/// Stores until told to stop.
async fn write(url: String, next: Arc<AtomicU64>, stop: Arc<AtomicBool>, told: Told) {
    while !stop.load(Ordering::Relaxed) {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let status = send(&url, "PUT", &path(n), trusted().expose(), body(n, length(n))).await.status;
        if status == 201 && !stop.load(Ordering::Relaxed) {
            told.lock().unwrap().push((n, Instant::now()));
        }
        tokio::time::sleep(PACE).await;
    }
}

/// What the cuts have shown.
#[derive(Debug, Default)]
struct Shown {
    /// Objects that had to be there, and were.
    kept: u64,
    /// Others that were there, whole.
    lucky: u64,
    lost: u64,
    /// The longest that an object had been waiting for a sync.
    waited: Duration,
}

/// One cut.
async fn round(disk: &mut Disk, next: &Arc<AtomicU64>, durability: Durability, time: Duration) -> Shown {
    let first = next.load(Ordering::Relaxed);
    let world = open(&disk.path().join("cache"), durability).await;
    let (stop, told) = (Arc::new(AtomicBool::new(false)), Told::default());
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        writers.spawn(write(world.url(), Arc::clone(next), Arc::clone(&stop), Arc::clone(&told)));
    }
    tokio::time::sleep(time).await;
    let mut shown = Shown::default();
    let promised: HashSet<u64> = {
        let now = Instant::now();
        let told = told.lock().unwrap();
        shown.waited = world.node.status().unsynced_for.unwrap_or_default();
        let promised = |at: Instant| match durability {
            Durability::Every => true,
            Durability::Batch => at + shown.waited < now,
            Durability::None => false,
        };
        told.iter().filter(|(_, at)| promised(*at)).map(|(n, _)| *n).collect()
    };
    disk.cut();
    stop.store(true, Ordering::Relaxed);
    while writers.join_next().await.is_some() {}
    world.stop().await;
    disk.come_back();

    let world = open(&disk.path().join("cache"), durability).await;
    for n in first..next.load(Ordering::Relaxed) {
        let answer = world.get(&path(n), &trusted()).await;
        match answer.status {
            200 => assert!(answer.body == body(n, length(n)), "{n}: wrong bytes with {durability:?}"),
            0 | 404 => assert!(!promised.contains(&n), "{n} is lost with {durability:?}"),
            other => unreachable!("{n}: {other}"),
        }
        match answer.status {
            200 if promised.contains(&n) => shown.kept += 1,
            200 => shown.lucky += 1,
            _ => shown.lost += 1,
        }
    }
    world.stop().await;
    shown
}

async fn rounds(count: u64) {
    let (mut all, mut disk) = (Shown::default(), None);
    let next = Arc::new(AtomicU64::new(0));
    for n in 0..count {
        if n % ROUNDS_EACH == 0 {
            drop(disk.take());
            disk = Disk::make();
        }
        let Some(disk) = &mut disk else { return };
        // Any moment will do; it is another one in each round.
        let jitter = Duration::from_millis(n * 97 % 300);
        let (durability, time) = match n % 3 {
            0 => (Durability::Batch, Duration::from_millis(500)),
            1 => (Durability::Every, Duration::from_millis(200)),
            _ => (Durability::None, Duration::from_millis(100)),
        };
        let shown = round(disk, &next, durability, time + jitter).await;
        all.kept += shown.kept;
        all.lucky += shown.lucky;
        all.lost += shown.lost;
        all.waited = all.waited.max(shown.waited);
    }
    #[expect(clippy::print_stdout, reason = "what was shown, for people")]
    {
        println!("{all:?}");
    }
    assert!(all.kept > 0, "nothing was promised in time, so nothing was shown");
    assert!(all.lost > 0, "nothing was lost, so no power was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_serves_no_wrong_byte_and_loses_what_was_not_promised() {
    rounds(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_hundred_power_cuts_serve_no_wrong_byte() {
    rounds(100).await;
}
