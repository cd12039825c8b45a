//! Registrations: what the service knows of each runner, from its JIT configuration to its end.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use super::{JobId, Scope};

/// One registered runner.
#[derive(Debug, Clone)]
pub struct RunnerRecord {
    pub id: u64,
    pub name: String,
    pub scope: Scope,
    pub group: u64,
    /// Lower-cased, in the order in which they were given. Those of a scale set's runner are the set's.
    pub labels: Vec<String>,
    pub scale_set: Option<u64>,
    /// `unknown` until it connects for the first time.
    pub os: String,
    pub version: Option<String>,
    pub registered_at: Timestamp,
    /// The job that it was given or runs.
    pub job: Option<JobId>,
    /// It runs a job; being given one is not enough.
    pub busy: bool,
    pub(crate) secret: Secret,
    pub(crate) session: Option<RunnerSession>,
}

/// What proves that a runner is the one that was registered.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("****")
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RunnerSession {
    pub(crate) id: String,
    pub(crate) last_heard: Instant,
}

impl RunnerRecord {
    pub fn is_online(&self) -> bool {
        self.session.is_some()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.is_online() && self.job.is_none()
    }
}

/// How a registration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It ran its one job.
    Finished,
    /// Somebody deleted it.
    Deleted,
}

/// Why a runner is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRemoved {
    Unknown,
    Busy,
}

#[derive(Debug, Default)]
pub(crate) struct Runners {
    by_id: BTreeMap<u64, RunnerRecord>,
    gone: Vec<(String, Removal)>,
    last_id: u64,
}

impl Runners {
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn add(&mut self, runner: RunnerRecord) {
        self.by_id.insert(runner.id, runner);
    }

    pub(crate) fn get(&self, id: u64) -> Option<&RunnerRecord> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut RunnerRecord> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &RunnerRecord> {
        self.by_id.values()
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut RunnerRecord> {
        self.by_id.values_mut()
    }

    pub(crate) fn of(&self, scope: &Scope) -> impl Iterator<Item = &RunnerRecord> {
        self.by_id.values().filter(move |runner| runner.scope == *scope)
    }

    /// Names are one runner's each within a scope, however they are spelled.
    pub(crate) fn named(&self, scope: &Scope, name: &str) -> Option<&RunnerRecord> {
        self.of(scope).find(|runner| runner.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn of_session(&mut self, session: &str) -> Option<&mut RunnerRecord> {
        let is = |runner: &RunnerRecord| runner.session.as_ref().is_some_and(|open| open.id == session);
        self.by_id.values_mut().find(|runner| is(runner))
    }

    pub(crate) fn remove(&mut self, id: u64, how: Removal) {
        if let Some(runner) = self.by_id.remove(&id) {
            self.gone.push((runner.name, how));
        }
    }

    /// Deletes a runner for somebody who asked; one that runs a job stays.
    pub(crate) fn delete(&mut self, scope: &Scope, id: u64) -> Result<(), NotRemoved> {
        match self.by_id.get(&id).filter(|runner| runner.scope == *scope) {
            None => Err(NotRemoved::Unknown),
            Some(runner) if runner.busy => Err(NotRemoved::Busy),
            Some(_) => {
                self.remove(id, Removal::Deleted);
                Ok(())
            }
        }
    }

    pub(crate) fn gone(&self) -> &[(String, Removal)] {
        &self.gone
    }
}
