//! Connections by the ten thousand that ask for nothing. The server holds as many as it is allowed to from each address,
//! turns away the rest at once, and serves whoever asks for something as it did before.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::environment::skip;
use crate::process::{Sample, median};
use crate::world::{Server, World, key, until};

/// What one idle connection may cost the server, in KiB of memory.
const MOST_KIB_EACH: u64 = 24;
/// Descriptors for everything else, in the server and here.
const BESIDE: u32 = 1024;
const ASKED: usize = 200;

/// So many addresses, so many connections from each, and so many of those that are let in.
struct Crowd {
    addresses: u8,
    each: u32,
    let_in: u32,
}

impl Crowd {
    fn held(&self) -> u32 {
        u32::from(self.addresses) * self.let_in
    }

    fn all(&self) -> u32 {
        u32::from(self.addresses) * self.each
    }

    /// Connects all of them and keeps them, those that were turned away, too.
    async fn gather(&self, server: &Server) -> Vec<TcpStream> {
        let (to, each) = (server.http().parse().unwrap(), self.each);
        let mut all = JoinSet::new();
        for last in 0..self.addresses {
            all.spawn(async move {
                let mut of_one = Vec::new();
                for _ in 0..each {
                    let socket = TcpSocket::new_v4().unwrap();
                    socket.bind(SocketAddr::from(([127, 0, 1, last], 0))).unwrap();
                    of_one.push(socket.connect(to).await.unwrap());
                }
                of_one
            });
        }
        all.join_all().await.into_iter().flatten().collect()
    }
}

/// Lets process `pid` have so many descriptors; only the superuser may raise that beyond what it was given.
fn allow(pid: u32, descriptors: u32) -> bool {
    let limit = format!("--nofile={descriptors}:{descriptors}");
    let done = Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// How long a stored object takes over a connection of its own: the middle one, and the slowest but one of a hundred.
fn asked(server: &Server) -> (Duration, Duration) {
    let token = server.trusted();
    let mut took: Vec<_> = (0..ASKED)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(server.ask("GET", &key(1), &token, b"").status, 200);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    (took[ASKED / 2], took[ASKED - 1 - ASKED / 100])
}

fn comes(crowd: &Crowd) {
    let (held, all) = (crowd.held(), crowd.all());
    if !allow(std::process::id(), all + BESIDE) {
        return skip("this process may not have the descriptors of a crowd");
    }
    let world = World::new();
    world.configure(&format!(
        "[limits]\nidle = \"10m\"\nhead = \"10m\"\nconnections = {}\nconnections_per_peer = {}\n[store]\nfree_reserve = \"0B\"\n",
        held + BESIDE,
        crowd.let_in
    ));
    let command = world.command(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={0}:{0}", held + 2 * BESIDE)).arg(command.get_program()).args(command.get_args());
    let server = world.start(limited);
    assert_eq!(server.ask("PUT", &key(1), &server.trusted(), &vec![7; 64 * 1024]).status, 201);
    let look = || Sample::take(server.pid(), &world.dir(), 1);
    let _warm = asked(&server);
    let (before, usual) = (look(), asked(&server));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let began = Instant::now();
    let they = runtime.block_on(crowd.gather(&server));
    let refused = || server.metric("cache_refused_connections_total");
    until("the crowd has been seen", || refused() == u64::from(all - held));
    let came_in = began.elapsed();
    let (meanwhile, during) = (asked(&server), look());
    assert_eq!(server.metric("cache_connections"), u64::from(held));
    drop(they);
    until("they are gone", || server.metric("cache_connections") == 0);
    let (after, later) = (look(), asked(&server));

    let each = (during.resident_kib - before.resident_kib) * 1024 / u64::from(held);
    say(&format!(
        "{all} came in {:.1} s, {held} were let in at {each} bytes each; a read of 64 KiB took {usual:?} (p50, p99) before, \
         {meanwhile:?} meanwhile, {later:?} later\nbefore {before}\nduring {during}\nafter  {after}",
        came_in.as_secs_f64()
    ));
    assert!(each <= MOST_KIB_EACH * 1024, "an idle connection costs {each} bytes");
    assert!(after.descriptors <= before.descriptors + 8, "{before}, then {after}");
    // Beside a crowd a read may be slower; it may not stand in a line behind it.
    let most = median([usual.0, later.0].iter().map(|took| u64::try_from(took.as_micros()).unwrap())) * 20;
    assert!(meanwhile.0 < Duration::from_micros(most) + Duration::from_millis(50), "{usual:?}, then {meanwhile:?}");
}

#[expect(clippy::print_stdout, reason = "the figures are what a large crowd is for")]
fn say(line: &str) {
    println!("{line}");
}

/// How long each of so many took from its first packet until it was told that there is no place, some at a time; and how
/// long a client that had come before took for a read, before and meanwhile.
fn turned_away(attempts: usize, at_a_time: usize) -> (Vec<Duration>, Duration, Duration) {
    const PLACES: usize = 8;
    let world = World::new();
    world.configure(&format!(
        "[limits]\nread = \"1m\"\nwrite = \"1m\"\nconnections_per_peer = {PLACES}\n[store]\nfree_reserve = \"0B\"\n"
    ));
    let server = world.serve();
    let token = server.trusted();
    assert_eq!(server.ask("PUT", &key(1), &token, &vec![7; 64 * 1024]).status, 201);
    let mut early = server.connect();
    let request = format!("GET {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", key(1), token.expose());
    // As long as the first answer is.
    let closing = server.ask("GET", &key(1), &token, b"");
    let mut answer = vec![0; closing.head.replace("connection: close\r\n", "").len() + 4 + closing.body.len()];
    let mut reads = |count: usize| {
        let took = (0..count).map(|_| {
            let began = Instant::now();
            early.write_all(request.as_bytes()).unwrap();
            early.read_exact(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&[7; 1024]));
            began.elapsed()
        });
        let mut took: Vec<_> = took.collect();
        took.sort_unstable();
        took[count / 2]
    };
    let before = reads(ASKED);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let to: SocketAddr = server.http().parse().unwrap();
    let held: Vec<_> = (1..PLACES).map(|_| server.connect()).collect();
    let crowd = runtime.spawn(async move {
        let (mut took, mut under_way) = (Vec::new(), JoinSet::new());
        for _ in 0..attempts {
            if under_way.len() == at_a_time {
                took.extend(under_way.join_next().await.unwrap());
            }
            under_way.spawn(async move {
                let began = Instant::now();
                let mut stream = TcpStream::connect(to).await.unwrap();
                // Closed, by whatever word.
                assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
                began.elapsed()
            });
        }
        took.extend(under_way.join_all().await);
        took
    });
    let meanwhile = reads(ASKED);
    let mut took = runtime.block_on(crowd).unwrap();
    took.sort_unstable();
    drop(held);
    (took, before, meanwhile)
}

fn are_turned_away(attempts: usize, at_a_time: usize) {
    let (took, before, meanwhile) = turned_away(attempts, at_a_time);
    let longest = *took.last().unwrap();
    say(&format!(
        "{attempts} attempts, {at_a_time} at a time: p50 {:?}, longest {longest:?}; a read took {before:?} before and \
         {meanwhile:?} meanwhile",
        took[attempts / 2]
    ));
    // Whose first packet is dropped sends it again after a second.
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert!(meanwhile < before * 20 + Duration::from_millis(50), "{before:?}, then {meanwhile:?}");
}

#[test]
fn who_is_one_too_many_is_told_so_at_once() {
    are_turned_away(3000, 600);
}

#[test]
#[ignore = "the same with more of them"]
fn twenty_thousand_who_are_too_many_are_told_so_at_once() {
    are_turned_away(20_000, 900);
}

#[test]
fn a_crowd_that_asks_for_nothing_keeps_nobody_waiting() {
    comes(&Crowd { addresses: 5, each: 600, let_in: 200 });
}

#[test]
#[ignore = "takes a minute, and descriptors that only the superuser can give; the small crowd is the same with less"]
fn a_crowd_of_a_hundred_thousand_keeps_nobody_waiting() {
    comes(&Crowd { addresses: 20, each: 5000, let_in: 900 });
}
