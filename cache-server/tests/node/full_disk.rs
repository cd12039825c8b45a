//! A disk without room: writes are declined at once, reads go on, and what was half written is gone.

use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_model::{Bytes, ManualClock};
use tempfile::TempDir;

use crate::environment::skip;
use crate::raw::Raw;
use crate::world::{NOW, World, body, key, trusted};

/// A file system of 4 MiB, unmounted when dropped.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { dir }),
            _ => {
                skip("a small file system cannot be mounted here");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_declines_writes_and_goes_on_reading() {
    let Some(disk) = SmallDisk::mount() else { return };
    let world = World::at(&disk.path().join("cache"), ManualClock::at(NOW), |_| {}).await;
    assert_eq!(world.put(&key(1), &trusted(), &body(1, 500_000)).await, 201);
    let filler = disk.fill();
    // More than removing everything would make room for, so nothing is removed.
    assert_eq!(world.put(&key(2), &trusted(), &body(2, 900_000)).await, 507);
    world.get(&key(1), &trusted()).await.is(&body(1, 500_000), "read back");
    assert!(world.unfinished().is_empty());
    std::fs::remove_file(filler).unwrap();
    assert_eq!(world.put(&key(2), &trusted(), &body(2, 900_000)).await, 201);
    assert_eq!(world.node.status().evicted, 0);
    world.stop().await;
}

#[tokio::test]
async fn on_a_full_disk_old_objects_make_room_for_the_next_write() {
    let Some(disk) = SmallDisk::mount() else { return };
    let world = World::at(&disk.path().join("cache"), ManualClock::at(NOW), |_| {}).await;
    world.settled().await;
    assert_eq!(world.put(&key(1), &trusted(), &body(1, 500_000)).await, 201);
    disk.fill();
    assert_eq!(world.put(&key(2), &trusted(), &body(2, 400_000)).await, 507);
    world.until(|status| status.evicted == 1).await;
    assert_eq!(world.put(&key(2), &trusted(), &body(2, 400_000)).await, 201);
    world.stop().await;
}

#[tokio::test]
async fn a_disk_that_fills_up_during_a_write_declines_it() {
    let Some(disk) = SmallDisk::mount() else { return };
    let world = World::at(&disk.path().join("cache"), ManualClock::at(NOW), |_| {}).await;
    let sent = body(1, 2_000_000);
    let token = trusted();
    let mut raw = Raw::connect(&world.address).await;
    let head = format!(
        "PUT /{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 2000000\r\n\r\n",
        key(1),
        token.expose()
    );
    raw.send(head.as_bytes()).await;
    raw.send(&sent[..400_000]).await;
    world.until(|status| status.bytes > Bytes(2_000_000)).await;
    disk.fill();
    raw.send(&sent[400_000..]).await;
    assert_eq!(raw.status().await, Some(507));
    assert!(world.unfinished().is_empty() && world.objects() == 0);
    assert_eq!(world.get(&key(1), &token).await.status, 404);
    world.stop().await;
}

#[tokio::test]
async fn the_reserve_is_left_to_others() {
    let world = World::with(|config| config.free_reserve = Bytes(u64::MAX)).await;
    assert_eq!(world.put(&key(1), &trusted(), b"object").await, 507);
    assert_eq!(world.put(".sccache_check", &trusted(), b"Hello, World!").await, 201);
    assert_eq!(world.node.status().objects, 0);
    world.stop().await;
}
