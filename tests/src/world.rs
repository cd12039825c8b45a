//! One test's own machine: a state directory, repositories, a home, and the real program with nothing of the person's
//! environment but the way to commands, toolchain and registry. Worlds know nothing of each other.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::binary;
use crate::environment::Environment;
use crate::job::{Call, command};
use crate::repository::Repository;
use crate::skip::is_root;
use crate::wait::{is_reached, until};

/// An upkeep that hangs must not hang the test that has ended already.
const LAST_UPKEEP: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct World {
    root: TempDir,
    state: PathBuf,
    program: PathBuf,
    /// What the program is started by.
    prefix: &'static [&'static str],
    environment: Vec<(OsString, OsString)>,
    calls: AtomicUsize,
}

impl World {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("hearth-").tempdir().expect("a temporary directory can be made");
        // As programs see it: without symbolic links.
        let path = root.path().canonicalize().expect("a temporary directory has a path");
        fs::create_dir(path.join("home")).expect("a directory can be made");
        let mut environment = Environment::of_this_process().scrubbed();
        environment.push(("HOME".into(), path.join("home").into()));
        Self {
            state: path.join("state"),
            program: own_program(&path),
            prefix: &[],
            root,
            environment,
            calls: AtomicUsize::new(0),
        }
    }

    /// The same with its state in another place.
    #[must_use]
    pub fn with_state(mut self, state: &Path) -> Self {
        state.clone_into(&mut self.state);
        self
    }

    /// A variable in every call of this world's program.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The same without the right to make mount namespaces, as most people's machines are: a slot has its own path.
    #[must_use]
    pub fn without_view(mut self) -> Self {
        if is_root() {
            self.prefix = &["setpriv", "--bounding-set", "-sys_admin"];
        }
        self
    }

    /// Where everything of this world stands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().expect("the world stands").join(name)
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The program under test, by a name that no build replaces meanwhile.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A new repository, without commits.
    pub fn repository(&self, name: &str) -> Repository {
        Repository::init(&self.path(name))
    }

    /// `hearth --state STATE`, for any command.
    pub fn hearth(&self) -> Call {
        Call::new(self.hearth_command(), self.outputs(), None)
    }

    /// `hearth --state STATE exec --repo REPOSITORY --receipt …`; options and `-- COMMAND` come after.
    pub fn exec(&self, repository: &Repository) -> Call {
        self.exec_in(repository.path())
    }

    pub fn exec_in(&self, directory: &Path) -> Call {
        let outputs = self.outputs();
        let receipt = outputs.join("receipt.json");
        let call = Call::new(self.hearth_command(), outputs, Some(receipt.clone()));
        call.arg("exec").arg("--repo").arg(directory).arg("--receipt").arg(receipt)
    }

    /// Any other program with the same environment, say a cargo without Hearth.
    pub fn other(&self, program: &str, directory: &Path) -> Call {
        let mut command = command(Path::new(program), &self.environment);
        command.current_dir(directory);
        Call::new(command, self.outputs(), None)
    }

    fn hearth_command(&self) -> Command {
        let mut words = self.prefix.iter().map(Path::new).chain([self.program.as_path()]);
        let mut command = command(words.next().unwrap_or(&self.program), &self.environment);
        command.args(words).arg("--state").arg(&self.state).current_dir(self.root.path());
        command
    }

    fn outputs(&self) -> PathBuf {
        self.path(&format!("call-{}", self.calls.fetch_add(1, Ordering::SeqCst)))
    }

    /// Waits for the detached upkeep that a job leaves behind.
    pub fn upkeep_done(&self) {
        until("the end of the upkeep", || self.upkeep_processes().is_empty());
    }

    /// Whether every snapshot has a clone that is ready.
    pub fn is_every_clone_ready(&self) -> bool {
        self.snapshots().iter().all(|snapshot| snapshot.ready().exists())
    }

    /// Everything that stands under its name in the store of warm targets.
    pub fn snapshots(&self) -> Vec<StoredSnapshot> {
        let mut found = Vec::new();
        for lane in entries(&self.state.join("targets")) {
            let snapshots = entries(&lane.join("snapshots")).into_iter();
            let whole = snapshots.filter(|path| path.extension().is_none() && path.join("snapshot.json").exists());
            found.extend(whole.map(|path| StoredSnapshot { lane: lane.clone(), path }));
        }
        found
    }

    /// The clones that stand in slots.
    pub fn slot_builds(&self) -> Vec<PathBuf> {
        let builds = entries(&self.state.join("slots")).into_iter().map(|slot| slot.join("job/build"));
        builds.filter(|build| build.exists()).collect()
    }

    /// Processes that carry out an upkeep of this state. A call that has ended has started its own before.
    fn upkeep_processes(&self) -> Vec<u32> {
        let state = self.state.as_os_str().as_encoded_bytes();
        processes(|arguments| arguments.contains(&b"upkeep".as_slice()) && arguments.contains(&state))
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is still being written cannot be deleted; a test that has failed must not fail twice.
        let _late = is_reached(LAST_UPKEEP, || self.upkeep_processes().is_empty());
    }
}

/// One snapshot on the disk.
#[derive(Debug, Clone)]
pub struct StoredSnapshot {
    lane: PathBuf,
    path: PathBuf,
}

impl StoredSnapshot {
    pub fn id(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Where its private copy stands, when it has one.
    pub fn ready(&self) -> PathBuf {
        self.lane.join("ready").join(self.id())
    }
    /// Its record.
    pub fn record(&self) -> serde_json::Value {
        let bytes = fs::read(self.path.join("snapshot.json")).expect("a snapshot has a record");
        serde_json::from_slice(&bytes).expect("a record is JSON")
    }
}

/// The processes whose arguments fit, as the system lists them.
pub fn processes(fits: impl Fn(&[&[u8]]) -> bool) -> Vec<u32> {
    let pids = entries(Path::new("/proc")).into_iter();
    let pids = pids.filter_map(|path| path.file_name()?.to_str()?.parse::<u32>().ok());
    let has_arguments = |pid: &u32| {
        let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
        fits(&arguments)
    };
    pids.filter(has_arguments).collect()
}

/// The paths in a directory, in order; none when there is no such directory.
pub fn entries(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<_> = listed.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}

/// A name of the program that stays what it is while somebody builds another.
fn own_program(root: &Path) -> PathBuf {
    let program = root.join("hearth");
    let linked = fs::hard_link(binary::hearth(), &program);
    linked.or_else(|_other_disk| fs::copy(binary::hearth(), &program).map(drop)).expect("the program can be copied");
    program
}
