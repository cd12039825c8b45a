//! One call to GitHub and every way in which it can fail. Each way says what to do next; none is repeated blindly.

use std::fmt;
use std::time::Duration;

use hearth_model::{Bytes, Timestamp};

use crate::credentials::CredentialError;

/// What was tried, and the numbers by which GitHub's support finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    what: String,
    ids: Option<Box<AnswerIds>>,
}

/// How GitHub names an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerIds {
    /// `X-GitHub-Request-Id`
    pub request: Option<String>,
    /// The scale set service's `ActivityId`
    pub activity: Option<String>,
}

impl Call {
    /// `what` is an infinitive: `register runner hearth-1 at acme`.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ids: None }
    }

    pub(crate) fn answered(self, ids: AnswerIds) -> Self {
        Self { ids: (ids != AnswerIds::default()).then(|| Box::new(ids)), ..self }
    }

    /// Of the answer, if there was one.
    pub fn ids(&self) -> Option<&AnswerIds> {
        self.ids.as_deref()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let Some(ids) = &self.ids else { return Ok(()) };
        match (&ids.request, &ids.activity) {
            (None, None) => Ok(()),
            (Some(id), None) => write!(f, " (request {id})"),
            (None, Some(id)) => write!(f, " (activity {id})"),
            (Some(request), Some(activity)) => write!(f, " (request {request}, activity {activity})"),
        }
    }
}

/// Which of GitHub's limits was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The number of calls in an hour.
    Primary,
    /// Too many at once, or too much work; GitHub does not say which.
    Secondary,
}

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("cannot {call}: no credentials to show")]
    Credentials {
        call: Call,
        #[source]
        cause: Box<CredentialError>,
    },
    #[error("cannot {call}: GitHub does not accept the credentials: {message}")]
    Unauthorized { call: Call, message: String },
    #[error("cannot {call}: it is forbidden{}: {message}", needing(.needs.as_deref()))]
    Forbidden { call: Call, needs: Option<String>, message: String },
    #[error("cannot {call}: it does not exist, or the credentials may not see it")]
    NotFound { call: Call, message: String },
    #[error("cannot {call}: it conflicts with what is there: {message}")]
    Conflict { call: Call, exception: Option<String>, message: String },
    #[error("cannot {call}: GitHub refuses the request: {message}")]
    Invalid { call: Call, exception: Option<String>, message: String, errors: Vec<String> },
    #[error("cannot {call}: the {} limit is used up", match .limit { Limit::Primary => "hourly", Limit::Secondary => "secondary" })]
    Limited { call: Call, limit: Limit, until: Timestamp },
    #[error("cannot {call}: the answer points to {to}, where it must not be repeated")]
    Moved { call: Call, to: String },
    #[error("cannot {call}: GitHub answers with status {status}: {message}")]
    Unavailable { call: Call, status: u16, message: String },
    #[error("cannot {call}: GitHub cannot be reached")]
    Unreachable {
        call: Call,
        #[source]
        cause: reqwest::Error,
    },
    #[error("cannot {call}: the connection broke before the answer was complete")]
    Broken {
        call: Call,
        #[source]
        cause: reqwest::Error,
    },
    #[error("cannot {call}: no answer within {} s", .after.as_secs())]
    Timeout { call: Call, after: Duration },
    #[error("cannot {call}: the answer with status {status} is not what was agreed")]
    Undecodable {
        call: Call,
        status: u16,
        #[source]
        cause: serde_json::Error,
    },
    #[error("cannot {call}: the answer is larger than {limit}")]
    TooLarge { call: Call, limit: Bytes },
}

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It passes by itself; try again later.
    Wait,
    /// Not before this time.
    WaitUntil(Timestamp),
    /// Nobody knows whether it was done: ask GitHub what is there before doing it again.
    FindOut,
    /// A person must change something.
    Person,
}

impl CallError {
    pub fn call(&self) -> &Call {
        match self {
            Self::Credentials { call, .. }
            | Self::Unauthorized { call, .. }
            | Self::Forbidden { call, .. }
            | Self::NotFound { call, .. }
            | Self::Conflict { call, .. }
            | Self::Invalid { call, .. }
            | Self::Limited { call, .. }
            | Self::Moved { call, .. }
            | Self::Unavailable { call, .. }
            | Self::Unreachable { call, .. }
            | Self::Broken { call, .. }
            | Self::Timeout { call, .. }
            | Self::Undecodable { call, .. }
            | Self::TooLarge { call, .. } => call,
        }
    }

    /// What to do next. For a call that only reads, [`Remedy::FindOut`] is the same as [`Remedy::Wait`].
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Credentials { cause, .. } => cause.remedy(),
            Self::Limited { until, .. } => Remedy::WaitUntil(*until),
            Self::Unreachable { .. } => Remedy::Wait,
            Self::Conflict { .. }
            | Self::Unavailable { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::Undecodable { .. }
            | Self::TooLarge { .. } => Remedy::FindOut,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Invalid { .. }
            | Self::Moved { .. } => Remedy::Person,
        }
    }
}

fn needing(needs: Option<&str>) -> String {
    needs.map(|needs| format!(" without {needs}")).unwrap_or_default()
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
