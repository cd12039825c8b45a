//! All that the fake knows, behind one lock. Rooms below hold the parts; `dispatch` moves jobs between them, `access`
//! says who may do what. Nothing here does input or output.

mod access;
mod accounts;
mod credentials;
mod dispatch;
mod jobs;
mod limits;
mod news;
mod renames;
mod runners;
mod sets;

use std::collections::BTreeMap;

pub use accounts::{
    Accounts, App, Enterprise, Group, Installation, Level, Members, Organization, Permissions, Repository, Scope,
    Visibility, hearth_permissions,
};
pub use jobs::{JobId, JobRecord, Phase, RanOn, RunRecord};
pub use renames::QueueNames;
pub use runners::{Removal, RunnerRecord};
pub use sets::ScaleSetRecord;

pub(crate) use access::Presented;
pub(crate) use credentials::{Caller, Credentials, Grant, random_token};
pub(crate) use dispatch::{Ending, NotYours};
pub(crate) use jobs::Jobs;
pub(crate) use limits::{Bucket, Level as LimitLevel, Limits};
pub(crate) use news::statistics;
pub(crate) use runners::{NotRemoved, RunnerSession, Runners, Secret};
pub(crate) use sets::{MessageQueue, MessageSession, Order, ScaleSets};

use crate::server::faults::Plan;
use crate::server::options::Options;
use crate::server::record::Record;

/// The state of the world. Tests read it; only calls and commands change it.
#[derive(Debug)]
pub struct State {
    pub(crate) options: Options,
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    /// The part of the Actions service's address that is the tenant's own.
    pub(crate) tenant: String,
    pub(crate) accounts: Accounts,
    pub(crate) credentials: Credentials,
    pub(crate) runners: Runners,
    pub(crate) jobs: Jobs,
    pub(crate) sets: ScaleSets,
    pub(crate) limits: Limits,
    pub(crate) plan: Plan,
    pub(crate) record: Record,
    /// How many times the service did something by itself.
    pub(crate) moves: u64,
    service_answers: u64,
    /// Which idle runner gets a job is anybody's guess, the same guess for the same seed.
    pub(crate) dice: fastrand::Rng,
}

impl State {
    pub(crate) fn new(options: Options, base: String) -> Self {
        Self {
            base,
            tenant: random_token("", 24),
            accounts: options.accounts.clone(),
            credentials: Credentials::default(),
            runners: Runners::default(),
            jobs: Jobs::default(),
            sets: ScaleSets::default(),
            limits: Limits::default(),
            plan: Plan::new(options.faults.clone()),
            record: Record::default(),
            moves: 0,
            service_answers: 0,
            dice: fastrand::Rng::with_seed(options.faults.seed()),
            options,
        }
    }

    pub fn jobs(&self) -> impl Iterator<Item = &JobRecord> {
        self.jobs.all()
    }

    pub fn job(&self, id: JobId) -> Option<&JobRecord> {
        self.jobs.get(id)
    }

    pub fn runs(&self) -> impl Iterator<Item = &RunRecord> {
        self.jobs.runs()
    }

    /// Runners that are registered now.
    pub fn runners(&self) -> impl Iterator<Item = &RunnerRecord> {
        self.runners.all()
    }

    /// Names of runners that were registered, and how each registration ended.
    pub fn gone_runners(&self) -> &[(String, Removal)] {
        self.runners.gone()
    }

    pub fn scale_sets(&self) -> impl Iterator<Item = &ScaleSetRecord> {
        self.sets.all()
    }

    /// How many calls each operation had.
    pub fn operations(&self) -> &BTreeMap<String, u64> {
        self.record.operations()
    }

    pub fn violations(&self) -> &[crate::server::record::Violation] {
        self.record.violations()
    }

    pub fn faults(&self) -> &BTreeMap<crate::server::faults::FaultKind, u64> {
        self.plan.done()
    }

    /// Answers of the Actions service begin with a byte-order mark every second time.
    pub(crate) fn wants_byte_order_mark(&mut self) -> bool {
        self.service_answers += 1;
        self.options.byte_order_mark && self.service_answers.is_multiple_of(2)
    }

    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Whether every job that was ever queued is done.
    pub fn is_all_done(&self) -> bool {
        self.jobs.is_all_done()
    }
}
