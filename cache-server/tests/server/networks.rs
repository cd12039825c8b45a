//! Two nodes and an object store, each in a network namespace of its own: the link is slow, loses packets, is cut; the
//! store is killed, a node is killed; everything comes back. What the clients on both sides saw stands in a table.

use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hearth_trust::Token;

use crate::environment::{python_with, skip};
use crate::http;
use crate::upstream::write_secret;
use crate::world::{PATIENCE, Server, UNTROUBLED, World, until};

/// What a read may take by the node's own limit, and what a busy machine may add.
const LONGEST: Duration = Duration::from_secs(3);
const SIZE: usize = 60_000;
const STORE: (&str, &str) = ("store", "10.213.7.1");
const A: (&str, &str) = ("a", "10.213.7.2");
const B: (&str, &str) = ("b", "10.213.7.3");

/// Runs `ip` or `tc`, for networks of this test's own.
#[track_caller]
fn run(words: &str) {
    assert!(can(words), "{words}");
}

fn can(words: &str) -> bool {
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A switch in a namespace of its own, with the three on it; all of it goes with the test.
struct Net {
    name: String,
}

impl Net {
    /// None where namespaces cannot be made.
    fn new() -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let net = Self { name: format!("hearth{}n{number}", std::process::id()) };
        if !can(&format!("ip netns add {}", net.of("switch"))) {
            return None;
        }
        let switch = net.of("switch");
        run(&format!("ip -n {switch} link add hub type bridge"));
        run(&format!("ip -n {switch} link set hub up"));
        for (place, address) in [STORE, A, B] {
            let own = net.of(place);
            run(&format!("ip netns add {own}"));
            run(&format!("ip -n {own} link set lo up"));
            run(&format!("ip -n {switch} link add to-{place} type veth peer name net netns {own}"));
            run(&format!("ip -n {switch} link set to-{place} master hub up"));
            run(&format!("ip -n {own} address add {address}/24 dev net"));
            run(&format!("ip -n {own} link set net up"));
        }
        Some(net)
    }

    fn of(&self, place: &str) -> String {
        format!("{}-{place}", self.name)
    }

    fn cut(&self, place: &str) {
        run(&format!("ip -n {} link set to-{place} down", self.of("switch")));
    }

    fn mend(&self, place: &str) {
        run(&format!("ip -n {} link set to-{place} up", self.of("switch")));
    }

    /// Shapes what goes to the place; false where the system has no such means.
    fn shape(&self, place: &str, how: &str) -> bool {
        can(&format!("tc -n {} qdisc replace dev to-{place} root {how}", self.of("switch")))
    }

    /// How many packets that were to go to the place its shaping has thrown away, and how many it was given.
    fn lost(&self, place: &str) -> (u64, u64) {
        let mut tc = Command::new("tc");
        tc.args(["-n", &self.of("switch"), "-s", "-j", "qdisc", "show", "dev", &format!("to-{place}")]);
        let told: serde_json::Value = serde_json::from_slice(&tc.output().unwrap().stdout).unwrap();
        let count = |what: &str| told[0][what].as_u64().unwrap();
        (count("drops"), count("drops") + count("packets"))
    }

    fn unshape(&self, place: &str) {
        run(&format!("tc -n {} qdisc del dev to-{place} root", self.of("switch")));
    }

    /// A server of the world in the place.
    fn serve(&self, world: &World, (place, address): (&str, &str)) -> Server {
        let listen = format!("{address}:8900");
        let inner = world.command(&["serve", "--admin", "127.0.0.1:0", "--listen", &listen]);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.of(place)]).arg(inner.get_program()).args(inner.get_args());
        command.stdin(Stdio::null());
        world.start(command)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for place in ["switch", STORE.0, A.0, B.0] {
            can(&format!("ip netns del {}", self.of(place)));
        }
    }
}

/// What one side's clients saw in one phase.
#[derive(Default)]
struct Seen {
    hits: u32,
    misses: u32,
    stored: u32,
    errors: u32,
    wrong: u32,
    took: Vec<Duration>,
}

/// One side: its node's directory, reached over a Unix socket, which no link concerns.
struct Side {
    world: World,
    token: Token,
    seen: Seen,
}

fn path(n: u32) -> String {
    format!("/objects/{n:064x}")
}

fn body(n: u32) -> Vec<u8> {
    (0..SIZE).map(|i| u8::try_from((i * 31 + n as usize * 7 + i / 251) % 256).unwrap()).collect()
}

impl Side {
    fn socket(&self) -> PathBuf {
        self.world.path("socket")
    }

    fn ask(&mut self, method: &str, n: u32, body: &[u8]) -> http::Answer {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let began = Instant::now();
        let answer = http::ask(stream, method, &path(n), Some(self.token.expose()), body);
        self.seen.took.push(began.elapsed());
        answer
    }

    fn put(&mut self, n: u32) {
        match self.ask("PUT", n, &body(n)).status {
            201 => self.seen.stored += 1,
            _ => self.seen.errors += 1,
        }
    }

    /// Whether it has the object.
    fn get(&mut self, n: u32) -> bool {
        let answer = self.ask("GET", n, b"");
        match answer.status {
            200 if answer.body == body(n) => self.seen.hits += 1,
            // Broken off: the client sees it by the length that was said.
            200 if body(n).starts_with(&answer.body) => self.seen.misses += 1,
            200 => self.seen.wrong += 1,
            404 => self.seen.misses += 1,
            _ => self.seen.errors += 1,
        }
        answer.status == 200 && answer.body == body(n)
    }

    /// Asks for what may be there or not.
    fn looks(&mut self, n: u32) {
        let _either_way = self.get(n);
    }

    /// Asks until it has them all; the last asking counts.
    #[track_caller]
    fn gets_all(&mut self, what: &str, wanted: std::ops::Range<u32>) {
        for n in wanted {
            until(&format!("{what}: {n} has come"), || self.get(n));
        }
    }
}

#[derive(Default)]
struct Table(String);

impl Table {
    #[track_caller]
    fn row(&mut self, phase: &str, sides: [(&str, &mut Side); 2]) {
        for (name, side) in sides {
            let mut seen = std::mem::take(&mut side.seen);
            seen.took.sort();
            let at = |part: usize| seen.took[(seen.took.len() - 1) * part / 100].as_millis();
            let Seen { hits, misses, stored, errors, wrong, .. } = seen;
            let row = format!(
                "| {phase} | {name} | {stored} | {hits} | {misses} | {errors} | {wrong} | {} | {} | {} |",
                at(50),
                at(99),
                at(100)
            );
            writeln!(self.0, "{row}").unwrap();
            assert_eq!((errors, wrong), (0, 0), "{row}");
            assert!(at(100) <= LONGEST.as_millis(), "{row}");
        }
    }

    #[expect(clippy::print_stdout, reason = "a person who runs this wants the figures")]
    fn print(&self) {
        println!("| | side | stored | hits | misses | errors | wrong | p50 ms | p99 ms | max ms |\n{}", self.0);
    }
}

/// The store, and the S3 credentials of its only client.
fn store(net: &Net) -> (World, Server, String, String) {
    let world = World::new();
    let socket = world.path("socket");
    world.configure(&format!("{UNTROUBLED}[socket]\npath = {:?}\n", socket.display().to_string()));
    let server = net.serve(&world, STORE);
    let realm = ["--realm=github.com/acme/fleet", "--reads=trusted", "--writes=trusted", "--json"];
    let made = world.printed(&[&["token", "new", "nodes", "--kind=machine"], &realm[..]].concat());
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let bearer = made["token"].as_str().unwrap();
    until("the store knows the token", || {
        let stream = UnixStream::connect(&socket).unwrap();
        http::ask(stream, "PUT", &path(0), Some(bearer), b"x").status == 201
    });
    let text = |name: &str| made["s3"][name].as_str().unwrap().to_owned();
    (world, server, text("access_key_id"), text("secret_access_key"))
}

fn side(key: &Path, id: &str, secret: &str, token: &Token) -> Side {
    let world = World::new();
    write_secret(&world, "s3.secret", secret);
    let quoted = |path: PathBuf| format!("{:?}", path.display().to_string());
    world.configure(&format!(
        "key_file = {}\n[log]\nfilter = \"debug,hyper=info\"\n[socket]\npath = {}\n[store]\nfree_reserve = \"0B\"\n\
         [upstream]\nabsent = \"1ms\"\nwrite = \"5s\"\nbreaker_pause = \"200ms\"\n\
         s3 = {{ bucket = \"fleet\", prefix = \"x\", endpoint = \"http://{}:8900\", access_key_id = {id:?}, \
         secret_access_key_file = {} }}\n",
        quoted(key.to_owned()),
        quoted(world.path("socket")),
        STORE.1,
        quoted(world.path("s3.secret")),
    ));
    Side { world, token: token.clone(), seen: Seen::default() }
}

#[test]
fn two_nodes_and_a_store_part_and_meet_again() {
    let Some(net) = Net::new() else { return skip("network namespaces cannot be made: not root, or no `ip`") };
    let (store_world, mut store, id, secret) = store(&net);
    let token = store.trusted();
    let key = store_world.dir().join("token.key");
    let (mut a, mut b) = (side(&key, &id, &secret, &token), side(&key, &id, &secret, &token));
    let mut node_a = net.serve(&a.world, A);
    let _node_b = net.serve(&b.world, B);
    let mut table = Table::default();

    (0..20).for_each(|n| a.put(n));
    (100..120).for_each(|n| b.put(n));
    b.gets_all("together", 0..20);
    a.gets_all("together", 100..120);
    table.row("together", [("a", &mut a), ("b", &mut b)]);

    assert!(net.shape(STORE.0, "tbf rate 4mbit burst 32kb latency 400ms"), "the system shapes no traffic");
    assert!(net.shape(B.0, "tbf rate 4mbit burst 32kb latency 400ms"), "the system shapes no traffic");
    (200..210).for_each(|n| a.put(n));
    (200..210).for_each(|n| b.looks(n));
    b.gets_all("slow", 200..210);
    table.row("a link of 4 Mbit/s", [("a", &mut a), ("b", &mut b)]);
    net.unshape(B.0);
    net.unshape(STORE.0);

    // A queue of four packets: what comes faster is lost, and sent again.
    let short = "tbf rate 20mbit burst 4kb limit 6kb";
    assert!(net.shape(STORE.0, short) && net.shape(B.0, short), "the system shapes no traffic");
    (300..310).for_each(|n| a.put(n));
    (300..310).for_each(|n| b.looks(n));
    b.gets_all("loss", 300..310);
    let (lost, of) =
        [STORE.0, B.0].map(|place| net.lost(place)).into_iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    assert!(lost > 0, "of {of}");
    table.row(&format!("a link that loses packets ({lost} of {of})"), [("a", &mut a), ("b", &mut b)]);
    net.unshape(B.0);
    net.unshape(STORE.0);

    net.cut(A.0);
    (400..420).for_each(|n| a.put(n));
    a.gets_all("its own", 400..420);
    (400..420).for_each(|n| assert!(!b.get(n)));
    (100..120).for_each(|n| assert!(a.get(n), "kept from before"));
    (120..125).for_each(|n| assert!(!a.get(n)));
    table.row("a is cut off", [("a", &mut a), ("b", &mut b)]);

    // Killed while everything of the partition is still to go up.
    node_a.signal("KILL");
    node_a.ended();
    node_a = net.serve(&a.world, A);
    net.mend(A.0);
    b.gets_all("back", 400..420);
    a.gets_all("back", 400..420);
    table.row("a was killed and is back", [("a", &mut a), ("b", &mut b)]);

    store.signal("KILL");
    store.ended();
    (500..510).for_each(|n| a.put(n));
    (500..510).for_each(|n| assert!(!b.get(n)));
    (0..20).for_each(|n| assert!(b.get(n), "kept"));
    table.row("the store is killed", [("a", &mut a), ("b", &mut b)]);
    let _store = net.serve(&store_world, STORE);
    b.gets_all("the store is back", 500..510);
    a.gets_all("the store is back", 500..510);
    table.row("the store is back", [("a", &mut a), ("b", &mut b)]);
    table.print();
    assert!(node_a.is_running());
    for side in [&a, &b] {
        let log = side.world.log();
        assert!(log.contains("DEBUG") && !log.contains(&secret), "the store's secret is in the log");
    }
}

/// moto, an S3 of another make, which keeps everything in memory.
struct Moto(Child);

impl Moto {
    fn start(net: &Net, python: &Path) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &net.of(STORE.0)]).arg(python);
        command.args(["-m", "moto.server", "--host", STORE.1, "--port", "8900"]);
        let moto = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let bucket = format!("ip netns exec {} curl -sf -X PUT http://{}:8900/fleet", net.of(STORE.0), STORE.1);
        until("moto has a bucket", || can(&bucket));
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_store_of_another_make_is_lost_and_comes_back_empty() {
    let Some(python) = python_with("moto.server") else {
        return skip("there is no Python with moto; HEARTH_TEST_PYTHON can name one");
    };
    let Some(net) = Net::new() else { return skip("network namespaces cannot be made: not root, or no `ip`") };
    let keys = World::new();
    let token = keys.serve().trusted();
    let key = keys.dir().join("token.key");
    let (mut a, mut b) = (side(&key, "anybody", "anything", &token), side(&key, "anybody", "anything", &token));
    let (_node_a, _node_b) = (net.serve(&a.world, A), net.serve(&b.world, B));
    let mut table = Table::default();

    let moto = Moto::start(&net, &python);
    (0..10).for_each(|n| a.put(n));
    (100..110).for_each(|n| b.put(n));
    b.gets_all("together", 0..10);
    a.gets_all("together", 100..110);
    table.row("together", [("a", &mut a), ("b", &mut b)]);

    drop(moto);
    (200..210).for_each(|n| a.put(n));
    (200..210).for_each(|n| assert!(!b.get(n)));
    (0..10).for_each(|n| assert!(b.get(n), "kept"));
    table.row("the store is gone", [("a", &mut a), ("b", &mut b)]);

    let _moto = Moto::start(&net, &python);
    b.gets_all("the store is back", 200..210);
    a.gets_all("the store is back", 200..210);
    table.row("the store is back, empty", [("a", &mut a), ("b", &mut b)]);
    table.print();
}
