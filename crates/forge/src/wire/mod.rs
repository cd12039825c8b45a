//! What goes over the wire, in GitHub's words and nobody else's: every type that is read from or written to GitHub.
//! Unknown fields are passed over; what is not always there is an `Option`.

mod actions;
mod app;
mod runners;
mod scale_set;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[cfg(test)]
pub(crate) use actions::RunRepository;
pub(crate) use actions::{Job, Jobs, Repository, Run, Runs};
pub(crate) use app::{AccessToken, AccessTokenRequest, Installation};
pub use runners::{Deprecation, Download};
pub(crate) use runners::{
    Group, GroupRepositories, Groups, JitConfig, JitRequest, LabelList, LabelRequest, RegistrationToken, Runner,
    Runners,
};
pub(crate) use scale_set::{
    AdminConnection, AdminRequest, Agent, JobMessage, List, Message, RunnerSetting, ScaleSet, ScaleSetJit,
    ScaleSetJitRequest, ScaleSetLabel, ScaleSetRequest, ServiceGroup, Session, SessionRequest, Statistics,
};

/// What both services say about an error; REST knows no `typeName`, the scale set service no `errors`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) message: String,
    #[serde(default, rename = "typeName")]
    pub(crate) exception: Option<String>,
    /// A list for the most part, and sometimes one sentence.
    #[serde(default)]
    errors: Value,
}

impl ErrorBody {
    pub(crate) fn errors(&self) -> &[Value] {
        match &self.errors {
            Value::Null => &[],
            Value::Array(errors) => errors,
            one => std::slice::from_ref(one),
        }
    }
}

/// Both services say `null` where others leave a field out.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
