//! Asks a cache server for objects, or gives it some, over a number of connections for a while, and prints one line of
//! JSON: how many, how fast, and what it cost this client, so that a client that was the limit can be told.
//! `tests/benches/cache.py` runs it against several servers; it is of no use to a job.

mod objects;
mod wire;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use hearth_host::clock::SystemClock;
use hearth_model::{Clock, ExecutionId, Millis, Scope};
use hearth_trust::{Claims, Class, Signer, Token};
use objects::{Objects, digits, key};
use tokio::task::{JoinSet, LocalSet};
use wire::{Connection, Ping, Protocol};

#[derive(Parser)]
struct Arguments {
    what: What,
    #[arg(long, value_enum)]
    protocol: Dialect,
    #[arg(long)]
    address: String,
    /// The file with the key of a Hearth server: every request carries the token of a job that may read and write the
    /// trusted scope.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Bytes of each object.
    #[arg(long)]
    size: usize,
    /// The number of the first object.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many objects there are to read or to check; a write stops there as well.
    #[arg(long)]
    objects: u64,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Read objects, over and over.
    Get,
    /// Store each object once.
    Put,
    /// Read each object once and compare it with what was stored.
    Check,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dialect {
    Http,
    Redis,
    /// With a `PING` before each command.
    RedisPing,
}

/// What all connections of a run share.
struct Run {
    what: What,
    objects: Objects,
    first: u64,
    count: u64,
    next: Cell<u64>,
    until: Instant,
}

#[derive(Default)]
struct Seen {
    took_ns: Vec<u64>,
    refused: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let protocol = protocol(&arguments)?;
    let objects = Objects::new(arguments.size).context("so short an object cannot be a zip")?;
    ensure!(arguments.objects > 0 && arguments.connections > 0, "no object or no connection is nothing to measure");
    let mut connections = Vec::new();
    for _ in 0..arguments.connections {
        connections.push(Connection::open(&arguments.address, protocol.clone()).await?);
    }
    let run = Run {
        what: arguments.what,
        objects,
        first: arguments.first,
        count: arguments.objects,
        next: Cell::new(0),
        until: Instant::now() + Duration::from_secs_f64(arguments.seconds),
    };
    LocalSet::new().run_until(measure(Rc::new(run), connections)).await
}

fn protocol(arguments: &Arguments) -> anyhow::Result<Protocol> {
    Ok(match arguments.protocol {
        Dialect::Redis => Protocol::Redis { ping: Ping::Never },
        Dialect::RedisPing => Protocol::Redis { ping: Ping::Before },
        Dialect::Http => {
            let lines = match &arguments.key_file {
                None => String::new(),
                Some(path) => format!("authorization: Bearer {}\r\n", token(path)?.expose()),
            };
            Protocol::Http { lines }
        }
    })
}

fn token(key_file: &Path) -> anyhow::Result<Token> {
    let key = std::fs::read(key_file).with_context(|| format!("cannot read {}", key_file.display()))?;
    let key = key.try_into().ok().with_context(|| format!("{} is not a key of 32 bytes", key_file.display()))?;
    let now = SystemClock::default().now();
    let claims = Claims {
        execution: ExecutionId::new(now),
        run: None,
        repository: "github.com/acme/rocket".to_owned(),
        reads: vec![Scope::Trusted],
        writes: Some(Scope::Trusted),
        expires_at: now + Millis::from_minutes(60),
        quota: None,
        class: Class::Trusted,
    };
    Ok(Signer::from_key(key).sign(&claims))
}

async fn measure(run: Rc<Run>, connections: Vec<Connection>) -> anyhow::Result<()> {
    let (began, cpu_before) = (Instant::now(), cpu_used());
    let mut tasks = JoinSet::new();
    for connection in connections {
        tasks.spawn_local(converse(connection, Rc::clone(&run)));
    }
    let mut seen = Seen::default();
    while let Some(ended) = tasks.join_next().await {
        let one = ended.context("a connection's task failed")??;
        seen.took_ns.extend(one.took_ns);
        seen.refused += one.refused;
    }
    print(&run, seen, began.elapsed(), cpu_used().saturating_sub(cpu_before));
    Ok(())
}

/// Asks until the time or the objects are used up.
async fn converse(mut connection: Connection, run: Rc<Run>) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    loop {
        let turn = run.next.get();
        let began = Instant::now();
        if began >= run.until || (run.what != What::Get && turn >= run.count) {
            return Ok(seen);
        }
        run.next.set(turn + 1);
        let n = run.first + turn % run.count;
        let (key, digits) = (key(n), digits(n));
        let good = match run.what {
            What::Get => connection.get(&key).await? == Some(run.objects.size()),
            What::Put => connection.put(&key, run.objects.parts(&digits)).await?,
            What::Check => connection.fetch(&key).await?.is_some_and(|body| {
                let expected = run.objects.parts(&digits);
                body.iter().eq(expected.iter().flat_map(|part| part.iter()))
            }),
        };
        if good {
            seen.took_ns.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        } else {
            seen.refused += 1;
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn print(run: &Run, mut seen: Seen, took: Duration, cpu: Duration) {
    seen.took_ns.sort_unstable();
    let quantile = |q: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a length")]
        let at = (seen.took_ns.len() as f64 * q) as usize;
        seen.took_ns.get(at.min(seen.took_ns.len().saturating_sub(1))).map_or(0.0, |ns| *ns as f64 / 1000.0)
    };
    let line = serde_json::json!({
        "requests": seen.took_ns.len(),
        "refused": seen.refused,
        "bytes": seen.took_ns.len() * run.objects.size(),
        "seconds": took.as_secs_f64(),
        "p50_us": quantile(0.5),
        "p99_us": quantile(0.99),
        "client_cpu_seconds": cpu.as_secs_f64(),
    });
    println!("{line}");
}

/// Processor time of this process, all threads.
fn cpu_used() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}
