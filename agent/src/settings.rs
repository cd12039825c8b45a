//! The agent's configuration: one section per room, read from flags, environment, file and defaults in that order of
//! weight. Only checked values leave this file.

use std::path::{Path, PathBuf};

use hearth_cache_server::{UpstreamFile, UpstreamSettings};
use hearth_daemon::config::{ByteSize, ConfigError, Effective, Presence, Sources, TimeSpan};
use hearth_daemon::telemetry::LogFile;
use hearth_forge::{GithubFile, GithubSettings, InvalidSettings};
use hearth_host::cgroups::Limits;
use hearth_host::users;
use hearth_model::{Bytes, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compiler_cache::CompilerCacheFile;
use crate::environment::{CONFIG, Environment, SETTINGS};
use crate::runner::{RunnerFile, RunnerSettings, RunnerSettingsError};
use crate::slots::{LimitsError, SlotsFile};

/// `hearth.toml`, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HearthFile {
    /// Where Hearth keeps everything. Default: `/var/lib/hearth` for the superuser, `~/.local/state/hearth` else.
    pub state: Option<PathBuf>,
    pub slots: SlotsFile,
    /// The places at GitHub that this machine serves.
    pub github: Vec<GithubFile>,
    pub runner: RunnerFile,
    pub targets: TargetsFile,
    pub compiler_cache: CompilerCacheFile,
    pub cache: CacheFile,
    pub exec: ExecFile,
    pub admin: AdminFile,
    pub report: ReportFile,
    pub log: LogFile,
}

/// The section `[targets]`: warm build directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetsFile {
    /// Disk for snapshots and clones that are ready; the least recently used go first.
    pub budget: ByteSize,
    /// Room that is left to others on that disk.
    pub free_reserve: ByteSize,
}

impl Default for TargetsFile {
    fn default() -> Self {
        Self { budget: ByteSize(Bytes::gib(40)), free_reserve: ByteSize(Bytes::gib(2)) }
    }
}

/// The section `[cache]`: the compile cache node inside this agent, or another node to use instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheFile {
    /// Disk for compiled objects; the least recently used go first.
    pub budget: ByteSize,
    /// Room that is left to others on that disk.
    pub free_reserve: ByteSize,
    /// Where `hearth up` serves the node. Port 0 takes any free one.
    pub listen: String,
    /// Another node or an object store behind that of `hearth up`.
    pub upstream: UpstreamFile,
}

impl Default for CacheFile {
    fn default() -> Self {
        Self {
            budget: ByteSize(Bytes::gib(20)),
            free_reserve: ByteSize(Bytes::gib(2)),
            listen: "127.0.0.1:0".to_owned(),
            upstream: UpstreamFile::default(),
        }
    }
}

/// The section `[exec]`: jobs that a person starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExecFile {
    /// How long a job may go on after a signal was passed on to it, before it is killed.
    pub stop_grace: TimeSpan,
    /// A job that runs longer is stopped. Unset: no limit.
    pub time_limit: Option<TimeSpan>,
}

impl Default for ExecFile {
    fn default() -> Self {
        Self { stop_grace: TimeSpan(Millis::from_secs(10)), time_limit: None }
    }
}

/// The section `[admin]`: health, metrics and the dashboard of `hearth up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminFile {
    /// Address and port. Anything but loopback shows job names to whoever can reach it.
    pub listen: String,
    /// Host names by which the pages may be asked for, beside the loopback ones.
    pub host_names: Vec<String>,
}

impl Default for AdminFile {
    fn default() -> Self {
        Self { listen: "127.0.0.1:7788".to_owned(), host_names: Vec::new() }
    }
}

/// The section `[report]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportFile {
    /// The time zone in which months begin and end, like `Europe/Berlin`. Durations never depend on it.
    pub zone: String,
}

impl Default for ReportFile {
    fn default() -> Self {
        Self { zone: "UTC".to_owned() }
    }
}

/// What the rooms are given.
#[derive(Debug, Clone)]
pub struct Settings {
    pub state: PathBuf,
    /// Of each slot.
    pub limits: Limits,
    pub github: Vec<GithubSettings>,
    pub runner: RunnerSettings,
    /// What stands behind the daemon's cache node.
    pub upstream: Option<UpstreamSettings>,
    pub file: HearthFile,
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("there is no place for state: HOME is not set; name a directory with --state or HEARTH_STATE")]
    NoState,
    #[error("slots.count is {0}; it must be between 1 and 256")]
    SlotCount(u16),
    #[error(transparent)]
    Limits(#[from] LimitsError),
    #[error(transparent)]
    Github(InvalidSettings),
    #[error(transparent)]
    Runner(RunnerSettingsError),
    #[error("report.zone names {zone}")]
    Zone {
        zone: String,
        #[source]
        cause: Box<hearth_ledger::LedgerError>,
    },
    #[error("{key} is `{value}`, which is no address and port, like 127.0.0.1:7788")]
    Address { key: &'static str, value: String },
    #[error("{key} {message}")]
    Upstream { key: String, message: String },
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SettingsArgs {
    /// The configuration file [default: /etc/hearth/hearth.toml for root, ~/.config/hearth/hearth.toml else]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// Where Hearth keeps everything [default: /var/lib/hearth for root, ~/.local/state/hearth else]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Configuration")]
    pub state: Option<PathBuf>,
}

/// The configuration file in force: the one that a person named, which has to be there, or the one at its usual place.
pub fn file(args: &SettingsArgs, environment: &Environment) -> Option<(PathBuf, Presence)> {
    let named = args.config.clone().or_else(|| environment.text(CONFIG).map(PathBuf::from));
    match named {
        Some(path) => Some((path, Presence::Required)),
        None => environment.default_config(users::effective_uid()).map(|path| (path, Presence::Optional)),
    }
}

/// Reads and merges all sources; the file as written, with the origin of each value.
pub fn read(args: &SettingsArgs, environment: &Environment) -> Result<Effective<HearthFile>, ConfigError> {
    let mut sources = Sources::default();
    if let Some((path, presence)) = file(args, environment) {
        sources = sources.with_file(&path, presence)?;
    }
    sources = sources.with_environment(SETTINGS, |name| environment.get(name).map(Into::into))?;
    if let Some(state) = &args.state {
        sources = sources.with_flag("--state", "state", &state.to_string_lossy());
    }
    sources.load()
}

/// Checks what the types cannot.
pub fn check(file: HearthFile, environment: &Environment) -> Result<Settings, SettingsError> {
    if !(1..=256).contains(&file.slots.count) {
        return Err(SettingsError::SlotCount(file.slots.count));
    }
    let limits = file.slots.limits.check()?;
    let github = file.github.iter().cloned().map(GithubFile::check).collect::<Result<Vec<_>, _>>();
    let github = github.map_err(SettingsError::Github)?;
    let runner = file.runner.check().map_err(SettingsError::Runner)?;
    let zone = &file.report.zone;
    hearth_ledger::Period::month("2026-01", zone)
        .map_err(|cause| SettingsError::Zone { zone: zone.clone(), cause: Box::new(cause) })?;
    for (key, value) in [("admin.listen", &file.admin.listen), ("cache.listen", &file.cache.listen)] {
        if value.parse::<std::net::SocketAddr>().is_err() {
            return Err(SettingsError::Address { key, value: value.clone() });
        }
    }
    let upstream = file.cache.upstream.check();
    let upstream = upstream
        .map_err(|error| SettingsError::Upstream { key: error.key("cache.upstream"), message: error.message })?;
    let default = || environment.default_state(users::effective_uid());
    let state = file.state.clone().or_else(default).ok_or(SettingsError::NoState)?;
    Ok(Settings { state: absolute(&state), limits, github, runner, upstream, file })
}

pub fn load(args: &SettingsArgs, environment: &Environment) -> Result<Settings, SettingsError> {
    check(read(args, environment)?.value, environment)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
