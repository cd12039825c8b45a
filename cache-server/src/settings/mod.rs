//! The server's configuration: read from flags, environment, file and defaults in that order of weight. Only checked
//! values leave this room; of secrets only the names of their files come in.

mod allowances;
mod check;
mod file;
mod retention;

use std::path::PathBuf;

use hearth_daemon::config::{ConfigError, Effective, Presence, Sources};
use hearth_host::users;

pub(crate) use check::{Settings, SettingsError, check};
pub(crate) use file::ServerFile;

use crate::environment::{CONFIG, Environment, SETTINGS};

/// Flags that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct SettingsArgs {
    /// The configuration file [default: /etc/hearth/hearth-cache-server.toml for root, below ~/.config/hearth else]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Configuration")]
    pub(crate) config: Option<PathBuf>,
    /// Where objects are kept [default: /var/lib/hearth-cache-server for root, below ~/.local/state else]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Configuration")]
    pub(crate) dir: Option<PathBuf>,
}

/// Values that a command sets by flags of its own: flag, key, text.
pub(crate) type FlagValues<'a> = &'a [(&'a str, &'a str, &'a str)];

/// Reads and merges all sources; the file as written, with the origin of each value.
pub(crate) fn read(
    args: &SettingsArgs,
    flags: FlagValues<'_>,
    environment: &Environment,
) -> Result<Effective<ServerFile>, ConfigError> {
    let mut sources = Sources::default();
    let named = args.config.clone().or_else(|| environment.text(CONFIG).map(PathBuf::from));
    if let Some(path) = named {
        sources = sources.with_file(&path, Presence::Required)?;
    } else if let Some(path) = environment.default_config(users::effective_uid()) {
        sources = sources.with_file(&path, Presence::Optional)?;
    }
    sources = sources.with_environment(SETTINGS, |name| environment.get(name).map(Into::into))?;
    if let Some(dir) = &args.dir {
        sources = sources.with_flag("--dir", "dir", &dir.to_string_lossy());
    }
    for (flag, key, text) in flags {
        sources = sources.with_flag(flag, key, text);
    }
    sources.load()
}

/// Where this process has its configuration from, to read it once more.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) args: SettingsArgs,
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
    pub(crate) environment: Environment,
}

impl Origin {
    pub(crate) fn read(&self) -> Result<Effective<ServerFile>, ConfigError> {
        let flags: Vec<_> = self.flags.iter().map(|(flag, key, text)| (*flag, *key, text.as_str())).collect();
        read(&self.args, &flags, &self.environment)
    }

    pub(crate) fn check(&self, read: &Effective<ServerFile>) -> Result<Settings, SettingsError> {
        check(read, &self.environment)
    }
}

#[cfg(test)]
mod tests;
