//! A server in a directory of its own, on ports of its own.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use hearth_model::{ExecutionId, Millis, Scope, Timestamp};
use hearth_trust::{Claims, Class, Signer, Token};
use tempfile::TempDir;

use crate::environment;
use crate::http::{self, Answer};

/// Longer than anything takes here on a machine that is busy with other builds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// An instant that no test lives to see.
const LATER: Timestamp = Timestamp::from_millis(4_000_000_000_000);
/// A busy machine, or a full one, is no reason to decline anything, unless a test is about that.
pub(crate) const UNTROUBLED: &str = "[limits]\nread = \"1m\"\nwrite = \"1m\"\n[store]\nfree_reserve = \"0B\"\n";
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A directory for a server, its configuration, and everything that a test puts beside them.
pub(crate) struct World {
    place: TempDir,
    dir: PathBuf,
}

/// A server that runs. It is killed when the test ends.
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
    pub(crate) said: serde_json::Value,
}

impl World {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let world = Self { dir: place.path().join("dir"), place };
        world.configure(UNTROUBLED);
        world
    }

    /// One whose server has its directory elsewhere.
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self { dir, ..Self::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.clone()
    }

    /// Writes the configuration file that [`World::command`] names.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.path("server.toml"), text).unwrap();
    }

    /// The program with this world's directory and configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth-cache-server"));
        command.env_clear().envs(environment::bare()).env("HOME", self.place.path());
        command.arg("--dir").arg(self.dir());
        command.arg("--config").arg(self.path("server.toml"));
        command.args(args).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a run that must succeed prints.
    #[track_caller]
    pub(crate) fn printed(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A server on free ports.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&["--listen", "127.0.0.1:0"])
    }

    pub(crate) fn serve_with(&self, args: &[&str]) -> Server {
        self.start(self.command(&[&["serve", "--admin", "127.0.0.1:0"], args].concat()))
    }

    /// A server that this command runs.
    pub(crate) fn start(&self, mut command: Command) -> Server {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let announcement = self.dir().join("server.json");
        let _of_one_that_was_killed = std::fs::remove_file(&announcement);
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut said = None;
        until("the server is up", || {
            assert_eq!(child.try_wait().unwrap(), None, "{}", self.log());
            said = std::fs::read(&announcement).ok().and_then(|text| serde_json::from_slice(&text).ok());
            said.is_some()
        });
        Server { child, dir: self.dir(), said: said.unwrap() }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Server {
    pub(crate) fn http(&self) -> &str {
        self.said["http"].as_str().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.http())
    }

    pub(crate) fn ask(&self, method: &str, path: &str, token: &Token, body: &[u8]) -> Answer {
        http::ask(self.connect(), method, path, Some(token.expose()), body)
    }

    pub(crate) fn admin(&self, path: &str) -> Answer {
        http::ask(connect(self.said["admin"].as_str().unwrap()), "GET", path, None, b"")
    }

    /// A metric's value; the name with its labels, as it stands on the page.
    #[track_caller]
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let page = self.admin("/metrics").text();
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        assert!(line.is_some(), "no {series} in\n{page}");
        line.unwrap().parse().unwrap()
    }

    pub(crate) fn signer(&self) -> Signer {
        let key = std::fs::read(self.dir.join("token.key")).unwrap();
        Signer::from_key(key.try_into().unwrap())
    }

    /// What a job on the default branch is given.
    pub(crate) fn trusted(&self) -> Token {
        self.token(&[Scope::Trusted], Some(Scope::Trusted))
    }

    pub(crate) fn token(&self, reads: &[Scope], writes: Option<Scope>) -> Token {
        self.token_of(ExecutionId::new(LATER), reads, writes)
    }

    pub(crate) fn token_of(&self, execution: ExecutionId, reads: &[Scope], writes: Option<Scope>) -> Token {
        self.signer().sign(&Claims {
            execution,
            repository: "github.com/acme/rocket".to_owned(),
            reads: reads.to_vec(),
            writes,
            expires_at: LATER + Millis::from_minutes(60),
            quota: None,
            class: Class::Unknown,
            run: None,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the server has ended", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }

    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// An object's path, made from one byte.
pub(crate) fn key(n: u8) -> String {
    let hex = format!("{n:02x}").repeat(32);
    format!("/objects/{hex}")
}

/// Looks until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Whether the file is there, for tests of what must not be.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
