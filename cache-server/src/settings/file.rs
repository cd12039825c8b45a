//! `hearth-cache-server.toml`, as it is written. A commented example is in `docs/hearth-cache-server.example.toml`.

use std::path::PathBuf;

use hearth_daemon::config::{ByteSize, TimeSpan};
use hearth_daemon::telemetry::LogFile;
use hearth_model::{Bytes, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::allowances::AllowanceFile;
use super::retention::{RetentionFile, days};
use crate::upstream::UpstreamFile;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerFile {
    /// Where objects are kept. Default: `/var/lib/hearth-cache-server` for the superuser, else
    /// `~/.local/state/hearth-cache-server`.
    pub(crate) dir: Option<PathBuf>,
    /// The key that signs job tokens: 32 bytes, made when it is not there. Agents whose jobs may come here have the
    /// same. Default: `token.key` in `dir`.
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) http: HttpFile,
    pub(crate) tls: TlsFile,
    pub(crate) socket: SocketFile,
    pub(crate) store: StoreFile,
    pub(crate) retention: RetentionFile,
    pub(crate) upstream: UpstreamFile,
    pub(crate) access: AccessFile,
    pub(crate) limits: LimitsFile,
    pub(crate) admin: AdminFile,
    pub(crate) log: LogFile,
}

impl ServerFile {
    /// The same with what of another one can be had without a restart.
    pub(crate) fn with_changes_of(self, other: &Self) -> Self {
        let access = AccessFile { groups: self.access.groups, ..other.access.clone() };
        Self { access, upstream: UpstreamFile { mode: other.upstream.mode, ..self.upstream }, ..self }
    }
}

/// The section `[http]`: the port without encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpFile {
    /// Address and port, or "off". Port 0 takes any free one.
    pub(crate) listen: String,
    /// Scheme and host by which clients reach this server, for the addresses that GitHub's clients are handed out to
    /// upload to and download from. Unset: those that each client has used. Needed where a proxy hides them.
    pub(crate) public_url: Option<String>,
}

impl Default for HttpFile {
    fn default() -> Self {
        Self { listen: "127.0.0.1:4227".to_owned(), public_url: None }
    }
}

/// The section `[tls]`: the encrypted port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsFile {
    /// Address and port, or "off". Port 0 takes any free one.
    pub(crate) listen: String,
    /// PEM file: the server's certificate first, then those between it and its root.
    pub(crate) certificate_file: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    pub(crate) key_file: Option<PathBuf>,
    /// PEM file with the authorities whose certificates clients show. Unset: clients are not asked for one.
    pub(crate) client_ca_file: Option<PathBuf>,
    pub(crate) client_certificates: ClientCertificatesWord,
    /// How often the files are looked at; those that changed are used for connections from then on. SIGHUP does the
    /// same at once.
    pub(crate) reload: TimeSpan,
}

/// Whether clients must show a certificate where `client_ca_file` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientCertificatesWord {
    /// Connections without one end before any request.
    Required,
    /// One that is shown has to be good.
    Optional,
}

impl Default for TlsFile {
    fn default() -> Self {
        Self {
            listen: "off".to_owned(),
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            client_certificates: ClientCertificatesWord::Required,
            reload: TimeSpan(Millis::from_secs(30)),
        }
    }
}

/// The section `[socket]`: for processes of the same machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SocketFile {
    /// Where the socket is made. Unset: there is none.
    pub(crate) path: Option<PathBuf>,
    /// Who may connect, as for `chmod`: whoever may write.
    pub(crate) mode: String,
}

impl Default for SocketFile {
    fn default() -> Self {
        Self { path: None, mode: "0660".to_owned() }
    }
}

/// The section `[store]`: disk and memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreFile {
    /// Disk for objects.
    pub(crate) budget: ByteSize,
    /// Room that is left to others on that disk.
    pub(crate) free_reserve: ByteSize,
    /// Bigger objects are refused.
    pub(crate) max_object: ByteSize,
    /// Memory for objects that were read lately; "0B" switches it off.
    pub(crate) memory: ByteSize,
    pub(crate) durability: DurabilityWord,
    /// With `durability = "batch"`, the longest that an object waits for reaching the disk.
    pub(crate) sync: TimeSpan,
    /// The time in which everything on disk is read and checked once.
    pub(crate) scrub: TimeSpan,
}

/// When what was stored reaches the disk. Whatever is chosen, a power cut can only lose objects, never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DurabilityWord {
    /// When the system thinks fit.
    None,
    /// Within `sync`, behind the answers.
    Batch,
    /// Before the answer.
    Every,
}

impl Default for StoreFile {
    fn default() -> Self {
        Self {
            budget: ByteSize(Bytes::gib(20)),
            free_reserve: ByteSize(Bytes::gib(2)),
            max_object: ByteSize(Bytes::gib(1)),
            memory: ByteSize(Bytes::mib(64)),
            durability: DurabilityWord::Batch,
            sync: TimeSpan(Millis::from_secs(1)),
            scrub: TimeSpan(days(7)),
        }
    }
}

/// The section `[access]`: who shares what. Tokens are not here: `hearth-cache-server token` keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessFile {
    /// How much each branch's and each pull request's scope may hold; more is thrown away. Default: no limit of its own.
    pub(crate) scope_quota: Option<ByteSize>,
    /// What each job of a default branch may do.
    pub(crate) trusted: AllowanceFile,
    /// Each job of another branch.
    pub(crate) branches: AllowanceFile,
    /// Each job of a pull request from the same repository.
    pub(crate) pull_requests: AllowanceFile,
    /// Each job of a pull request from a fork. Its token says that it may store 2GiB.
    pub(crate) forks: AllowanceFile,
    /// Each job of a tag, a release, or an event without a rule.
    pub(crate) others: AllowanceFile,
    /// Each static token that was made without a limit of its own.
    pub(crate) tokens: AllowanceFile,
    /// Repositories that share what their default branches built.
    pub(crate) groups: Vec<GroupFile>,
}

/// One `[[access.groups]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupFile {
    pub(crate) name: String,
    /// `host/owner/name` of each.
    pub(crate) repositories: Vec<String>,
}

/// The section `[limits]`: how long and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsFile {
    /// A read that the disk or another node has not begun to answer by then is a miss.
    pub(crate) read: TimeSpan,
    /// A write that is not done by then, without the time that the client takes to send, is given up.
    pub(crate) write: TimeSpan,
    /// A client that neither sends nor takes a byte for this long is cut off.
    pub(crate) client_stall: TimeSpan,
    /// The longest that one upload may take, however steadily it trickles.
    pub(crate) upload: TimeSpan,
    /// The longest between two requests of a connection.
    pub(crate) idle: TimeSpan,
    /// The longest that a handshake and the head of a request may take, each from its first byte to its last.
    pub(crate) head: TimeSpan,
    /// Connections at once; further ones are closed at once and counted. Never more than the system gives descriptors
    /// for.
    pub(crate) connections: u32,
    /// The same for the connections of one address.
    pub(crate) connections_per_peer: u32,
    /// Requests under way on one connection of HTTP/2.
    pub(crate) streams: u32,
    /// A stop waits this long for requests that are under way.
    pub(crate) stop: TimeSpan,
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self {
            read: TimeSpan(Millis::from_secs(1)),
            write: TimeSpan(Millis::from_secs(2)),
            client_stall: TimeSpan(Millis::from_secs(10)),
            upload: TimeSpan(Millis::from_secs(60)),
            idle: TimeSpan(Millis::from_secs(120)),
            head: TimeSpan(Millis::from_secs(10)),
            connections: 1024,
            connections_per_peer: 512,
            streams: 64,
            stop: TimeSpan(Millis::from_secs(30)),
        }
    }
}

/// The section `[admin]`: health, readiness and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminFile {
    /// Address and port. The pages have no password.
    pub(crate) listen: String,
    /// Whether `listen` may be an address that other machines can reach.
    pub(crate) network: bool,
    /// Host names by which the pages may be asked for, beside the loopback ones.
    pub(crate) host_names: Vec<String>,
}

impl Default for AdminFile {
    fn default() -> Self {
        Self { listen: "127.0.0.1:7789".to_owned(), network: false, host_names: Vec::new() }
    }
}
