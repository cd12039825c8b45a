//! Many small objects: how fast they come in, what they cost in memory, how soon a restart serves, what a read takes
//! while others write and eviction works. A small run holds what must hold; the big one prints the figures of
//! `docs/performance.md`: `cargo test --release -p hearth-cache-server --lib million -- --ignored --nocapture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hearth_model::Bytes;
use tokio::task::JoinSet;

use crate::appender::Filed;
use crate::eviction::keep_house;
use crate::keys::Address;
use crate::reads::Part;
use crate::testing::{Shed, body, plain};
use crate::upkeep::{keep_synced, look_after};

const SIZE: usize = 4096;
/// Requests under way at a time.
const CLIENTS: u64 = 16;

#[derive(Debug)]
#[expect(dead_code, reason = "they are printed")]
struct Figures {
    stored_per_second: f64,
    stored_per_second_while_evicting: f64,
    resident_bytes_each: f64,
    on_disk_each: f64,
    restart: Duration,
    /// The log alone, without an index to fill.
    reading: Duration,
    first_byte: Duration,
    read: Latencies,
    write_while_evicting: Latencies,
    read_while_evicting: Latencies,
    declined: u64,
    evicted: u64,
}

#[derive(Debug)]
#[expect(dead_code, reason = "they are printed")]
struct Latencies {
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Latencies {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |share: usize| all[(all.len() * share / 100).min(all.len() - 1)];
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// An object's address, like sccache's.
fn address(n: u64) -> Address {
    let hex = blake3::hash(&n.to_le_bytes()).to_hex();
    plain(n % 7, &format!("{}/{}/{}/{hex}", &hex[..1], &hex[1..2], &hex[2..3]))
}

/// Does `work` for all of these numbers, some at a time, and says how long each took.
async fn drive<F>(numbers: std::ops::Range<u64>, work: impl Fn(u64) -> F + Send + Sync + 'static) -> Vec<Duration>
where
    F: Future<Output = ()> + Send + 'static,
{
    let work = Arc::new(work);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (work, numbers) = (Arc::clone(&work), numbers.clone());
        clients.spawn(async move {
            let mut all = Vec::new();
            for n in numbers.skip(usize::try_from(client).unwrap()).step_by(usize::try_from(CLIENTS).unwrap()) {
                let began = Instant::now();
                work(n).await;
                all.push(began.elapsed());
            }
            all
        });
    }
    clients.join_all().await.concat()
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

async fn run(count: u64) -> Figures {
    let shed = Arc::new(Shed::with(|config| config.budget = Bytes::gib(16)).await);
    let before = resident();
    let began = Instant::now();
    let on = Arc::clone(&shed);
    let put = move |n| {
        let on = Arc::clone(&on);
        async move { assert_eq!(on.put(&address(n), &body(n, SIZE)).await, Ok(Filed::New)) }
    };
    drive(0..count, put).await;
    let took = began.elapsed();
    let resident_bytes_each = resident().saturating_sub(before) as f64 / count as f64;
    let taken = shed.store.book.shelf.on_disk();
    let shed = Arc::into_inner(shed).expect("nobody else is left");

    shed.store.finish().await;
    let began = Instant::now();
    // So little room that what comes next pushes others out.
    let shed = shed.reopen(|config| config.budget = Bytes(taken / 100 * 104)).await;
    let restart = began.elapsed();
    assert_eq!(shed.get(&address(count / 2), Part::Whole).await, Some(body(count / 2, SIZE)));
    let first_byte = began.elapsed();
    let reading = {
        let began = Instant::now();
        let mut bytes = 0;
        shed.store.book.logs.read_all(|fact| bytes += std::mem::size_of_val(&fact)).unwrap();
        assert!(bytes > 0);
        began.elapsed()
    };
    assert_eq!(shed.store.book.index.objects(), count);

    let shed = Arc::new(shed);
    let get = |shed: &Arc<Shed>, pick: fn(u64, u64) -> u64| {
        let on = Arc::clone(shed);
        move |n| {
            let on = Arc::clone(&on);
            async move {
                let n = pick(n, count);
                let read = on.get(&address(n), Part::Whole).await;
                assert!(read.is_none_or(|read| read == body(n, SIZE)), "wrong bytes of {n}");
            }
        }
    };
    let scattered = |n: u64, count: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
    let read = Latencies::of(drive(0..count / 5, get(&shed, scattered)).await);

    let mut upkeep = JoinSet::new();
    upkeep.spawn(look_after(Arc::clone(&shed.store)));
    upkeep.spawn(keep_synced(Arc::clone(&shed.store)));
    upkeep.spawn(keep_house(Arc::clone(&shed.store)));
    let declined = Arc::new(AtomicU64::new(0));
    let put = {
        let (shed, declined) = (Arc::clone(&shed), Arc::clone(&declined));
        move |n| {
            let (shed, declined) = (Arc::clone(&shed), Arc::clone(&declined));
            async move {
                // A client goes on compiling, which takes longer than this.
                while shed.put(&address(n), &body(n, SIZE)).await.is_err() {
                    declined.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    };
    let evicting = Instant::now();
    let (writes, reads) =
        tokio::join!(drive(count..count + count / 4, put), drive(0..count / 5, get(&shed, scattered)));
    let evicting = evicting.elapsed();
    upkeep.shutdown().await;
    Figures {
        stored_per_second_while_evicting: (count / 4) as f64 / evicting.as_secs_f64(),
        stored_per_second: count as f64 / took.as_secs_f64(),
        resident_bytes_each,
        on_disk_each: taken as f64 / count as f64,
        restart,
        reading,
        first_byte,
        read,
        write_while_evicting: Latencies::of(writes),
        read_while_evicting: Latencies::of(reads),
        declined: declined.load(Ordering::Relaxed),
        evicted: shed.store.counts.evictions.objects(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_objects_come_and_go() {
    let figures = run(20_000).await;
    assert!(figures.evicted > 2_000, "{figures:?}");
    assert!(figures.on_disk_each < 4_500.0, "{figures:?}");
    assert!(figures.first_byte < Duration::from_secs(10), "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and eight gigabytes of disk; prints figures"]
async fn a_million_small_objects() {
    println!("{:#?}", run(1_000_000).await);
}
