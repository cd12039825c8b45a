//! What a fake GitHub is started with. Times are GitHub's own unless a test shortens them.

use std::path::PathBuf;
use std::time::Duration;

use crate::server::faults::Faults;
use crate::server::state::Accounts;

/// How a scale set hears of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The job is the set's at once: `JobAssigned`.
    Assign,
    /// The job is offered, and the set has to ask for it: `JobAvailable`, then `acquirejobs`.
    Acquire,
}

/// What a job that is assigned again is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestIds {
    NewEachTime,
    Kept,
}

/// An archive of the runner program that `downloads` lists.
#[derive(Debug, Clone)]
pub struct RunnerApplication {
    /// `linux`, `osx` or `win`.
    pub os: String,
    pub architecture: String,
    pub version: String,
    pub archive: PathBuf,
    pub checksum: Checksum,
    /// Whether the download wants a token of its own.
    pub needs_token: bool,
}

/// What the list says about an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    Right,
    Absent,
    /// This, whatever is in the archive.
    Wrong(String),
}

/// When a version of the runner program ends. `None` is not known.
#[derive(Debug, Clone, Default)]
pub struct Deprecation {
    pub version: String,
    pub registration: Option<jiff::Timestamp>,
    pub runtime: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub accounts: Accounts,
    pub faults: Faults,
    /// GitHub's OpenAPI description; without it nothing is checked against it.
    pub openapi: Option<PathBuf>,
    pub flow: Flow,
    pub request_ids: RequestIds,
    pub applications: Vec<RunnerApplication>,
    pub deprecations: Vec<Deprecation>,
    /// Runners of an older version get no session.
    pub minimum_runner_version: Option<String>,

    /// How long a poll for messages waits.
    pub poll_hold: Duration,
    /// How long a job waits for a runner of its set, and for the runner that it was given to.
    pub pickup_limit: Duration,
    /// How many times a job is assigned again before it is given up.
    pub assigned_again: u32,
    /// A runner that says nothing for so long is lost, and its job with it.
    pub lost_after: Duration,
    /// A message session that nobody polls for so long is over.
    pub session_idle: Duration,
    /// A message that is not acknowledged comes again after so long.
    pub redeliver_after: Duration,
    /// Every second answer of the Actions service begins with a byte-order mark.
    pub byte_order_mark: bool,

    pub installation_token_life: Duration,
    pub registration_token_life: Duration,
    pub admin_token_life: Duration,
    pub queue_token_life: Duration,

    /// Requests of one credential in a window; no limit when there is none.
    pub primary_limit: Option<u64>,
    /// Registrations of one credential in a window.
    pub registration_limit: Option<u64>,
    pub limit_window: Duration,
    /// Points of one credential on one operation in a minute: one for reading, five for writing.
    pub secondary_points: u64,
    pub secondary_concurrency: u64,
    /// What an answer that limits says to wait.
    pub retry_after: Duration,
    pub slow_answer: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accounts: Accounts::default(),
            faults: Faults::none(),
            openapi: None,
            flow: Flow::Assign,
            request_ids: RequestIds::NewEachTime,
            applications: Vec::new(),
            deprecations: Vec::new(),
            minimum_runner_version: None,
            poll_hold: Duration::from_secs(50),
            pickup_limit: Duration::from_mins(1),
            assigned_again: 3,
            lost_after: Duration::from_secs(30),
            session_idle: Duration::from_mins(5),
            redeliver_after: Duration::from_secs(2),
            byte_order_mark: true,
            installation_token_life: Duration::from_hours(1),
            registration_token_life: Duration::from_hours(1),
            admin_token_life: Duration::from_hours(1),
            queue_token_life: Duration::from_hours(1),
            primary_limit: Some(5_000),
            registration_limit: Some(10_000),
            limit_window: Duration::from_hours(1),
            secondary_points: 900,
            secondary_concurrency: 100,
            retry_after: Duration::from_mins(1),
            slow_answer: Duration::from_secs(5),
        }
    }
}
