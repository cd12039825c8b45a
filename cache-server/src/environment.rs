//! The environment of this process: the one place that reads it. Lists every variable that the server knows.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Variables that set a key of the configuration, with the key.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("HEARTH_CACHE_DIR", "dir"),
    ("HEARTH_CACHE_LISTEN", "http.listen"),
    ("HEARTH_CACHE_BUDGET", "store.budget"),
    (LOG, "log.filter"),
    ("HEARTH_LOG_FORMAT", "log.format"),
];

/// Where the configuration file stands.
pub(crate) const CONFIG: &str = "HEARTH_CACHE_CONFIG";
/// What is logged.
pub(crate) const LOG: &str = "HEARTH_LOG";

/// What this process was started with.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    pub(crate) fn of_this_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self { variables: pairs.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_os_str())
    }

    /// The value as text, when it is set, not empty, and text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str).filter(|text| !text.is_empty())
    }

    /// Where objects belong when nobody says otherwise: the system's place for the superuser, the user's own else.
    pub(crate) fn default_dir(&self, effective_uid: u32) -> Option<PathBuf> {
        if effective_uid == 0 {
            return Some(PathBuf::from("/var/lib/hearth-cache-server"));
        }
        self.below_home("XDG_STATE_HOME", ".local/state").map(|base| base.join("hearth-cache-server"))
    }

    /// Where the configuration file is looked for when nobody names one.
    pub(crate) fn default_config(&self, effective_uid: u32) -> Option<PathBuf> {
        const FILE: &str = "hearth/hearth-cache-server.toml";
        if effective_uid == 0 {
            return Some(PathBuf::from("/etc").join(FILE));
        }
        self.below_home("XDG_CONFIG_HOME", ".config").map(|base| base.join(FILE))
    }

    fn below_home(&self, variable: &str, usual: &str) -> Option<PathBuf> {
        let base = self.text(variable).map(PathBuf::from);
        base.or_else(|| Some(PathBuf::from(self.text("HOME")?).join(usual)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_systems_for_root_and_the_users_own_else() {
        let check = |pairs: &[(&str, &str)], uid, dir: Option<&str>, config: Option<&str>| {
            let environment = Environment::from_pairs(pairs);
            assert_eq!(environment.default_dir(uid), dir.map(PathBuf::from), "{pairs:?}");
            assert_eq!(environment.default_config(uid), config.map(PathBuf::from), "{pairs:?}");
        };
        let system = "/etc/hearth/hearth-cache-server.toml";
        check(&[("HOME", "/root")], 0, Some("/var/lib/hearth-cache-server"), Some(system));
        let config = "/h/.config/hearth/hearth-cache-server.toml";
        check(&[("HOME", "/h")], 1, Some("/h/.local/state/hearth-cache-server"), Some(config));
        let own = [("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("XDG_CONFIG_HOME", "/c")];
        check(&own, 1, Some("/s/hearth-cache-server"), Some("/c/hearth/hearth-cache-server.toml"));
        check(&[("HOME", "")], 1, None, None);
    }
}
