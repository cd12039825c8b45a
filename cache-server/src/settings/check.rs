//! From what was written to what can be used: every address, number and file is looked at once, and what is wrong is
//! said with the place where it was written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hearth_daemon::admin::{AdminSettings, Reach};
use hearth_daemon::config::{ByteSize, ConfigError, Effective};
use hearth_daemon::telemetry::{self, LogFile};
use hearth_host::users;
use hearth_model::Bytes;

use super::file::{AdminFile, LimitsFile, ServerFile};
use crate::config::{Limits, NodeConfig};
use crate::environment::Environment;

/// The word that switches a listener off.
const OFF: &str = "off";
/// Smaller stores could not even hold the outputs of one large crate.
const LEAST_BUDGET: Bytes = Bytes::mib(1);

/// What the rooms are given.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The server's directory. Objects are below it; key and sockets in it.
    pub(crate) dir: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) node: NodeConfig,
    pub(crate) admin: AdminSettings,
    pub(crate) log: LogFile,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("there is no place for objects: HOME is not set; name a directory with --dir or HEARTH_CACHE_DIR")]
    NoDir,
}

/// Checks what the types cannot.
pub(crate) fn check(read: &Effective<ServerFile>, environment: &Environment) -> Result<Settings, SettingsError> {
    let file = &read.value;
    let dir = file.dir.clone().or_else(|| environment.default_dir(users::effective_uid()));
    let dir = absolute(&dir.ok_or(SettingsError::NoDir)?);
    telemetry::check_filter(&file.log.filter).map_err(|error| read.refuse("log.filter", error.to_string()))?;
    let http = match file.http.listen.as_str() {
        OFF => None,
        text => Some(address(read, "http.listen", text, "127.0.0.1:4227, or \"off\"")?),
    };
    if http.is_none() {
        return Err(read.refuse("http.listen", "nothing is served: every listener is off").into());
    }
    let node = node(read, &dir)?;
    Ok(Settings {
        key_file: file.key_file.as_deref().map_or_else(|| dir.join("token.key"), absolute),
        http,
        node,
        admin: admin(read, &file.admin)?,
        log: file.log.clone(),
        dir,
    })
}

fn node(read: &Effective<ServerFile>, dir: &Path) -> Result<NodeConfig, ConfigError> {
    let store = &read.value.store;
    if store.budget.0 < LEAST_BUDGET {
        return Err(read.refuse("store.budget", format!("must be at least {}", ByteSize(LEAST_BUDGET))));
    }
    if store.max_object.0 == Bytes(0) {
        return Err(read.refuse("store.max_object", "must be more than nothing"));
    }
    let mut node = NodeConfig::new(dir.join("objects"), store.budget.0);
    node.free_reserve = store.free_reserve.0;
    node.max_object = store.max_object.0;
    node.memory = store.memory.0;
    node.limits = limits(read, &read.value.limits)?;
    Ok(node)
}

fn limits(read: &Effective<ServerFile>, file: &LimitsFile) -> Result<Limits, ConfigError> {
    let spans = [
        ("read", file.read),
        ("write", file.write),
        ("client_stall", file.client_stall),
        ("upload", file.upload),
        ("idle", file.idle),
    ];
    if let Some((name, _)) = spans.iter().find(|(_, span)| span.0.0 == 0) {
        return Err(read.refuse(&format!("limits.{name}"), "must be longer than nothing"));
    }
    if file.connections == 0 {
        return Err(read.refuse("limits.connections", "must be at least 1"));
    }
    Ok(Limits {
        read: file.read.0.to_duration(),
        write: file.write.0.to_duration(),
        client_stall: file.client_stall.0.to_duration(),
        upload: file.upload.0.to_duration(),
        idle: file.idle.0.to_duration(),
        connections: usize::try_from(file.connections).unwrap_or(usize::MAX),
        stop: file.stop.0.to_duration(),
        ..Limits::default()
    })
}

fn admin(read: &Effective<ServerFile>, file: &AdminFile) -> Result<AdminSettings, ConfigError> {
    let listen = address(read, "admin.listen", &file.listen, "127.0.0.1:7789")?;
    let reach = if file.network { Reach::Network } else { Reach::ThisMachine };
    if reach == Reach::ThisMachine && !listen.ip().is_loopback() {
        let message = "can be reached from other machines, and the pages have no password; choose a loopback address, \
                       or say `network = true`";
        return Err(read.refuse("admin.listen", message));
    }
    Ok(AdminSettings { listen, reach, names: file.host_names.clone() })
}

fn address(read: &Effective<ServerFile>, key: &str, text: &str, like: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| read.refuse(key, format!("`{text}` is no address and port, like {like}")))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
