//! An sccache by itself, without Hearth around it: where it stores, a build from nothing, and what it counted.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::cache_server::Token;
use crate::environment::{Environment, SCCACHE};
use crate::job::Call;
use crate::repository::Repository;
use crate::skip::skipped;
use crate::wait::until;
use crate::world::World;
use serde_json::Value;

/// How it speaks to a cache server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    WebDav,
    S3,
    /// GitHub's cache service.
    Gha,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::WebDav, Self::S3, Self::Gha];
}

/// What an sccache says of its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub hits: u64,
    pub misses: u64,
    /// Answers that it could not use, reads that ran out of time, and stores that failed.
    pub troubles: u64,
}

#[derive(Debug)]
pub struct Client {
    pub name: &'static str,
    program: PathBuf,
}

impl Client {
    /// The one in Hearth, called by its name.
    pub fn bundled(world: &World) -> Self {
        let program = world.path("sccache");
        symlink(world.program(), &program).expect("a link can be made");
        Self { name: "bundled", program }
    }

    /// The one that people install; `None`, and that is said, where there is none.
    pub fn installed() -> Option<Self> {
        let program = Environment::of_this_process().sccache();
        if program.is_none() {
            skipped(&format!("there is no sccache on the path, and {SCCACHE} names none"));
        }
        Some(Self { name: "0.16", program: program? })
    }

    /// A daemon that stores at this place. It ends with what is returned.
    pub fn start<'a>(&'a self, world: &'a World, dialect: Dialect, url: &str, token: &Token) -> Started<'a> {
        let started = Started { client: self, world };
        let start = started.sccache().arg("--start-server");
        let start = match dialect {
            Dialect::WebDav => start
                .env("SCCACHE_WEBDAV_ENDPOINT", url)
                .env("SCCACHE_WEBDAV_TOKEN", &token.secret)
                // As Hearth starts it; 0.16 does not know it.
                .env("SCCACHE_WEBDAV_DISABLE_CREATE_DIR", "true"),
            Dialect::S3 => start
                .env("SCCACHE_BUCKET", "bucket")
                .env("SCCACHE_ENDPOINT", url)
                .env("SCCACHE_REGION", "us-east-1")
                .env("SCCACHE_S3_USE_SSL", "false")
                .env("AWS_ACCESS_KEY_ID", &token.access_key_id)
                .env("AWS_SECRET_ACCESS_KEY", &token.secret_access_key),
            Dialect::Gha => start
                .env("SCCACHE_GHA_ENABLED", "true")
                .env("ACTIONS_CACHE_SERVICE_V2", "true")
                .env("ACTIONS_RESULTS_URL", url)
                .env("ACTIONS_RUNTIME_TOKEN", &token.secret),
        };
        start.env("NO_PROXY", "127.0.0.1").run().expect_success();
        started
    }
}

/// A client whose daemon runs.
#[derive(Debug)]
pub struct Started<'a> {
    client: &'a Client,
    world: &'a World,
}

impl Started<'_> {
    fn sccache(&self) -> Call {
        let program = self.client.program.to_str().expect("test paths are text");
        self.with_daemon(self.world.other(program, &self.world.path("home")))
    }

    fn with_daemon(&self, call: Call) -> Call {
        call.env("SCCACHE_SERVER_UDS", self.world.path("s")).env("SCCACHE_IDLE_TIMEOUT", "0")
    }

    /// A build with no target directory; done when everything that it made is stored.
    pub fn build_anew(&self, repository: &Repository) -> Counts {
        let target = repository.path().join("target");
        if target.exists() {
            std::fs::remove_dir_all(target).expect("a directory can be removed");
        }
        let cargo = self.world.other("cargo", repository.path()).args(["build", "--offline", "--quiet"]);
        self.with_daemon(cargo).env("RUSTC_WRAPPER", &self.client.program).run().expect_success();
        let mut stats = Value::Null;
        until("the last store", || {
            let said = self.sccache().args(["--show-stats", "--stats-format", "json"]).run().expect_success().stdout;
            let mut said: Value = serde_json::from_str(&said).expect("it prints JSON");
            stats = said["stats"].take();
            number(&stats["cache_writes"]) + number(&stats["cache_write_errors"]) >= rust(&stats, "cache_misses")
        });
        let troubles = rust(&stats, "cache_errors") + number(&stats["cache_write_errors"]);
        Counts {
            hits: rust(&stats, "cache_hits"),
            misses: rust(&stats, "cache_misses"),
            troubles: troubles + number(&stats["cache_timeouts"]) + number(&stats["cache_read_errors"]),
        }
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        // It would outlive the test.
        let _none_runs = self.sccache().arg("--stop-server").run();
    }
}

fn rust(stats: &Value, name: &str) -> u64 {
    stats[name]["counts"]["Rust"].as_u64().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
