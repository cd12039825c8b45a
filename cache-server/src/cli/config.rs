//! `hearth-cache-server config check|show|schema`: the configuration as a person sees it.

use std::io::{self, Write};
use std::path::PathBuf;

use hearth_daemon::config::{ConfigError, Presence, Sources, schema};

use crate::environment::Environment;
use crate::settings::{self, ServerFile, SettingsArgs, SettingsError};
use crate::upstream::{UpstreamError, UpstreamSettings};

#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigCommandError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot use the upstream")]
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
Flags win over the environment (HEARTH_CACHE_DIR, HEARTH_CACHE_LISTEN, HEARTH_CACHE_BUDGET), the environment over the \
file, the file over the defaults. A commented example is in docs/hearth-cache-server.example.toml.")]
pub(super) enum ConfigCommand {
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

pub(super) fn run(
    command: &ConfigCommand,
    args: &SettingsArgs,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), ConfigCommandError> {
    let text = match command {
        ConfigCommand::Schema => format!("{:#}\n", schema::<ServerFile>()),
        ConfigCommand::Show => {
            let effective = settings::read(args, &[], environment)?;
            settings::check(&effective, environment)?;
            effective.show()?
        }
        ConfigCommand::Check { file } => {
            let effective = match file {
                Some(path) => Sources::default().with_file(path, Presence::Required)?.load::<ServerFile>()?,
                None => settings::read(args, &[], environment)?,
            };
            let settings = settings::check(&effective, environment)?;
            settings.upstream.as_ref().map(UpstreamSettings::open).transpose().map_err(ConfigCommandError::Upstream)?;
            format!("the configuration is right; objects are kept in {}\n", settings.dir.display())
        }
    };
    out.write_all(text.as_bytes()).map_err(ConfigCommandError::Write)
}
