//! `hearth config check|show|schema`: the configuration as a person sees it.

use std::io::{self, Write};
use std::path::PathBuf;

use hearth_cache_server::{UpstreamError, UpstreamSettings};
use hearth_daemon::config::{ConfigError, Presence, Sources, schema};

use crate::environment::Environment;
use crate::settings::{self, HearthFile, SettingsArgs, SettingsError};

#[derive(Debug, thiserror::Error)]
pub enum ConfigCommandError {
    #[error(transparent)]
    Settings(SettingsError),
    #[error("cannot use what is behind the cache")]
    Upstream(#[source] UpstreamError),
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

impl From<ConfigError> for ConfigCommandError {
    fn from(error: ConfigError) -> Self {
        Self::Settings(SettingsError::Config(error))
    }
}

/// Check, show or describe the configuration
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Flags win over the environment (HEARTH_STATE, HEARTH_SLOTS, …), the environment over the file, the file over the \
defaults. A commented example is in docs/hearth.example.toml.")]
pub enum ConfigCommand {
    /// Read everything and say whether it is right; exit code 78 when it is not
    Check {
        /// The file to check [default: the one that would be used]
        file: Option<PathBuf>,
    },
    /// Print the configuration in force as TOML, with the origin of every value
    Show,
    /// Print the JSON schema of the file, for editors
    Schema,
}

pub fn run(
    command: &ConfigCommand,
    args: &SettingsArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), ConfigCommandError> {
    let text = match command {
        ConfigCommand::Schema => format!("{:#}\n", schema::<HearthFile>()),
        ConfigCommand::Show => {
            let effective = settings::read(args, environment)?;
            let shown = effective.show()?;
            settings::check(effective.value, environment).map_err(ConfigCommandError::Settings)?;
            shown
        }
        ConfigCommand::Check { file } => {
            let effective = match file {
                Some(path) => Sources::default().with_file(path, Presence::Required)?.load::<HearthFile>()?,
                None => settings::read(args, environment)?,
            };
            let settings = settings::check(effective.value, environment).map_err(ConfigCommandError::Settings)?;
            let opened = settings.upstream.as_ref().map(UpstreamSettings::open).transpose();
            opened.map_err(ConfigCommandError::Upstream)?;
            format!("the configuration is right; state is kept in {}\n", settings.state.display())
        }
    };
    out.write_all(text.as_bytes()).map_err(ConfigCommandError::Write)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_shipped_example_is_the_default_in_every_value() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hearth.example.toml");
        let read = Sources::default().with_file(&example, Presence::Required).unwrap().load::<HearthFile>().unwrap();
        assert_eq!(read.value, HearthFile::default());
    }

    #[test]
    fn every_variable_names_a_key_that_exists() {
        for (variable, key) in crate::environment::SETTINGS {
            let text = match *key {
                "slots.count" => "3",
                key if key.ends_with("budget") => "1GiB",
                "log.format" => "json",
                _ => "/x",
            };
            let read = Sources::default()
                .with_environment(&[(variable, key)], |_| Some(text.into()))
                .and_then(Sources::load::<HearthFile>);
            assert!(read.is_ok(), "{variable} -> {key}: {read:?}");
        }
    }
}
