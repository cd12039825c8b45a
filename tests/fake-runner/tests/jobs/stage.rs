//! A fake GitHub, runners that are registered with it, and their programs in roots of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use fake_github::{ALL_SCOPES, FakeGithub, Job, JobId, JobRecord, Options};
use fake_runner::archive::lay_out;
use fake_runner::release::{Pace, Release};
use reqwest::{Client, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything takes here on a machine that is busy with other builds.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const VERSION: &str = "2.335.1";

pub(crate) struct Stage {
    pub(crate) github: FakeGithub,
    token: String,
    directory: TempDir,
}

impl Stage {
    pub(crate) fn new(options: Options) -> Self {
        let github = FakeGithub::start(options).expect("a port of this machine is free");
        let token = github.personal_token(&ALL_SCOPES);
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self { github, token, directory }
    }

    /// Registers a runner and lays out a root for it.
    pub(crate) fn runner(&self, name: &str) -> Runner {
        let asked = json!({"name": name, "runner_group_id": 1, "labels": ["self-hosted"], "work_folder": "_work"});
        let answer = self.rest(&Method::POST, "generate-jitconfig", Some(&asked));
        let jit = answer["encoded_jit_config"].as_str().expect("a configuration is answered").to_owned();
        let id = answer["runner"]["id"].as_u64().expect("a runner has an id");
        let root = self.directory.path().canonicalize().expect("it is there").join(name);
        let program = Path::new(env!("CARGO_BIN_EXE_runner_listener"));
        lay_out(&root, program, &Release::new(VERSION, Pace::BRISK)).expect("a release can be laid out");
        Runner { id, root, environment: vec![("ACTIONS_RUNNER_INPUT_JITCONFIG".to_owned(), jit)] }
    }

    /// Takes a registration away.
    pub(crate) fn remove(&self, runner: &Runner) {
        self.rest(&Method::DELETE, &runner.id.to_string(), None);
    }

    /// A call below the runners of the organization.
    fn rest(&self, method: &Method, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/api/v3/orgs/acme/actions/runners/{path}", self.github.url());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let body = body.map(ToString::to_string).unwrap_or_default();
        runtime.block_on(async {
            let request = Client::new().request(method.clone(), url).bearer_auth(&self.token);
            let request = request.header("Accept", "application/vnd.github+json").header("User-Agent", "tests");
            let response = request.header("Content-Type", "application/json").body(body).send().await;
            let response = response.expect("the fake GitHub answers");
            let (status, text) = (response.status(), response.bytes().await.expect("an answer has a body"));
            assert!(status.is_success(), "{method} {path}: {status} {}", String::from_utf8_lossy(&text));
            serde_json::from_slice(&text).unwrap_or_default()
        })
    }

    pub(crate) fn until_done(&self, job: JobId) -> JobRecord {
        let is_done = |state: &fake_github::State| state.job(job).is_some_and(JobRecord::is_done);
        assert!(self.github.until(is_done, PATIENCE), "the job was never done");
        self.github.job(job).expect("jobs are kept")
    }

    /// Runs one job on one new runner to the end of both.
    pub(crate) fn play(&self, runner: &Runner, job: Job) -> (JobRecord, Ended) {
        let job = self.github.offer(job);
        let ended = runner.start().end();
        (self.until_done(job), ended)
    }

    /// Nobody said what nobody should have said.
    pub(crate) fn assert_proper(&self) {
        let violations = self.github.violations();
        assert!(violations.is_empty(), "{violations:?}");
    }
}

pub(crate) struct Runner {
    id: u64,
    root: PathBuf,
    environment: Vec<(String, String)>,
}

impl Runner {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn start(&self) -> Started {
        let output = |name: &str| File::create(self.path(name)).expect("a file can be made");
        let mut program = Command::new(self.path("bin/Runner.Listener"));
        program.arg("run").env_clear().env("PATH", "/usr/bin:/bin").envs(self.environment.iter().cloned());
        let child =
            program.stdout(output("stdout")).stderr(output("stderr")).spawn().expect("a program can be started");
        Started { child, root: self.root.clone() }
    }
}

/// A program that runs; killed when a test gives it up.
pub(crate) struct Started {
    child: Child,
    root: PathBuf,
}

/// What is left of one.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Started {
    pub(crate) fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(pid, signal).expect("the program runs");
    }

    /// Waits until it has a session and knows of it.
    pub(crate) fn until_listening(&self) {
        let listens =
            || fs::read_to_string(self.root.join("stdout")).is_ok_and(|said| said.contains("Listening for Jobs"));
        until("the runner listens", listens);
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let mut status = None;
        until("the program ends", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        let read = |name: &str| fs::read_to_string(self.root.join(name)).expect("what it said can be read");
        Ended { code: status.and_then(|status| status.code()), stdout: read("stdout"), stderr: read("stderr") }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Looks until something holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        thread::park_timeout(LOOK_AGAIN);
    }
}
