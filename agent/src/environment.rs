//! The environment of this process: the one place that reads it. Lists every variable that Hearth knows.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Variables that set a key of the configuration, with the key.
pub const SETTINGS: &[(&str, &str)] = &[
    ("HEARTH_STATE", "state"),
    ("HEARTH_SLOTS", "slots.count"),
    ("HEARTH_TARGETS_BUDGET", "targets.budget"),
    ("HEARTH_CACHE_BUDGET", "cache.budget"),
    (SCCACHE, "compiler_cache.sccache"),
    ("HEARTH_LOG", "log.filter"),
    ("HEARTH_LOG_FORMAT", "log.format"),
];

/// Which sccache is used: `bundled`, `off`, or a path. Our compiler wrapper reads it too.
pub const SCCACHE: &str = "HEARTH_SCCACHE";
/// Where the configuration file stands.
pub const CONFIG: &str = "HEARTH_CONFIG";
/// Set in everything that a job starts, so that what a crash leaves behind can be found.
pub const EXECUTION: &str = "HEARTH_EXECUTION";
/// Where a forge's job finds the process that looks after it.
pub const HOOK_SOCKET: &str = "HEARTH_HOOK_SOCKET";
/// Set in everything that `hearth demo` starts, so that nothing of it is left when it ends.
pub const DEMO: &str = "HEARTH_DEMO";

/// What this process was started with.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    pub fn of_this_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self { variables: pairs.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect() }
    }

    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_os_str())
    }

    /// The value as text, when it is set, not empty, and text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str).filter(|text| !text.is_empty())
    }

    /// All variables that are text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().filter_map(|(n, v)| Some((n.to_str()?, v.to_str()?)))
    }

    pub fn home(&self) -> Option<PathBuf> {
        self.text("HOME").map(PathBuf::from)
    }

    /// Where cargo keeps registries.
    pub fn cargo_home(&self) -> Option<PathBuf> {
        self.text("CARGO_HOME").map(PathBuf::from).or_else(|| Some(self.home()?.join(".cargo")))
    }

    /// Where state belongs when nobody says otherwise: the system's place for the superuser, the user's own else.
    pub fn default_state(&self, effective_uid: u32) -> Option<PathBuf> {
        if effective_uid == 0 {
            return Some(PathBuf::from("/var/lib/hearth"));
        }
        let base = self.text("XDG_STATE_HOME").map(PathBuf::from);
        base.or_else(|| Some(self.home()?.join(".local/state"))).map(|base| base.join("hearth"))
    }

    /// Where the configuration file is looked for when nobody names one.
    pub fn default_config(&self, effective_uid: u32) -> Option<PathBuf> {
        if effective_uid == 0 {
            return Some(PathBuf::from("/etc/hearth/hearth.toml"));
        }
        let base = self.text("XDG_CONFIG_HOME").map(PathBuf::from);
        base.or_else(|| Some(self.home()?.join(".config"))).map(|base| base.join("hearth/hearth.toml"))
    }
}
