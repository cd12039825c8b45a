//! The table `[upstream]` of a configuration file: the server's, and below `[cache]` the agent's. `UpstreamFile` is what
//! stands in the file, `UpstreamSettings` what was checked; its secrets are read last, by whoever asks the upstream.

use std::num::NonZeroU32;
use std::path::PathBuf;

use hearth_daemon::config::{ByteSize, TimeSpan};
use hearth_daemon::secrets::{self, SecretFile};
use hearth_model::{Bytes, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UpstreamError;
use super::config::{S3Credentials, UpstreamConfig, UpstreamMode, UpstreamPlace};
use super::remote::peer_address;
use crate::secret::Secret;

/// The section `[upstream]`: another node or an object store behind the disk. It may hang or fail: that costs hits and
/// never a build. One of `peer`, `s3`, `gcs` and `azure`; none: there is nothing behind the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamFile {
    pub mode: UpstreamMode,
    /// Requests at once, reads and writes each.
    pub calls: NonZeroU32,
    /// A whole read, however steadily it trickles. It has to begin within the node's own limit for reads.
    pub whole_read: TimeSpan,
    /// A whole write. Nobody waits for it.
    pub write: TimeSpan,
    /// How long an answer that there is no such object is believed.
    pub absent: TimeSpan,
    /// Bigger objects stay here.
    pub max_object: ByteSize,
    /// How many objects may wait to go up; the oldest are let go.
    pub queue_objects: NonZeroU32,
    /// The same in bytes.
    pub queue_bytes: ByteSize,
    /// So many failures in a row, or one silence, and nothing is asked for `breaker_pause`, longer each time.
    pub breaker_failures: NonZeroU32,
    pub breaker_pause: TimeSpan,
    pub peer: Option<Box<PeerFile>>,
    pub s3: Option<Box<S3File>>,
    pub gcs: Option<Box<GcsFile>>,
    pub azure: Option<Box<AzureFile>>,
}

impl Default for UpstreamFile {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).expect("no default is zero");
        Self {
            mode: UpstreamMode::Online,
            calls: number(16),
            whole_read: TimeSpan(Millis::from_secs(30)),
            write: TimeSpan(Millis::from_minutes(2)),
            absent: TimeSpan(Millis::from_secs(30)),
            max_object: ByteSize(Bytes::mib(256)),
            queue_objects: number(100_000),
            queue_bytes: ByteSize(Bytes::gib(20)),
            breaker_failures: number(3),
            breaker_pause: TimeSpan(Millis::from_secs(5)),
            peer: None,
            s3: None,
            gcs: None,
            azure: None,
        }
    }
}

/// Another node: a hearth-cache-server, or an agent's. All nodes that exchange objects have the same `token.key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerFile {
    /// Like `https://cache.example:8900/`.
    pub url: String,
    /// A file with a token that has the right of a peer there: `hearth-cache-server token new NAME --kind peer`.
    pub token_file: SecretFile,
    /// Certificates to trust beside the system's, in PEM form.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// S3, or something that speaks like it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3File {
    pub bucket: String,
    /// Unset: `us-east-1`, which most that only speak like S3 take for an answer.
    #[serde(default)]
    pub region: Option<String>,
    /// Unset: Amazon's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Where in the bucket.
    #[serde(default)]
    pub prefix: String,
    /// With `secret_access_key_file`. Without both: the `AWS_*` variables, `~/.aws` or the machine's role.
    #[serde(default)]
    pub access_key_id: Option<String>,
    #[serde(default)]
    pub secret_access_key_file: Option<SecretFile>,
    /// Certificates to trust beside the system's, in PEM form.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Google Cloud Storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcsFile {
    pub bucket: String,
    #[serde(default)]
    pub prefix: String,
    /// A service account's key, as Google hands it out. Without: what the machine has.
    #[serde(default)]
    pub credentials_file: Option<SecretFile>,
}

/// Azure Blob Storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureFile {
    pub container: String,
    /// Like `https://ACCOUNT.blob.core.windows.net`.
    pub endpoint: String,
    #[serde(default)]
    pub prefix: String,
    pub account: String,
    pub account_key_file: SecretFile,
}

/// What cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUpstream {
    /// Below the table; empty for the table itself.
    key: &'static str,
    pub message: String,
}

impl InvalidUpstream {
    /// The whole key, where the table is called so.
    pub fn key(&self, table: &str) -> String {
        if self.key.is_empty() { table.to_owned() } else { format!("{table}.{}", self.key) }
    }
}

/// A checked table that names a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    place: Place,
    file: UpstreamFile,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Peer(Box<PeerFile>),
    S3(Box<S3File>),
    Gcs(Box<GcsFile>),
    Azure(Box<AzureFile>),
}

impl UpstreamFile {
    /// Checks what the types cannot. Reads no file and asks nobody.
    pub fn check(&self) -> Result<Option<UpstreamSettings>, InvalidUpstream> {
        let places = [
            self.peer.clone().map(Place::Peer),
            self.s3.clone().map(Place::S3),
            self.gcs.clone().map(Place::Gcs),
            self.azure.clone().map(Place::Azure),
        ];
        let mut places = places.into_iter().flatten();
        let place = match (places.next(), places.next()) {
            (None, _) if *self == Self::default() => return Ok(None),
            (None, _) => return Err(invalid("", "names no place: give one of peer, s3, gcs and azure")),
            (Some(place), None) => place,
            (Some(_), Some(_)) => return Err(invalid("", "names more than one place")),
        };
        place.check()?;
        let spans = [
            ("whole_read", self.whole_read),
            ("write", self.write),
            ("absent", self.absent),
            ("breaker_pause", self.breaker_pause),
        ];
        if let Some((key, _)) = spans.iter().find(|(_, span)| span.0 == Millis(0)) {
            return Err(invalid(key, "must be longer than nothing"));
        }
        let sizes = [("max_object", self.max_object), ("queue_bytes", self.queue_bytes)];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| size.0 == Bytes(0)) {
            return Err(invalid(key, "must be more than nothing"));
        }
        Ok(Some(UpstreamSettings { place, file: self.clone() }))
    }

    /// How a place is treated, as this table has it.
    pub(super) fn with_place(&self, place: UpstreamPlace) -> UpstreamConfig {
        let count = |number: NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
        UpstreamConfig {
            place,
            mode: self.mode,
            calls: count(self.calls),
            whole_read: self.whole_read.0.to_duration(),
            write: self.write.0.to_duration(),
            absent: self.absent.0.to_duration(),
            max_object: self.max_object.0,
            queue_objects: count(self.queue_objects),
            queue_bytes: self.queue_bytes.0,
            breaker_failures: self.breaker_failures.get(),
            breaker_pause: self.breaker_pause.0.to_duration(),
        }
    }
}

impl Place {
    fn check(&self) -> Result<(), InvalidUpstream> {
        let given = |key, text: &str| if text.is_empty() { Err(invalid(key, "must not be empty")) } else { Ok(()) };
        match self {
            Self::Peer(peer) => match peer_address(&peer.url) {
                Ok(_) => Ok(()),
                Err(error) => Err(invalid("peer.url", error.to_string())),
            },
            Self::S3(s3) if s3.access_key_id.is_some() != s3.secret_access_key_file.is_some() => {
                Err(invalid("s3.access_key_id", "and `secret_access_key_file` belong together"))
            }
            Self::S3(s3) => given("s3.bucket", &s3.bucket),
            Self::Gcs(gcs) => given("gcs.bucket", &gcs.bucket),
            Self::Azure(azure) => {
                given("azure.container", &azure.container)?;
                given("azure.endpoint", &azure.endpoint)?;
                given("azure.account", &azure.account)
            }
        }
    }
}

impl UpstreamSettings {
    /// Reads the secrets. Asks nobody. Blocks.
    pub fn open(&self) -> Result<UpstreamConfig, UpstreamError> {
        let place = match self.place.clone() {
            Place::Peer(peer) => {
                UpstreamPlace::Peer { endpoint: peer.url, token: read(&peer.token_file)?, ca: peer.ca_file }
            }
            Place::S3(s3) => {
                let credentials = s3.access_key_id.zip(s3.secret_access_key_file.as_ref());
                let credentials = credentials.map(|(access_key_id, file)| {
                    Ok::<_, UpstreamError>(S3Credentials { access_key_id, secret_access_key: read(file)? })
                });
                UpstreamPlace::S3 {
                    bucket: s3.bucket,
                    region: s3.region.unwrap_or_else(|| "us-east-1".to_owned()),
                    endpoint: s3.endpoint,
                    prefix: s3.prefix,
                    credentials: credentials.transpose()?,
                    ca: s3.ca_file,
                }
            }
            Place::Gcs(gcs) => {
                // Google's client reads the file itself; here it is seen that nobody else can.
                if let Some(file) = &gcs.credentials_file {
                    read(file)?;
                }
                let credentials = gcs.credentials_file.map(|file| file.path().to_owned());
                UpstreamPlace::Gcs { bucket: gcs.bucket, prefix: gcs.prefix, credentials }
            }
            Place::Azure(azure) => UpstreamPlace::Azure {
                container: azure.container,
                endpoint: azure.endpoint,
                prefix: azure.prefix,
                account: azure.account,
                key: read(&azure.account_key_file)?,
            },
        };
        Ok(self.file.with_place(place))
    }

    /// The place, for people.
    pub fn place(&self) -> String {
        match &self.place {
            Place::Peer(peer) => peer.url.clone(),
            Place::S3(s3) => match &s3.endpoint {
                Some(endpoint) => format!("bucket {} at {endpoint}", s3.bucket),
                None => format!("bucket {} of Amazon S3", s3.bucket),
            },
            Place::Gcs(gcs) => format!("bucket {} of Google Cloud Storage", gcs.bucket),
            Place::Azure(azure) => format!("container {} at {}", azure.container, azure.endpoint),
        }
    }
}

fn read(file: &SecretFile) -> Result<Secret, UpstreamError> {
    let secret = file.read(secrets::exposure).map_err(UpstreamError::Secret)?;
    Ok(Secret::new(secret.expose().to_owned()))
}

fn invalid(key: &'static str, message: impl Into<String>) -> InvalidUpstream {
    InvalidUpstream { key, message: message.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn parsed(text: &str) -> UpstreamFile {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_empty_table_is_no_upstream() {
        assert_eq!(parsed("").check(), Ok(None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_key() {
        let peer = "peer = { url = 'https://c.example/', token_file = '/t' }\n";
        let s3 = "s3 = { bucket = 'b' }\n";
        for (text, said) in [
            ("mode = 'offline'".to_owned(), "`upstream` names no place"),
            (format!("{peer}{s3}"), "`upstream` names more than one place"),
            ("peer = { url = 'c.example', token_file = '/t' }".to_owned(), "`upstream.peer.url` `c.example` is not"),
            ("peer = { url = 'ftp://c/', token_file = '/t' }".to_owned(), "`upstream.peer.url` `ftp://c/` is not"),
            ("s3 = { bucket = '' }".to_owned(), "`upstream.s3.bucket` must not be empty"),
            ("s3 = { bucket = 'b', access_key_id = 'x' }".to_owned(), "`upstream.s3.access_key_id` and"),
            ("s3 = { bucket = 'b', secret_access_key_file = 'x' }".to_owned(), "`upstream.s3.access_key_id` and"),
            (format!("write = '0s'\n{peer}"), "`upstream.write` must be longer"),
            (format!("queue_bytes = '0B'\n{peer}"), "`upstream.queue_bytes` must be more"),
        ] {
            let refused = parsed(&text).check().unwrap_err();
            let refused = format!("`{}` {}", refused.key("upstream"), refused.message);
            assert!(refused.starts_with(said), "{text}: {refused}");
        }
        for text in ["calls = 0", "breaker_failures = 0", "mode = 'sometimes'", "peer = { url = 'x' }", "s4 = {}"] {
            assert!(toml::from_str::<UpstreamFile>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_read_from_files_that_nobody_else_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let quoted = format!("{:?}", file.display().to_string());
        let places = [
            format!("peer = {{ url = 'https://c.example/', token_file = {quoted} }}"),
            format!("s3 = {{ bucket = 'b', access_key_id = 'x', secret_access_key_file = {quoted} }}"),
            format!("gcs = {{ bucket = 'b', credentials_file = {quoted} }}"),
            format!("azure = {{ container = 'c', endpoint = 'e', account = 'a', account_key_file = {quoted} }}"),
        ];
        for text in places {
            let settings = parsed(&text).check().unwrap().unwrap();
            let _not_there = fs::remove_file(&file);
            assert!(matches!(settings.open(), Err(UpstreamError::Secret(_))), "{text}");
            fs::write(&file, "s3cret\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(settings.open(), Err(UpstreamError::Secret(_))), "{text}");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let config = settings.open().unwrap();
            assert!(!format!("{settings:?} {config:?} {}", settings.place()).contains("s3cret"), "{text}");
        }
    }
}
