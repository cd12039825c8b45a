//! What a runner is started with: the program itself, without the scripts around it, and an environment made from
//! nothing. The agent's own environment does not reach a job. Pure.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use hearth_daemon::secrets::Secret;
use hearth_host::guard::{EnvironmentBase, Raw, Start, Stdio};
use hearth_host::users::Identity;

use super::version::Platform;

/// Where the programs of a machine are, after those of the job's own home. launchd and systemd give less.
const PATH_OF_LINUX: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";
const PATH_OF_MACOS: &str = "/opt/homebrew/bin:/opt/homebrew/sbin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
/// Below a home.
const OWN_PROGRAMS: [&str; 2] = [".cargo/bin", ".local/bin"];

/// The user as whom a runner runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub shell: PathBuf,
    pub identity: UserIdentity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserIdentity {
    /// That of the guard, which is ours, and whether that is the superuser.
    Ours(Rank),
    /// Another one.
    Other(Identity),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    Superuser,
    Ordinary,
}

/// Directories of the slot, by the paths at which the runner sees them.
#[derive(Debug, Clone, Copy)]
pub struct SlotPlaces<'a> {
    pub root: &'a Path,
    pub home: &'a Path,
    pub temporary: &'a Path,
    /// One for each slot: the tool cache's own code removes a version's directory before it fills it.
    pub tools: &'a Path,
}

/// The scripts that a runner calls before and after its job.
#[derive(Debug, Clone, Copy)]
pub struct Hooks<'a> {
    pub started: &'a Path,
    pub completed: &'a Path,
}

/// How a runner reaches GitHub when it cannot do so directly.
#[derive(Clone, Copy)]
pub struct RunnerProxy<'a> {
    /// May hold a password.
    pub url: &'a str,
    pub exceptions: &'a [String],
}

impl std::fmt::Debug for RunnerProxy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunnerProxy").field("exceptions", &self.exceptions).finish_non_exhaustive()
    }
}

/// Everything that decides how a runner is started.
#[derive(Debug)]
pub struct RunnerStart<'a> {
    /// The guard's name for the process.
    pub name: &'a str,
    pub platform: Platform,
    pub places: SlotPlaces<'a>,
    pub user: &'a User,
    pub configuration: &'a Secret,
    pub hooks: Option<Hooks<'a>>,
    pub proxy: Option<RunnerProxy<'a>>,
    /// The operator's variables for all jobs: `runner.env`.
    pub operators: &'a BTreeMap<String, String>,
    /// Ours, which win over all others.
    pub ours: &'a [(&'a str, String)],
    pub stdio: Stdio,
}

impl RunnerStart<'_> {
    /// For the guard. What it holds is as secret as the configuration.
    pub fn into_start(self) -> Start {
        let environment = self.environment();
        let identity = match &self.user.identity {
            UserIdentity::Ours(_) => None,
            UserIdentity::Other(identity) => Some(identity.clone()),
        };
        Start {
            name: self.name.to_owned(),
            program: self.places.root.join(self.platform.listener()).into(),
            arguments: vec!["run".into()],
            directory: self.places.root.to_owned().into(),
            environment_base: EnvironmentBase::Empty,
            environment: environment.into_iter().map(|(name, value)| (name.into(), Some(Raw::from(value)))).collect(),
            stdio: self.stdio,
            identity,
        }
    }

    fn environment(&self) -> BTreeMap<String, OsString> {
        let mut all = BTreeMap::new();
        let mut set = |name: &str, value: &OsStr| drop(all.insert(name.to_owned(), value.to_owned()));
        set("PATH", &search_path(self.places.home, self.platform));
        set("LANG", self.language().as_ref());
        if let Some(proxy) = self.proxy {
            let exceptions = proxy.exceptions.join(",");
            for (name, value) in [("http_proxy", proxy.url), ("https_proxy", proxy.url), ("no_proxy", &exceptions)] {
                if !value.is_empty() {
                    // Programs differ in the case that they look for.
                    set(name, value.as_ref());
                    set(&name.to_uppercase(), value.as_ref());
                }
            }
        }
        for (name, value) in self.operators {
            set(name, value.as_ref());
        }
        let places = &self.places;
        set("HOME", places.home.as_ref());
        set("USER", self.user.name.as_ref());
        set("LOGNAME", self.user.name.as_ref());
        set("SHELL", self.user.shell.as_ref());
        set("TMPDIR", places.temporary.as_ref());
        set("RUNNER_TOOL_CACHE", places.tools.as_ref());
        set("AGENT_TOOLSDIRECTORY", places.tools.as_ref());
        set("ACTIONS_RUNNER_INPUT_JITCONFIG", self.configuration.expose().as_ref());
        // So that an old version and the result of the job can be told from the exit code.
        set("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1".as_ref());
        set("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED", "1".as_ref());
        if let Some(hooks) = self.hooks {
            set("ACTIONS_RUNNER_HOOK_JOB_STARTED", hooks.started.as_ref());
            set("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", hooks.completed.as_ref());
        }
        let is_superuser = match &self.user.identity {
            UserIdentity::Ours(rank) => *rank == Rank::Superuser,
            UserIdentity::Other(identity) => identity.uid == 0,
        };
        if is_superuser {
            set("RUNNER_ALLOW_RUNASROOT", "1".as_ref());
        }
        for (name, value) in self.ours {
            set(name, value.as_ref());
        }
        all
    }

    /// One that is always there, in which every character is one: without any, archives of caches are made in another
    /// way and are not found again.
    fn language(&self) -> &'static str {
        if self.platform.os == "osx" { "en_US.UTF-8" } else { "C.UTF-8" }
    }
}

/// Where a job with this home finds programs, unless the operator says otherwise.
pub fn search_path(home: &Path, platform: Platform) -> OsString {
    let mut path = OsString::new();
    for programs in OWN_PROGRAMS {
        path.push(home.join(programs));
        path.push(":");
    }
    path.push(if platform.os == "osx" { PATH_OF_MACOS } else { PATH_OF_LINUX });
    path
}

#[cfg(test)]
mod tests {
    use hearth_host::users::Privileges;

    use super::*;

    const LINUX: Platform = Platform { os: "linux", architecture: "x64" };

    /// What the parts of a start are borrowed from.
    struct Parts {
        user: User,
        root: PathBuf,
        home: PathBuf,
        temporary: PathBuf,
        tools: PathBuf,
        configuration: Secret,
        operators: BTreeMap<String, String>,
    }

    fn parts(identity: UserIdentity) -> Parts {
        let view = Path::new("/state/view");
        Parts {
            user: User { name: "hearth-slot-0".to_owned(), shell: "/bin/bash".into(), identity },
            root: view.join("runner"),
            home: view.join("home"),
            temporary: view.join("tmp"),
            tools: view.join("tools"),
            configuration: Secret::new("s3cret".to_owned()),
            operators: BTreeMap::new(),
        }
    }

    impl Parts {
        fn start(&self) -> RunnerStart<'_> {
            let Self { root, home, temporary, tools, .. } = self;
            RunnerStart {
                name: "runner",
                platform: LINUX,
                places: SlotPlaces { root, home, temporary, tools },
                user: &self.user,
                configuration: &self.configuration,
                hooks: None,
                proxy: None,
                operators: &self.operators,
                ours: &[],
                stdio: Stdio::Null,
            }
        }
    }

    fn ordinary() -> Parts {
        parts(UserIdentity::Ours(Rank::Ordinary))
    }

    fn value(start: &RunnerStart<'_>, name: &str) -> Option<String> {
        start.environment().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_runner_gets_exactly_what_it_needs() {
        let parts = ordinary();
        let environment = parts.start().environment();
        let environment: Vec<_> = environment.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        let expected = [
            ("ACTIONS_RUNNER_INPUT_JITCONFIG", "s3cret"),
            ("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED", "1"),
            ("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1"),
            ("AGENT_TOOLSDIRECTORY", "/state/view/tools"),
            ("HOME", "/state/view/home"),
            ("LANG", "C.UTF-8"),
            ("LOGNAME", "hearth-slot-0"),
            (
                "PATH",
                "/state/view/home/.cargo/bin:/state/view/home/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:\
                 /usr/bin:/sbin:/bin:/snap/bin",
            ),
            ("RUNNER_TOOL_CACHE", "/state/view/tools"),
            ("SHELL", "/bin/bash"),
            ("TMPDIR", "/state/view/tmp"),
            ("USER", "hearth-slot-0"),
        ];
        assert_eq!(environment, expected);
        let start = parts.start().into_start();
        assert_eq!(start.program, "/state/view/runner/bin/Runner.Listener".into());
        assert_eq!((start.arguments, start.directory), (vec!["run".into()], "/state/view/runner".into()));
        assert_eq!((start.environment_base, start.identity), (EnvironmentBase::Empty, None));
        assert_eq!(start.environment.len(), expected.len());
    }

    #[test]
    fn secrets_are_in_no_debug_output() {
        let parts = ordinary();
        let proxy = Some(RunnerProxy { url: "http://user:s3cret@proxy:3128", exceptions: &[] });
        let start = RunnerStart { proxy, ..parts.start() };
        let shown = format!("{start:?} {:?}", RunnerStart { proxy, ..parts.start() }.into_start());
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn hooks_and_proxies_are_set_when_there_are_any() {
        let (parts, exceptions) = (ordinary(), ["localhost".to_owned(), ".corp".to_owned()]);
        let start = RunnerStart {
            hooks: Some(Hooks { started: Path::new("/h/started.sh"), completed: Path::new("/h/completed.sh") }),
            proxy: Some(RunnerProxy { url: "http://proxy:3128", exceptions: &exceptions }),
            ..parts.start()
        };
        for (name, expected) in [
            ("ACTIONS_RUNNER_HOOK_JOB_STARTED", "/h/started.sh"),
            ("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", "/h/completed.sh"),
            ("http_proxy", "http://proxy:3128"),
            ("HTTP_PROXY", "http://proxy:3128"),
            ("https_proxy", "http://proxy:3128"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("no_proxy", "localhost,.corp"),
            ("NO_PROXY", "localhost,.corp"),
        ] {
            assert_eq!(value(&start, name).as_deref(), Some(expected), "{name}");
        }
        let start = RunnerStart { proxy: Some(RunnerProxy { url: "http://proxy:3128", exceptions: &[] }), ..start };
        assert_eq!(value(&start, "no_proxy"), None);
    }

    #[test]
    fn the_operators_variables_win_over_defaults_and_ours_over_all() {
        let operators = [
            ("PATH", "/opt/bin"),
            ("LANG", "de_DE.UTF-8"),
            ("HOME", "/root"),
            ("RUSTFLAGS", "-Dwarnings"),
            ("HEARTH_EXECUTION", "forged"),
        ];
        let operators = operators.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let parts = Parts { operators, ..ordinary() };
        let start = RunnerStart { ours: &[("HEARTH_EXECUTION", "real".to_owned())], ..parts.start() };
        for (name, expected) in [
            ("PATH", "/opt/bin"),
            ("LANG", "de_DE.UTF-8"),
            ("HOME", "/state/view/home"),
            ("RUSTFLAGS", "-Dwarnings"),
            ("HEARTH_EXECUTION", "real"),
        ] {
            assert_eq!(value(&start, name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn only_the_superuser_is_allowed_to_run_as_such() {
        let other =
            |uid| UserIdentity::Other(Identity { uid, gid: uid, groups: Vec::new(), privileges: Privileges::Fixed });
        for (identity, allowed) in [
            (UserIdentity::Ours(Rank::Superuser), true),
            (UserIdentity::Ours(Rank::Ordinary), false),
            (other(0), true),
            (other(990), false),
        ] {
            let parts = parts(identity.clone());
            assert_eq!(value(&parts.start(), "RUNNER_ALLOW_RUNASROOT").is_some(), allowed, "{identity:?}");
            let is_other = matches!(identity, UserIdentity::Other(_));
            assert_eq!(parts.start().into_start().identity.is_some(), is_other);
        }
    }

    #[test]
    fn a_mac_has_its_own_defaults() {
        let parts = ordinary();
        let start = RunnerStart { platform: Platform { os: "osx", architecture: "arm64" }, ..parts.start() };
        assert!(value(&start, "PATH").unwrap().contains(":/opt/homebrew/bin:"));
        assert_eq!(value(&start, "LANG").as_deref(), Some("en_US.UTF-8"));
    }
}
