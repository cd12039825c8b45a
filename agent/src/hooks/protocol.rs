//! What is said over the job's socket. The caller asks, the keeper answers; the first use of a warm target takes three
//! questions over one connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HookFacts;
use crate::checkout::{Checkout, Toolchain};
use crate::targets::{Manifest, Restored};

/// The listing of a large checkout is some MB.
pub(super) const LARGEST: u32 = 64 << 20;
/// A job waits no longer for its started hook, or for its completed hook.
pub(super) const HOOK_LIMIT: Duration = Duration::from_secs(10);
/// A first use may copy a clone, on a file system that cannot share blocks.
pub(super) const FIRST_USE_LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// From the started hook: the job has begun, and this is what it is.
    Started(Box<HookFacts>),
    /// From the completed hook: the last step has ended.
    Completed,
    /// From a compiler wrapper: is there a warm target to be taken?
    IsWarmTargetWaiting,
    /// It is there: this is what it has to fit.
    Take(Box<Seen>),
    /// The times are restored; this is the checkout now.
    Restored { checkout: Box<Checkout>, counts: Restored },
}

/// What the first compilation sees.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    pub checkout: Checkout,
    pub toolchain: Toolchain,
    pub cargo_home: String,
    /// The variables that change a build.
    pub environment: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Given(Given),
    /// For the job's summary, and lines for its log.
    Summary {
        markdown: String,
        said: Vec<String>,
    },
    /// The warm target waits.
    Waiting,
    /// The clone is in its place.
    Handed(Box<Handed>),
    Noted,
    Refused(Refused),
}

/// What the started hook hands to all later steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub variables: Vec<(String, String)>,
    /// Lines for the job's log.
    pub said: Vec<String>,
}

/// A build directory that is in its place.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handed {
    /// What it was built from; `None` for a cold one.
    pub manifest: Option<Manifest>,
    /// Where the generated sources that belong to it stand.
    pub kept: PathBuf,
}

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    #[error("this runner's job has been started already")]
    StartedBefore,
    #[error("no job has been started here")]
    NotStarted,
    #[error("the warm target has been handed out already")]
    HandedOutBefore,
    #[error("there is no warm target for this job: {why}")]
    NoTarget { why: String },
    #[error("{why}")]
    Failed { why: String },
}
