//! A standalone cache server of one test: the real program, in a directory of the test's world, on ports of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use crate::binary;
use crate::http;
use crate::job::{Call, Running};
use crate::wait::until;
use crate::world::World;

/// A busy machine, or a full one, is no reason to decline anything here.
const UNTROUBLED: &str = "[limits]\nread = \"1m\"\nwrite = \"1m\"\n[store]\nfree_reserve = \"0B\"\n";

/// A server that does not run yet.
#[derive(Debug)]
pub struct Prepared {
    directory: PathBuf,
}

/// What `token new` shows, once.
#[derive(Debug, Clone)]
pub struct Token {
    pub secret: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// A server that runs. Dropping it kills it.
#[derive(Debug)]
pub struct CacheServer {
    http: SocketAddr,
    admin: SocketAddr,
    _running: Running,
}

impl Prepared {
    /// One whose directory in the world has this name.
    pub fn new(world: &World, name: &str) -> Self {
        let directory = world.path(name);
        fs::create_dir(&directory).expect("a directory can be made");
        fs::write(directory.join("server.toml"), UNTROUBLED).expect("a file can be written");
        Self { directory }
    }

    /// The key that it checks job tokens with, and seals with what goes elsewhere; there from the first token on.
    pub fn key_file(&self) -> PathBuf {
        self.directory.join("token.key")
    }

    /// A token with these further arguments.
    pub fn token(&self, world: &World, name: &str, arguments: &[&str]) -> Token {
        let made = self.program(world).args(["token", "new", name, "--json"]).args(arguments).run().expect_success();
        let made: Value = serde_json::from_str(&made.stdout).expect("it prints JSON");
        let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
        Token {
            secret: text(&made["token"]),
            access_key_id: text(&made["s3"]["access_key_id"]),
            secret_access_key: text(&made["s3"]["secret_access_key"]),
        }
    }

    pub fn start(self, world: &World) -> CacheServer {
        let mut running =
            self.program(world).args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).start();
        let mut said = Value::Null;
        until("the cache server's announcement", || {
            assert!(running.is_running(), "{}", running.stderr());
            let text = fs::read(self.directory.join("server.json")).ok();
            said = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
            !said.is_null()
        });
        let address =
            |name: &str| said[name].as_str().and_then(|text| text.parse().ok()).expect("it names its address");
        CacheServer { http: address("http"), admin: address("admin"), _running: running }
    }

    fn program(&self, world: &World) -> Call {
        let program = binary::cache_server().to_str().expect("test paths are text");
        let call = world.other(program, &self.directory).arg("--dir").arg(&self.directory);
        call.arg("--config").arg(self.directory.join("server.toml"))
    }
}

impl CacheServer {
    pub fn address(&self) -> SocketAddr {
        self.http
    }

    /// Where its page and its metrics are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A metric's value; the name with its labels, as it stands on the page.
    #[track_caller]
    pub fn metric(&self, series: &str) -> u64 {
        let page = http::get(self.admin, "/metrics").body;
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = line.and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| unreachable!("no {series} in\n{page}"))
    }
}
