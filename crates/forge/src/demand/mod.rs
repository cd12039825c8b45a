//! The demand for runners: one seam, and behind it a scale set's message queue or polled REST listings.
//!
//! ```text
//! wait ──▶ Demanded ──▶ (caller: journal, synced) ──▶ acknowledge ──▶ acquire what is available ──▶ wait …
//! ```
//!
//! Nothing is acknowledged before the caller says that its journal holds it; what was not comes again.

mod any;
mod health;
mod news;
mod pace;
mod polling;
mod scale_set;
mod seen;
mod wanted;
mod watchdog;

use std::future::Future;
use std::sync::Arc;

use hearth_model::{Conclusion, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{CallError, MessageId, Registrar, Remedy, RequestId, RunId, RunnerId};

pub use any::{AnyDemand, Machine};
pub use health::{DemandCounts, DemandHealth};
pub use polling::Polling;
pub use scale_set::ScaleSet;

/// A source of demand for one target. One task owns it.
pub trait Demand: Send {
    type Registrar: Registrar;

    /// Waits and tells: a long poll, or the next round of listings. `capacity` counts the slots that may take a job of
    /// this target now and those that hold a runner of it; nothing beyond it is promised to the forge.
    ///
    /// After an error call it again at once: it paces itself, longer with every failure. Dropped while it waits it loses
    /// nothing.
    fn wait(&mut self, capacity: u32) -> impl Future<Output = Result<Demanded, DemandError>> + Send;
    /// The journal holds everything of this message.
    fn acknowledge(&mut self, message: MessageId) -> impl Future<Output = Result<(), DemandError>> + Send;
    /// Asks for jobs that are available; answers with those that are ours now. Those of a failed call are told again as
    /// available. Without an acquire flow: all of them.
    fn acquire(&mut self, requests: &[RequestId]) -> impl Future<Output = Result<Vec<RequestId>, DemandError>> + Send;
    /// Ends the session at the service, so that nobody waits for it to expire.
    fn close(&mut self) -> impl Future<Output = Result<(), DemandError>> + Send;
    /// Takes away all that was set up at the forge for this machine, session included.
    fn retire(&mut self) -> impl Future<Output = Result<(), DemandError>> + Send;
    /// For registering runners while this source waits.
    fn registrar(&self) -> Self::Registrar;
    /// What to keep on disk while a session is open; compare after every [`Demand::wait`].
    fn session(&self) -> Option<&SessionRecord>;
    /// Counts for the metrics; readable while this source waits.
    fn health(&self) -> Arc<DemandHealth>;
}

/// What a source of demand says at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demanded {
    /// To be acknowledged after everything in here is in the journal. `None`: nothing to acknowledge.
    pub message: Option<MessageId>,
    /// How many runners the forge wants in all, those that run included.
    pub wanted: u32,
    pub jobs: Vec<JobNews>,
}

/// One thing that happened to one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum JobNews {
    /// Nobody has it yet; ours after [`Demand::acquire`]. Told again now and then until somebody has it.
    Available { job: JobSeen },
    /// We owe it a runner. Which runner gets it is GitHub's choice.
    Assigned { job: JobSeen },
    /// It runs on this runner.
    Started { job: JobSeen, runner: Option<RunnerId>, runner_name: Option<String> },
    /// Its end, with all the times that GitHub keeps. Without a runner: cancelled before one took it.
    Completed {
        job: JobSeen,
        runner: Option<RunnerId>,
        runner_name: Option<String>,
        /// GitHub's own word, `said`, as one of ours.
        conclusion: Option<Conclusion>,
        said: String,
    },
}

impl JobNews {
    pub fn job(&self) -> &JobSeen {
        match self {
            Self::Available { job }
            | Self::Assigned { job }
            | Self::Started { job, .. }
            | Self::Completed { job, .. } => job,
        }
    }
}

/// What GitHub says about a job before a runner has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSeen {
    pub request: RequestId,
    /// `owner/name`
    pub repository: String,
    /// GitHub's id of the job; its form differs between sources.
    pub job: Option<String>,
    /// `owner/repo/.github/workflows/file.yml@refs/heads/main`
    pub workflow: Option<String>,
    pub display_name: String,
    pub run: Option<RunId>,
    pub event: Option<String>,
    pub labels: Vec<String>,
    pub times: JobTimes,
}

/// GitHub's times of a job; what has not happened yet is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobTimes {
    pub queued: Option<Timestamp>,
    /// Given to the scale set.
    pub assigned: Option<Timestamp>,
    /// Taken by a runner.
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
}

/// An open session at the service. Kept on disk, it is closed at the next start instead of blocking it for minutes.
/// Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    pub scale_set: i64,
    pub session: String,
    pub owner: String,
    pub opened: Timestamp,
}

/// Why a source of demand has nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum DemandError {
    #[error("cannot hear what {target} demands")]
    Call {
        target: String,
        #[source]
        cause: CallError,
    },
    /// Another machine uses the same scale set, or the last session of this one was not closed.
    #[error("scale set {scale_set} already has a session; GitHub ends it some minutes after its last sign of life")]
    SessionTaken {
        scale_set: String,
        #[source]
        cause: CallError,
    },
}

impl DemandError {
    /// What to do about it. [`Demand::wait`] waits by itself.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Call { cause, .. } => cause.remedy(),
            Self::SessionTaken { .. } => Remedy::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn job(request: i64) -> JobSeen {
        JobSeen {
            request: RequestId(request),
            repository: "acme/widgets".to_owned(),
            job: None,
            workflow: None,
            display_name: "test".to_owned(),
            run: None,
            event: None,
            labels: Vec::new(),
            times: JobTimes::default(),
        }
    }

    #[test]
    fn news_are_read_back_from_a_journal() {
        let news = JobNews::Started { job: job(1), runner: Some(RunnerId(2)), runner_name: None };
        let text = serde_json::to_string(&news).unwrap();
        assert!(text.starts_with(r#"{"kind":"started","job":{"request":1,"#), "{text}");
        assert_eq!(serde_json::from_str::<JobNews>(&text).unwrap(), news);
    }
}
