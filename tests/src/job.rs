//! One call of the real program: how it is put together, what it is told while it runs, and what came of it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::wait::{PATIENCE, is_reached};

/// A call that has not been made yet.
#[derive(Debug)]
#[must_use]
pub struct Call {
    command: Command,
    /// Where its output goes: files and not pipes, so that what it leaves behind cannot hold us up.
    outputs: PathBuf,
    input: Vec<u8>,
    receipt: Option<PathBuf>,
}

impl Call {
    pub(crate) fn new(command: Command, outputs: PathBuf, receipt: Option<PathBuf>) -> Self {
        Self { command, outputs, input: Vec::new(), receipt }
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn input(mut self, bytes: &[u8]) -> Self {
        bytes.clone_into(&mut self.input);
        self
    }

    /// `-- sh -c SCRIPT`, and runs it to its end.
    pub fn sh(self, script: &str) -> Ran {
        self.start_sh(script).wait()
    }

    pub fn start_sh(self, script: &str) -> Running {
        self.args(["--", "sh", "-c", script]).start()
    }

    pub fn run(self) -> Ran {
        self.start().wait()
    }

    pub fn start(self) -> Running {
        fs::create_dir_all(&self.outputs).expect("a directory can be made");
        let stderr = File::create(self.outputs.join("stderr")).expect("a file can be made");
        self.spawn(stderr.into())
    }

    /// Starts it and hands out its standard error line by line, each the moment it is said. The lines end when nobody
    /// is left who could say more.
    pub fn start_told(self) -> (Running, Receiver<String>) {
        fs::create_dir_all(&self.outputs).expect("a directory can be made");
        let mut kept = File::create(self.outputs.join("stderr")).expect("a file can be made");
        let mut running = self.spawn(Stdio::piped());
        let stderr = running.child.stderr.take().expect("standard error is piped");
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                writeln!(kept, "{line}").expect("a file can be written");
                let _nobody_listens = tell.send(line);
            }
        });
        (running, lines)
    }

    fn spawn(mut self, stderr: Stdio) -> Running {
        let input = self.outputs.join("stdin");
        File::create(&input).and_then(|mut file| file.write_all(&self.input)).expect("a file can be written");
        self.command.stdin(File::open(&input).expect("a file can be read"));
        let stdout = File::create(self.outputs.join("stdout")).expect("a file can be made");
        let child = self.command.stdout(stdout).stderr(stderr).spawn().expect("the program can be started");
        Running { child, outputs: self.outputs, receipt: self.receipt }
    }
}

/// A call that is under way. Dropping it kills the program.
#[derive(Debug)]
#[must_use]
pub struct Running {
    child: Child,
    outputs: PathBuf,
    receipt: Option<PathBuf>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a running program takes signals");
    }

    /// What it has said so far.
    pub fn stdout(&self) -> String {
        read(&self.outputs.join("stdout"))
    }

    pub fn stderr(&self) -> String {
        read(&self.outputs.join("stderr"))
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked for").is_none()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ran {
        let ended = is_reached(PATIENCE, || !self.is_running());
        let (stdout, stderr) = (self.stdout(), self.stderr());
        assert!(ended, "it did not end within {} s\n{stdout}\n{stderr}", PATIENCE.as_secs());
        let status = self.child.wait().expect("a child can be waited for");
        let receipt = self.receipt.take().and_then(|path| fs::read(path).ok());
        let receipt = receipt.map(|bytes| serde_json::from_slice(&bytes).expect("a receipt is JSON"));
        Ran { status, stdout, stderr, receipt }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            let _gone = self.child.kill();
            let _status = self.child.wait();
        }
    }
}

/// A call that has ended.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    receipt: Option<Value>,
}

#[expect(clippy::return_self_not_must_use, reason = "an expectation is a statement as often as a link of a chain")]
impl Ran {
    /// The exit code; a program that was ended by a signal has none and fails the test.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| unreachable!("{} instead of an exit code\n{self}", self.status))
    }

    /// Fails unless the code is this one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    #[track_caller]
    pub fn expect_success(self) -> Self {
        self.expect_code(0)
    }

    /// Fails unless standard error has all of these words.
    #[track_caller]
    pub fn expect_said(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not said\n{self}");
        }
        self
    }

    #[track_caller]
    pub fn receipt(&self) -> &Value {
        assert!(self.receipt.is_some(), "there is no receipt\n{self}");
        self.receipt.as_ref().unwrap_or(&Value::Null)
    }

    /// The snapshot that this job left.
    #[track_caller]
    pub fn promoted(&self) -> String {
        let id = self.receipt()["given_back"]["promoted"]["id"].as_str();
        assert!(id.is_some(), "no snapshot was left\n{self}");
        id.unwrap_or_default().to_owned()
    }

    /// The scope of the snapshot that this job started from; `None` when it was cold.
    pub fn warm_scope(&self) -> Option<&str> {
        self.receipt()["warm"]["from"]["scope"].as_str()
    }

    /// Why it was cold.
    #[track_caller]
    pub fn cold_because(&self) -> &str {
        let why = self.receipt()["warm"]["cold"]["why"].as_str();
        assert!(why.is_some(), "it was not cold\n{self}");
        why.unwrap_or_default()
    }

    /// The packages that cargo compiled, as its standard error names them.
    pub fn compiled(&self) -> Vec<&str> {
        compiled(&self.stderr)
    }
}

/// The packages of `Compiling` lines.
pub fn compiled(stderr: &str) -> Vec<&str> {
    let lines = stderr.lines().filter_map(|line| line.trim_start().strip_prefix("Compiling "));
    lines.filter_map(|rest| rest.split(' ').next()).collect()
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let receipt = self.receipt.as_ref().map(ToString::to_string).unwrap_or_default();
        write!(f, "{}\n--- stdout\n{}\n--- stderr\n{}\n--- receipt\n{receipt}", self.status, self.stdout, self.stderr)
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A command with exactly this environment.
pub(crate) fn command(program: &Path, environment: &[(OsString, OsString)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command
}
