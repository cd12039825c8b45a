//! What the fake GitHub and the fake runner say to each other below `<base>/_runner`. The official runner's own protocol
//! is not documented, so the two fakes have one of their own; only its JIT configuration has the official form. Types
//! only: neither side's behavior stands here.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// `errorKind` of a 426: the registration's service takes no runner of this version.
pub const VERSION_TOO_OLD: &str = "RunnerVersionTooOld";

/// `.runner`, the first file of a JIT configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunnerFile {
    pub agent_id: u64,
    pub agent_name: String,
    pub pool_id: u32,
    pub pool_name: String,
    pub disable_update: bool,
    pub ephemeral: bool,
    /// `<base>/_runner`.
    pub server_url: String,
    pub git_hub_url: String,
    pub work_folder: String,
    pub use_v2_flow: bool,
}

/// `.credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CredentialsFile {
    pub scheme: String,
    pub data: CredentialsData,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsData {
    pub client_id: String,
    pub authorization_url: String,
}

/// `.credentials_rsaparams`: the official file holds a private key, this one a shared secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    pub secret: String,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile(****)")
    }
}

/// The files of one runner's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JitConfiguration {
    pub runner: RunnerFile,
    pub credentials: CredentialsFile,
    pub key: KeyFile,
}

#[derive(Debug, thiserror::Error)]
pub enum BadJitConfiguration {
    #[error("the JIT configuration is not base64")]
    Base64,
    #[error("the JIT configuration is not a JSON object of file names and base64 texts")]
    Map(#[source] serde_json::Error),
    #[error("the JIT configuration has no file {name}")]
    Missing { name: &'static str },
    #[error("file {name} of the JIT configuration is not base64")]
    FileBase64 { name: &'static str },
    #[error("file {name} of the JIT configuration cannot be read")]
    File {
        name: &'static str,
        #[source]
        cause: serde_json::Error,
    },
}

const RUNNER: &str = ".runner";
const CREDENTIALS: &str = ".credentials";
const KEY: &str = ".credentials_rsaparams";

impl JitConfiguration {
    /// Base64 of a JSON object: file name to base64 of the file's text.
    pub fn encode(&self) -> String {
        let file = |value: serde_json::Result<String>| STANDARD.encode(value.expect("plain structures are JSON"));
        let files = BTreeMap::from([
            (RUNNER, file(serde_json::to_string(&self.runner))),
            (CREDENTIALS, file(serde_json::to_string(&self.credentials))),
            (KEY, file(serde_json::to_string(&self.key))),
        ]);
        STANDARD.encode(serde_json::to_string(&files).expect("a map of strings is JSON"))
    }

    pub fn decode(encoded: &str) -> Result<Self, BadJitConfiguration> {
        let files = STANDARD.decode(encoded.trim()).map_err(|_| BadJitConfiguration::Base64)?;
        let files: BTreeMap<String, String> = serde_json::from_slice(&files).map_err(BadJitConfiguration::Map)?;
        Ok(Self {
            runner: decode_file(&files, RUNNER)?,
            credentials: decode_file(&files, CREDENTIALS)?,
            key: decode_file(&files, KEY)?,
        })
    }
}

fn decode_file<T: for<'a> Deserialize<'a>>(
    files: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<T, BadJitConfiguration> {
    let text = files.get(name).ok_or(BadJitConfiguration::Missing { name })?;
    let text = STANDARD.decode(text).map_err(|_| BadJitConfiguration::FileBase64 { name })?;
    serde_json::from_slice(&text).map_err(|cause| BadJitConfiguration::File { name, cause })
}

/// `POST sessions`: 200 with [`Session`], 404 when the registration is gone, 409 when the agent has a session, 426 with
/// [`Refused`] when the version is too old.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenSession {
    pub agent_id: u64,
    pub agent_name: String,
    pub version: String,
    /// As REST lists it: `linux`, `macos`, `windows`.
    pub os: String,
    pub secret: String,
}

impl fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent_id, agent_name, version, os, secret: _ } = self;
        write!(f, "OpenSession({agent_id} {agent_name} {version} {os} ****)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub session_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    pub error_kind: String,
    pub message: String,
}

/// `GET sessions/{id}/message?wait_ms=N`: 200 with this, 202 when there was no job in that time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobMessage {
    /// A UUID, as in scale-set messages.
    pub job_id: String,
    pub request_id: i64,
    pub display_name: String,
    /// Every `GITHUB_*` value that the service knows, by its name in lower case without the prefix: `run_id`, `job`.
    pub github: BTreeMap<String, String>,
    /// The event's payload, which the runner puts on disk at `GITHUB_EVENT_PATH`.
    pub event: serde_json::Value,
    /// The workflow's and the job's `env:`.
    pub env: BTreeMap<String, String>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub name: String,
    #[serde(flatten)]
    pub action: Action,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default, rename = "if")]
    pub condition: Condition,
    #[serde(default)]
    pub is_container: bool,
}

/// What a step does: `"run": script` or `"checkout": {…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// A script for `bash --noprofile --norc -e -o pipefail`.
    Run(String),
    Checkout(Checkout),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkout {
    pub url: String,
    /// A ref or a commit.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Below the workspace; the workspace itself when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    #[default]
    #[serde(rename = "success()")]
    Success,
    #[serde(rename = "always()")]
    Always,
    #[serde(rename = "failure()")]
    Failure,
}

/// `POST jobs/{jobId}/acquire`: 200 when the job is this session's from now on, 409 when it is not or never was.
/// `POST jobs/{jobId}/renew`: 200 with [`Renewed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfSession {
    pub session_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// Somebody canceled the job; the runner ends it.
    pub cancel: bool,
}

/// `POST jobs/{jobId}/complete`: 200; 409 when the job is not this session's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompleteJob {
    pub session_id: String,
    pub result: JobResult,
    pub steps: Vec<StepResult>,
    pub log: String,
    /// Markdown, one for each step that wrote one.
    pub summaries: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobResult {
    Succeeded,
    Failed,
    Canceled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepResult {
    pub name: String,
    pub conclusion: Conclusion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Conclusion {
    Success,
    Failure,
    Cancelled,
    Skipped,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration() -> JitConfiguration {
        JitConfiguration {
            runner: RunnerFile {
                agent_id: 7,
                agent_name: "oven-1".to_owned(),
                pool_id: 1,
                pool_name: "Default".to_owned(),
                disable_update: true,
                ephemeral: true,
                server_url: "http://127.0.0.1:1/_runner".to_owned(),
                git_hub_url: "http://127.0.0.1:1/acme".to_owned(),
                work_folder: "_work".to_owned(),
                use_v2_flow: true,
            },
            credentials: CredentialsFile {
                scheme: "OAuth".to_owned(),
                data: CredentialsData {
                    client_id: "c".to_owned(),
                    authorization_url: "http://127.0.0.1:1/_runner/token".to_owned(),
                },
            },
            key: KeyFile { secret: "s".to_owned() },
        }
    }

    #[test]
    fn a_jit_configuration_survives_its_encoding() {
        let configuration = configuration();
        assert_eq!(JitConfiguration::decode(&configuration.encode()).unwrap(), configuration);
    }

    #[test]
    fn the_runner_file_has_the_official_keys() {
        let file = serde_json::to_value(configuration().runner).unwrap();
        let mut keys: Vec<_> = file.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(
            keys,
            [
                "AgentId",
                "AgentName",
                "DisableUpdate",
                "Ephemeral",
                "GitHubUrl",
                "PoolId",
                "PoolName",
                "ServerUrl",
                "UseV2Flow",
                "WorkFolder"
            ]
        );
    }

    #[test]
    fn a_configuration_that_is_none_says_what_is_wrong() {
        let without_key = STANDARD.encode(format!("{{\".runner\":\"{}\"}}", STANDARD.encode("{}")));
        for (encoded, wrong) in [
            ("%".to_owned(), "the JIT configuration is not base64"),
            (STANDARD.encode("[]"), "the JIT configuration is not a JSON object of file names and base64 texts"),
            (STANDARD.encode("{}"), "the JIT configuration has no file .runner"),
            (STANDARD.encode("{\".runner\":\"%\"}"), "file .runner of the JIT configuration is not base64"),
            (without_key, "file .runner of the JIT configuration cannot be read"),
        ] {
            assert_eq!(JitConfiguration::decode(&encoded).unwrap_err().to_string(), wrong);
        }
    }

    #[test]
    fn steps_read_as_in_a_workflow() {
        let run = json!({"name": "build", "run": "cargo build", "env": {}, "if": "always()", "isContainer": false});
        let step: Step = serde_json::from_value(run.clone()).unwrap();
        assert_eq!(step.action, Action::Run("cargo build".to_owned()));
        assert_eq!(step.condition, Condition::Always);
        assert_eq!(serde_json::to_value(step).unwrap(), run);
        let checkout: Step =
            serde_json::from_value(json!({"name": "get", "checkout": {"url": "file:///r", "ref": "main"}})).unwrap();
        let of = Checkout { url: "file:///r".to_owned(), reference: "main".to_owned(), path: None };
        assert_eq!(checkout.action, Action::Checkout(of));
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", configuration());
        assert!(shown.contains("KeyFile(****)"), "{shown}");
    }
}
