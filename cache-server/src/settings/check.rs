//! From what was written to what can be used: every address, number and file is looked at once, and what is wrong is
//! said with the place where it was written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_daemon::admin::{AdminSettings, Reach};
use hearth_daemon::config::{ByteSize, ConfigError, Effective, TimeSpan};
use hearth_daemon::telemetry::{self, LogFile};
use hearth_host::users;
use hearth_model::{Bytes, Millis};

use super::file::{AdminFile, ClientCertificatesWord, DurabilityWord, LimitsFile, ServerFile};
use super::{allowances, retention};
use crate::access::Groups;
use crate::config::{Durability, Limits, NodeConfig};
use crate::environment::Environment;
use crate::http::public::NotPublic;
use crate::transport::{ClientCertificates, TlsFiles};
use crate::upstream::UpstreamSettings;

/// The word that switches a listener off.
const OFF: &str = "off";
/// Smaller stores could not even hold the outputs of one large crate.
const LEAST_BUDGET: Bytes = Bytes::mib(1);
/// Looking at some files more often tells nothing sooner that anybody waits for.
const LEAST_RELOAD: Millis = Millis::from_secs(1);

/// What the rooms are given.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The server's directory. Objects are below it; key and sockets in it.
    pub(crate) dir: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) socket: Option<SocketSettings>,
    /// Without the upstream, whose secrets are read later.
    pub(crate) node: NodeConfig,
    pub(crate) upstream: Option<UpstreamSettings>,
    pub(crate) admin: AdminSettings,
    pub(crate) log: LogFile,
}

/// The encrypted port.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) files: TlsFiles,
    pub(crate) reload: Duration,
}

/// The Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SocketSettings {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
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
    let http = listener(read, "http.listen", &file.http.listen)?;
    let (tls, socket) = (tls(read)?, socket(read)?);
    if http.is_none() && tls.is_none() && socket.is_none() {
        return Err(read.refuse("http.listen", "nothing is served: every listener is off").into());
    }
    let node = node(read, &dir)?;
    let upstream = file.upstream.check();
    let upstream = upstream.map_err(|error| read.refuse(&error.key("upstream"), error.message))?;
    Ok(Settings {
        key_file: file.key_file.as_deref().map_or_else(|| dir.join("token.key"), absolute),
        http,
        tls,
        socket,
        node,
        upstream,
        admin: admin(read, &file.admin)?,
        log: file.log.clone(),
        dir,
    })
}

/// An address, unless it is switched off.
fn listener(read: &Effective<ServerFile>, key: &str, text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if text == OFF { Ok(None) } else { address(read, key, text, "127.0.0.1:4227, or \"off\"").map(Some) }
}

fn tls(read: &Effective<ServerFile>) -> Result<Option<TlsSettings>, ConfigError> {
    let file = &read.value.tls;
    let Some(listen) = listener(read, "tls.listen", &file.listen)? else { return Ok(None) };
    let needed = |path: &Option<PathBuf>, key: &str| {
        path.as_deref().map(absolute).ok_or_else(|| read.refuse(key, "must be set where `tls.listen` is"))
    };
    let clients = match (&file.client_ca_file, file.client_certificates) {
        (None, _) => ClientCertificates::No,
        (Some(path), ClientCertificatesWord::Required) => ClientCertificates::Required(absolute(path)),
        (Some(path), ClientCertificatesWord::Optional) => ClientCertificates::Optional(absolute(path)),
    };
    if file.reload.0 < LEAST_RELOAD {
        return Err(read.refuse("tls.reload", format!("must be at least {}", TimeSpan(LEAST_RELOAD))));
    }
    let certificate = needed(&file.certificate_file, "tls.certificate_file")?;
    let key = needed(&file.key_file, "tls.key_file")?;
    Ok(Some(TlsSettings { listen, files: TlsFiles { certificate, key, clients }, reload: file.reload.0.to_duration() }))
}

fn socket(read: &Effective<ServerFile>) -> Result<Option<SocketSettings>, ConfigError> {
    let file = &read.value.socket;
    let mode = u32::from_str_radix(&file.mode, 8).ok().filter(|mode| *mode <= 0o777);
    let mode = mode.ok_or_else(|| read.refuse("socket.mode", "must be an octal number like \"0660\""))?;
    Ok(file.path.as_deref().map(|path| SocketSettings { path: absolute(path), mode }))
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
    let access = &read.value.access;
    let groups = access.groups.iter().map(|group| (group.name.as_str(), group.repositories.as_slice()));
    node.groups = Groups::new(groups).map_err(|error| read.refuse("access.groups", error.to_string()))?;
    node.allowances = allowances::check(read)?;
    node.scope_quota = access.scope_quota.map(|quota| quota.0);
    let public_url = read.value.http.public_url.as_deref().map(str::parse).transpose();
    node.public_url = public_url.map_err(|error: NotPublic| read.refuse("http.public_url", error.to_string()))?;
    node.limits = limits(read, &read.value.limits)?;
    if store.sync.0.0 == 0 || store.scrub.0.0 == 0 {
        let key = if store.sync.0.0 == 0 { "store.sync" } else { "store.scrub" };
        return Err(read.refuse(key, "must be longer than nothing"));
    }
    node.limits.sync = store.sync.0.to_duration();
    node.limits.scrub = store.scrub.0.to_duration();
    node.durability = match store.durability {
        DurabilityWord::None => Durability::None,
        DurabilityWord::Batch => Durability::Batch,
        DurabilityWord::Every => Durability::Every,
    };
    (node.retention, node.artifacts) = retention::check(read)?;
    Ok(node)
}

fn limits(read: &Effective<ServerFile>, file: &LimitsFile) -> Result<Limits, ConfigError> {
    let spans = [
        ("read", file.read),
        ("write", file.write),
        ("client_stall", file.client_stall),
        ("upload", file.upload),
        ("idle", file.idle),
        ("head", file.head),
    ];
    if let Some((name, _)) = spans.iter().find(|(_, span)| span.0.0 == 0) {
        return Err(read.refuse(&format!("limits.{name}"), "must be longer than nothing"));
    }
    let numbers = [
        ("connections", file.connections),
        ("connections_per_peer", file.connections_per_peer),
        ("streams", file.streams),
    ];
    if let Some((name, _)) = numbers.iter().find(|(_, number)| *number == 0) {
        return Err(read.refuse(&format!("limits.{name}"), "must be at least 1"));
    }
    let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Limits {
        read: file.read.0.to_duration(),
        write: file.write.0.to_duration(),
        client_stall: file.client_stall.0.to_duration(),
        upload: file.upload.0.to_duration(),
        idle: file.idle.0.to_duration(),
        head: file.head.0.to_duration(),
        connections: count(file.connections),
        connections_per_peer: count(file.connections_per_peer),
        streams: file.streams,
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
