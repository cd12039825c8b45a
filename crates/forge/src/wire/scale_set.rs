//! The scale set service. Its names are in camel case, but for `RunnerSetting` and where a line says otherwise.

#![expect(clippy::struct_field_names, reason = "the service's names, not ours")]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::or_default;

#[derive(Debug, Serialize)]
pub(crate) struct AdminRequest<'a> {
    pub(crate) url: &'a str,
    pub(crate) runner_event: &'static str,
}

/// Holds a secret: no `Debug`.
#[derive(Deserialize)]
pub(crate) struct AdminConnection {
    pub(crate) url: String,
    pub(crate) token: String,
}

/// How the service writes every list.
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    #[serde(default = "Vec::new", deserialize_with = "or_default", bound(deserialize = "T: Deserialize<'de>"))]
    pub(crate) value: Vec<T>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScaleSetRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) runner_group_id: i64,
    pub(crate) labels: Vec<ScaleSetLabel>,
    #[serde(rename = "RunnerSetting")]
    pub(crate) runner_setting: RunnerSetting,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScaleSet {
    pub(crate) id: i64,
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) labels: Vec<ScaleSetLabel>,
    #[serde(default, rename = "RunnerSetting")]
    pub(crate) runner_setting: Option<RunnerSetting>,
    pub(crate) statistics: Option<Statistics>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScaleSetLabel {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunnerSetting {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) disable_update: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Statistics {
    pub(crate) total_available_jobs: u32,
    pub(crate) total_assigned_jobs: u32,
    pub(crate) total_running_jobs: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRequest<'a> {
    pub(crate) owner_name: &'a str,
}

/// Holds a secret: no `Debug`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) session_id: String,
    pub(crate) message_queue_url: String,
    pub(crate) message_queue_access_token: String,
    pub(crate) statistics: Option<Statistics>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) message_id: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) message_type: String,
    /// JSON in a string: a list of [`JobMessage`]s.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) body: String,
    pub(crate) statistics: Option<Statistics>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobMessage {
    /// Left out where a list says what its entries are.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) message_type: String,
    pub(crate) runner_request_id: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) repository_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) owner_name: String,
    pub(crate) job_id: Option<Value>,
    pub(crate) job_workflow_ref: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) job_display_name: String,
    pub(crate) workflow_run_id: Option<i64>,
    pub(crate) event_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) request_labels: Vec<String>,
    pub(crate) queue_time: Option<String>,
    pub(crate) scale_set_assign_time: Option<String>,
    pub(crate) runner_assign_time: Option<String>,
    pub(crate) finish_time: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) result: String,
    pub(crate) runner_id: Option<i64>,
    pub(crate) runner_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScaleSetJitRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) work_folder: &'a str,
}

/// Holds a secret: no `Debug`.
#[derive(Deserialize)]
pub(crate) struct ScaleSetJit {
    pub(crate) runner: Agent,
    #[serde(rename = "encodedJITConfig")]
    pub(crate) encoded_jit_config: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ServiceGroup {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// A runner, as this service calls it.
#[derive(Debug, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: i64,
    pub(crate) name: String,
}
