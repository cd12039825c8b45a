//! A machine that serves a fake GitHub: the real daemon, its keepers and its hooks, with the fake of the official runner
//! program.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fake_github::{FakeGithub, JobId, Options, Scope, State};
use fake_runner::archive;
use fake_runner::release::{Pace, Release};
use hearth_host::lock::FileLock;
use rustix::process::Signal;
use serde_json::Value;

use crate::binary;
use crate::environment::Environment;
use crate::family::of_directory;
use crate::github;
use crate::job::{Call, Running};
use crate::wait::{PATIENCE, is_reached, until};
use crate::world::{World, entries};

/// Newer than anything that the fake GitHub refuses.
const VERSION: &str = "2.335.1";
pub const ORGANIZATION: &str = "acme";

/// A machine, and the GitHub that it serves.
#[derive(Debug)]
pub struct Served {
    pub world: World,
    pub github: FakeGithub,
    configuration: PathBuf,
    daemon: Option<Running>,
}

/// What a machine is started with.
#[derive(Debug, Clone)]
pub struct Machine {
    pub slots: u16,
    /// What it serves.
    pub scope: Scope,
    /// Where its state is; in the world's own directory otherwise.
    pub state: Option<PathBuf>,
    pub idle_limit: &'static str,
    /// The pattern of its slots' users; nobody is called so otherwise.
    pub user: String,
    /// What its jobs have as `PATH`; that of this process otherwise.
    pub path: Option<String>,
    /// Further lines of its `[[github]]`.
    pub github: String,
    pub options: Options,
}

impl Default for Machine {
    fn default() -> Self {
        // Polls of real length would only make tests wait where something is wrong.
        let options = Options { poll_hold: Duration::from_secs(2), ..Options::default() };
        let user = "hearth-nobody-{slot}".to_owned();
        let scope = Scope::Organization(ORGANIZATION.to_owned());
        let idle_limit = "5m";
        Self { slots: 2, scope, state: None, idle_limit, user, path: None, github: String::new(), options }
    }
}

impl Served {
    /// Starts GitHub and the machine's daemon.
    pub fn start(machine: &Machine) -> Self {
        let mut served = Self::prepare(machine);
        served.up();
        served
    }

    /// Everything but the daemon.
    pub fn prepare(machine: &Machine) -> Self {
        let (world, github) = (World::new(), github::start(machine.options.clone()));
        let world = machine.state.iter().fold(world, |world, state| world.with_state(state));
        let key = world.path("app.pem");
        write_secret(&key, &github.app_key().pkcs1_pem());
        let runner = archive::pack(&world.path(""), binary::fake_runner(), &Release::new(VERSION, Pace::BRISK));
        let runner = runner.expect("the fake runner can be packed");
        let configuration = world.path("hearth.toml");
        let client_id = &machine.options.accounts.apps[0].client_id;
        let own = Environment::of_this_process();
        let variable = |name: &str| {
            let value = own.get(name).map(|value| value.to_string_lossy().into_owned());
            value.map(|value| format!("{name} = {value:?}\n")).unwrap_or_default()
        };
        let quoted = |path: &Path| format!("{:?}", path.to_string_lossy());
        let text = format!(
            "[slots]\ncount = {}\nuser = {:?}\n\n[runner]\narchive = {}\nsha256 = {:?}\nidle_limit = {:?}\n\n[runner.env]\n{}{}\n\
             [[github]]\nurl = {:?}\napp = {{ client_id = {client_id:?}, private_key_file = {} }}\n{}\n",
            machine.slots,
            machine.user,
            quoted(&runner.path),
            runner.sha256,
            machine.idle_limit,
            machine.path.as_ref().map_or_else(|| variable("PATH"), |path| format!("PATH = {path:?}\n")),
            variable("RUSTUP_HOME"),
            github.url_of(&machine.scope),
            quoted(&key),
            machine.github,
        );
        fs::write(&configuration, text).expect("a file can be written");
        Self { world, github, configuration, daemon: None }
    }

    /// Where the configuration stands.
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// `hearth` with this machine's configuration, for any command.
    pub fn hearth(&self) -> Call {
        self.world.hearth().arg("--config").arg(&self.configuration)
    }

    /// Starts the daemon and waits until it says that it is up; gives how long that took.
    pub fn up(&mut self) -> Duration {
        let announcement = self.world.state().join("daemon.json");
        let _left_by_a_killed_one = fs::remove_file(&announcement);
        let call = self.hearth().env("HEARTH_LOG", "info,hearth=debug").args(["up", "--admin", "127.0.0.1:0"]);
        let began = Instant::now();
        let mut daemon = call.start();
        until("the daemon's announcement", || !daemon.is_running() || announcement.exists());
        let took = began.elapsed();
        assert!(daemon.is_running(), "{}", daemon.stderr());
        self.daemon = Some(daemon);
        took
    }

    pub fn daemon(&mut self) -> &mut Running {
        self.daemon.as_mut().expect("the daemon was started")
    }

    /// Where its pages are.
    pub fn admin(&self) -> SocketAddr {
        let said = fs::read(self.world.state().join("daemon.json")).expect("the daemon has announced itself");
        let said: Value = serde_json::from_slice(&said).expect("the announcement is JSON");
        said["admin"].as_str().and_then(|text| text.parse().ok()).expect("it names its address")
    }

    /// Kills the daemon, and nothing else.
    pub fn kill(&mut self) {
        self.daemon().signal(Signal::KILL);
        let daemon = self.daemon.take().expect("the daemon was started");
        daemon.wait();
    }

    /// Asks the daemon to stop, as a service manager does; gives what it said.
    pub fn stop(&mut self) -> String {
        self.daemon().signal(Signal::TERM);
        let daemon = self.daemon.take().expect("the daemon was started");
        daemon.wait().expect_success().stderr
    }

    /// Waits until these jobs are done.
    #[track_caller]
    pub fn done(&mut self, jobs: &[JobId]) {
        self.until("jobs that are done", |state| {
            jobs.iter().all(|id| state.job(*id).is_some_and(fake_github::JobRecord::is_done))
        });
    }

    /// Waits until every slot is clean: the keepers have ended and the books are closed.
    pub fn idle(&mut self) {
        let slots = self.world.state().join("slots");
        let is_clean = || entries(&slots).iter().all(|slot| !slot.join("runner.json").exists());
        if !is_reached(PATIENCE, is_clean) {
            unreachable!("slots stay {:?}\n{}", self.records(), self.said());
        }
    }

    /// Holds a slot as a local job does, until dropped.
    pub fn take_slot(&self, number: u16) -> FileLock {
        let lock = self.world.state().join("slots").join(number.to_string()).join("lock");
        FileLock::exclusive(&lock).expect("a slot that nobody has can be taken")
    }

    /// Waits for a state of GitHub; fails with everything that the machine said.
    #[track_caller]
    pub fn until(&mut self, what: &str, condition: impl FnMut(&State) -> bool) {
        if self.github.until(condition, PATIENCE) {
            return;
        }
        let said = self.said();
        let jobs: Vec<_> = self.github.jobs().into_iter().filter(|job| !job.is_done()).collect();
        unreachable!("waited in vain for {what}; not done:\n{jobs:#?}\n{said}");
    }

    /// Everything that daemon, keepers and runner programs have said.
    pub fn said(&mut self) -> String {
        let mut said = vec![self.daemon.as_ref().map(Running::stderr).unwrap_or_default()];
        for slot in entries(&self.world.state().join("slots")) {
            for log in ["keeper.log", "runner.log"].map(|name| slot.join(name)) {
                let text = fs::read_to_string(&log).unwrap_or_default();
                said.push(format!("--- {}\n{text}", log.display()));
            }
        }
        said.join("\n")
    }

    /// The processes of this machine: keepers, guards, runners, and all that their jobs have started. Not the daemon.
    pub fn others(&self) -> Vec<u32> {
        let daemon = self.daemon.as_ref().map(Running::pid);
        let all = of_directory(self.world.path("").as_path()).into_iter();
        all.filter(|pid| Some(*pid) != daemon).collect()
    }

    /// The slots' records, by the name of their state; none of a clean slot.
    pub fn records(&self) -> Vec<String> {
        let states = self.runners().into_iter();
        states.filter_map(|record| record["state"]["is"].as_str().map(str::to_owned)).collect()
    }

    /// The slots' records as they are written.
    pub fn runners(&self) -> Vec<Value> {
        let slots = entries(&self.world.state().join("slots"));
        let records = slots.iter().filter_map(|slot| fs::read(slot.join("runner.json")).ok());
        records.filter_map(|bytes| serde_json::from_slice(&bytes).ok()).collect()
    }
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of ours takes a mode");
}
