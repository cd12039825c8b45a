//! One job's way through the machine, in the order in which it happens. Each step is written down before it is done,
//! and may be done again after a crash.
//!
//! ```text
//!  begin: accepted in the ledger ─▶ scopes ─▶ lease        started: in the ledger, before the command exists
//!    └────────────── the caller runs the command in the slot and beats ──────────────┐
//!  finish: clone given back ◀─ measures and end in the ledger ◀─────────────────────┘
//! ```
//!
//! A forge's job runs already when we hear of it, and its checkout and toolchain come into being inside it: its start
//! is written with its acceptance, and its lease is a step of its own, taken when it first compiles.

use hearth_ledger::{Fact, LedgerError, Observation, Owner, Period, Place};
use hearth_model::{
    CompileCounts, ExecutionId, JobFacts, Measures, Millis, Outcome, Scope, SlotNumber, UsageReading, WarmTarget,
};
use hearth_trust::{Claims, Class, Trust, classify};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::checkout::Checkout;
use crate::realms;
use crate::targets::{GivenBack, LaneKey, Lease, Origin, Swept, TargetsError};

/// A job token outlives the longest job that GitHub allows by a little.
const TOKEN_LIFE: Millis = Millis::from_minutes(6 * 60 + 30);

#[derive(Debug, thiserror::Error)]
pub enum JourneyError {
    #[error("cannot write the job into the ledger, so it is not started")]
    Ledger(#[source] LedgerError),
    #[error("cannot use the slot")]
    Slot(#[source] TargetsError),
}

/// What a job wants to begin with. The caller holds the slot.
#[derive(Debug, Serialize, Deserialize)]
pub struct Intent {
    pub execution: ExecutionId,
    pub facts: JobFacts,
    pub slot: SlotNumber,
    pub owner: Owner,
    pub target: Target,
    pub stage: Stage,
}

/// How far a job is when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// We start it, and say so with [`started`].
    Waiting,
    /// A forge's runner has started it.
    Running,
}

/// Whether the job can use a warm target.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Lane(Box<LaneKey>),
    /// It will be asked for with a [`Wish`], when the job's sources and toolchain are known.
    Later,
    Off {
        why: String,
    },
}

/// A running job that asks for its warm target.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wish {
    pub execution: ExecutionId,
    pub slot: SlotNumber,
    pub key: LaneKey,
    pub reads: Vec<Scope>,
}

/// A job that is in the ledger and has what it needs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    pub execution: ExecutionId,
    /// `host/owner/name`, as it was called when the job began: so it stands in the books.
    pub repository: String,
    /// The forge's number of it.
    pub repository_id: Option<u64>,
    pub trust: Trust,
    pub lease: Option<Lease>,
    /// What the compile cache node believes of this job.
    pub claims: Claims,
}

/// A job that has ended, with everything that is known of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Finish {
    pub begun: Begun,
    /// `None` when nobody saw one: then nothing that was built can be kept.
    pub checkout: Option<Checkout>,
    pub outcome: Outcome,
    pub ran: Millis,
    pub swept: Swept,
    pub usage: UsageReading,
    pub compile: Option<CompileCounts>,
    /// What the command says of profile, features and targets.
    pub build_options: String,
}

/// What the caller can tell a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub execution: ExecutionId,
    pub warm_target: WarmTarget,
    pub given_back: Option<GivenBack>,
    pub billable_minutes: u64,
    /// `2026-11`, and what this repository was charged in it, this job included.
    pub month: String,
    pub month_minutes: u64,
    /// Things that went wrong beside the job, one sentence each.
    pub warnings: Vec<String>,
}

/// Accepts the job into the ledger, decides its scopes and leases its target.
pub fn begin(app: &App, intent: Intent) -> Result<Begun, JourneyError> {
    let now = app.clock.now();
    let execution = intent.execution;
    let cpu_count = std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok());
    let place = Place { machine: hearth_host::users::host_name(), slot: intent.slot, cpu_count, owner: intent.owner };
    let accepted = Fact::Accepted { at: now, facts: Box::new(intent.facts.clone()), place };
    let mut said = vec![Observation::by_agent(execution, 0, now, accepted)];
    if intent.stage == Stage::Running {
        said.push(Observation::by_agent(execution, 1, now, Fact::Started { at: now }));
    }
    app.book.append(&said).map_err(JourneyError::Ledger)?;

    let trust = if let Some(said) = app.heard.instead_of(execution, &intent.facts.repository) {
        tracing::error!(job.execution = %execution, "the forge says that this is a job of {}", said.repository);
        Trust { class: Class::Unknown, reads: Vec::new(), writes: None }
    } else {
        classify(&intent.facts)
    };
    let lease = match &intent.target {
        Target::Off { .. } | Target::Later => None,
        Target::Lane(key) => {
            let (slot, key, reads) = (intent.slot, (**key).clone(), trust.reads.clone());
            Some(lease(app, &Wish { execution, slot, key, reads })?)
        }
    };
    let claims = Claims {
        execution,
        repository: realms::of(&app.places.realms(), execution, &intent.facts),
        reads: trust.reads.clone(),
        writes: trust.writes.clone(),
        expires_at: now + TOKEN_LIFE,
        quota: trust.class.quota(),
        class: trust.class,
        run: intent.facts.run.run_id,
    };
    let (repository, repository_id) = (intent.facts.repository, intent.facts.run.repository_id);
    Ok(Begun { execution, repository, repository_id, trust, lease, claims })
}

/// Gives a job its build directory, warm if there is a snapshot for it.
pub fn lease(app: &App, wish: &Wish) -> Result<Lease, JourneyError> {
    let slot = app.places.slot(wish.slot);
    let lease = app.targets.lease(&slot, wish.execution, &wish.key, &wish.reads, app.clock.as_ref());
    lease.map_err(JourneyError::Slot)
}

/// Writes the start down. The command is started after this returned.
pub fn started(app: &App, execution: ExecutionId) -> Result<(), JourneyError> {
    let at = app.clock.now();
    let started = Observation::by_agent(execution, 1, at, Fact::Started { at });
    app.book.append(&[started]).map_err(JourneyError::Ledger)
}

/// Says that the job still runs.
pub fn beat(app: &App, execution: ExecutionId, ran: Millis) -> Result<(), JourneyError> {
    app.book.heartbeat(execution, ran).map_err(JourneyError::Ledger)
}

/// Writes the end down and gives the clone back. The ledger comes first: a clone can be made again, a minute cannot.
pub fn finish(app: &App, finish: Finish) -> Result<Receipt, JourneyError> {
    let Finish { begun, checkout, outcome, ran, swept, usage, compile, build_options } = finish;
    let at = app.clock.now();
    let seen = begun.lease.as_ref().zip(checkout.as_ref());
    let warm_target = seen.map_or(WarmTarget::Unknown, |(lease, checkout)| {
        lease.fit(&checkout.listing.identity(), checkout.lock_digest.as_deref())
    });
    let measures = Measures {
        usage,
        warm_target,
        warm_bytes: begun.lease.as_ref().and_then(Lease::warm_bytes),
        compile,
        compile_useful: None,
        compile_total: None,
        build_fingerprint: seen
            .map(|(lease, checkout)| fingerprint(&lease.key, &checkout.listing.identity(), &build_options)),
        full_build: begun.lease.as_ref().and_then(|lease| is_full_build(lease, warm_target, compile)),
    };
    let say = |sequence, fact| Observation::by_agent(begun.execution, sequence, at, fact);
    app.book
        .append(&[say(2, Fact::Measured { measures: Box::new(measures) }), say(3, Fact::Ended { at, outcome, ran })])
        .map_err(JourneyError::Ledger)?;

    let mut warnings = Vec::new();
    let given_back = begun.lease.and_then(|lease| {
        // The forge's word may have come after the job had begun.
        let is_contradicted = app.heard.instead_of(begun.execution, &begun.repository).is_some();
        let writes = begun.trust.writes.as_ref().filter(|_| !is_contradicted);
        match app.targets.give_back(&lease, outcome, swept, writes, checkout.as_ref(), app.clock.as_ref()) {
            Ok(given_back) => Some(given_back),
            Err(error) => {
                warnings.push(format!("the warm target is lost: {}", chain(&error)));
                None
            }
        }
    });
    let (month, month_minutes) = month_so_far(app, &begun.repository, &mut warnings);
    Ok(Receipt {
        execution: begun.execution,
        warm_target,
        given_back,
        billable_minutes: if matches!(outcome, Outcome::NeverStarted { .. }) { 0 } else { ran.billable_minutes() },
        month,
        month_minutes,
        warnings,
    })
}

/// Two builds with equal fingerprints are one build done twice, whatever the jobs are called and wherever they ran.
fn fingerprint(key: &LaneKey, tree: &str, build_options: &str) -> String {
    let mut digest = blake3::Hasher::new();
    for part in [&key.repository, &key.rustc, &key.cargo, tree, build_options] {
        digest.update(part.as_bytes()).update(&[0]);
    }
    for (name, value) in &key.environment {
        digest.update(name.as_bytes()).update(&[1]).update(value.as_bytes()).update(&[1]);
    }
    digest.finalize().to_hex()[..32].to_owned()
}

/// Whether at least half of the build's units were compiled, neither fresh nor served by a cache. `None` where the
/// compiler calls were not counted and the directory was not cold.
fn is_full_build(lease: &Lease, warm_target: WarmTarget, compile: Option<CompileCounts>) -> Option<bool> {
    let Some(counts) = compile else {
        // In a cold directory without a cache, a build is a full one.
        return (warm_target == WarmTarget::None).then(|| lease.has_been_built());
    };
    let units = match &lease.origin {
        Origin::Cold { .. } => counts.hits + counts.misses,
        Origin::Warm { manifest, .. } => manifest.units(),
    };
    Some(counts.misses > 0 && counts.misses * 2 >= units)
}

fn month_so_far(app: &App, repository: &str, warnings: &mut Vec<String>) -> (String, u64) {
    let read = || {
        let period = Period::month_of(app.clock.now(), &app.settings.file.report.zone)?;
        let data = app.book.month(&period, Some(repository))?;
        Ok::<_, LedgerError>((period.label, data.cells.iter().map(|cell| cell.sums.billable_minutes).sum()))
    };
    read().unwrap_or_else(|error| {
        warnings.push(format!("the month's minutes could not be read: {}", chain(&error)));
        (String::new(), 0)
    })
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
