//! From what was said to what happened. Pure: a function of the *set* of observations of one execution, so their order
//! and their repetition cannot matter. Each field has a ranking of who knows it best; within one rank the latest
//! heard wins, and a total order on the text of the observation settles what is left.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use hearth_model::{EndBasis, Ending, JobFacts, Millis, Outcome, RunFacts, Timestamp};

use crate::execution::{Execution, State};
use crate::observation::{Beat, Fact, Loss, Observation, Place, Source};

/// Two clocks that differ by no more than this agree: the forge has whole seconds.
const TOLERANCE: Millis = Millis(2_000);

/// Who measured a duration best: our own monotonic clock, then those who saw more of the job.
fn duration_rank(source: Source) -> u8 {
    match source {
        Source::Agent => 4,
        Source::Rest => 3,
        Source::Webhook => 2,
        Source::ScaleSet => 1,
        Source::Hook => 0,
    }
}

/// Who knows how a job ended: the forge, which also sees what happened after the process.
fn conclusion_rank(source: Source) -> u8 {
    match source {
        Source::Rest => 4,
        Source::Webhook => 3,
        Source::ScaleSet => 2,
        Source::Agent => 1,
        Source::Hook => 0,
    }
}

/// Who knows which job it was.
fn identity_rank(source: Source) -> u8 {
    match source {
        Source::Rest => 4,
        Source::Webhook => 3,
        Source::Hook => 2,
        Source::ScaleSet => 1,
        Source::Agent => 0,
    }
}

/// Folds everything said about one execution. `None` when nothing was said.
pub fn fold(observations: &[Observation]) -> Option<Execution> {
    let said = Said(observations);
    let id = observations.first()?.execution;

    let accepted = |fact: &'_ Fact| match fact {
        Fact::Accepted { at, .. } => Some(*at),
        _ => None,
    };
    let started = |fact: &'_ Fact| match fact {
        Fact::Started { at } => Some(*at),
        _ => None,
    };
    let accepted_at = said.best(duration_rank, accepted);
    let started_at = said.best(duration_rank, started);
    let end = said.end();
    let outcome = match &end {
        Some(End::Seen { .. }) => said.outcome(),
        Some(End::Missed { .. }) => Some(Outcome::Lost),
        None => None,
    };
    let ran = end.as_ref().map(End::ran);
    let completed_at = end.as_ref().map(|end| end.completed_at(started_at.or(accepted_at)));

    Some(Execution {
        id,
        state: state(started_at, outcome, ran),
        facts: said.facts(),
        place: said.place(),
        accepted_at,
        started_at,
        completed_at,
        ran,
        end_basis: end.as_ref().map_or(EndBasis::Open, End::basis),
        outcome,
        ending: end.as_ref().zip(outcome).map(|(end, outcome)| end.ending(outcome)),
        measures: said.best(duration_rank, |fact| match fact {
            Fact::Measured { measures } => Some((**measures).clone()),
            _ => None,
        }),
        disagreements: said.disagreements(started_at, end.as_ref()),
    })
}

fn state(started_at: Option<Timestamp>, outcome: Option<Outcome>, ran: Option<Millis>) -> State {
    let was_started = started_at.is_some() || ran.is_some_and(|ran| ran > Millis(0));
    match outcome {
        None if started_at.is_some() => State::Running,
        None => State::Accepted,
        Some(Outcome::NeverStarted { .. }) => State::Voided,
        // Cancelled while it waited, or its owner died before it was started: no minute was used.
        Some(Outcome::Cancelled { .. } | Outcome::Lost) if !was_started => State::Voided,
        Some(_) => State::Ended,
    }
}

/// How the execution came to its end, by the best that was said about it.
enum End {
    Seen { source: Source, at: Timestamp, ran: Millis },
    Missed { how: Loss, found_at: Timestamp, last_beat: Option<Beat> },
}

impl End {
    fn ran(&self) -> Millis {
        match self {
            Self::Seen { ran, .. } => *ran,
            Self::Missed { last_beat, .. } => last_beat.map_or(Millis(0), |beat| beat.ran),
        }
    }

    /// A lost execution belongs to the time it was last seen alive, not to the time somebody noticed.
    fn completed_at(&self, began_at: Option<Timestamp>) -> Timestamp {
        match self {
            Self::Seen { at, .. } => *at,
            // The first beat is of the acceptance, before the start.
            Self::Missed { last_beat, found_at, .. } => {
                last_beat.map(|beat| beat.at).max(began_at).unwrap_or(*found_at)
            }
        }
    }

    fn basis(&self) -> EndBasis {
        match self {
            Self::Seen { source: Source::Agent, .. } => EndBasis::Monotonic,
            Self::Seen { .. } => EndBasis::Reported,
            Self::Missed { .. } => EndBasis::Heartbeat,
        }
    }

    fn ending(&self, outcome: Outcome) -> Ending {
        match self {
            Self::Seen { .. } => outcome.ending(),
            Self::Missed { how: Loss::Crashed, .. } => Ending::Crashed,
            Self::Missed { how: Loss::Lost, .. } => Ending::Lost,
        }
    }
}

struct Said<'a>(&'a [Observation]);

impl Said<'_> {
    /// The value that the best-placed source gave, or `None` when nobody gave one.
    fn best<T>(&self, rank: fn(Source) -> u8, pick: impl Fn(&Fact) -> Option<T>) -> Option<T> {
        self.best_observation(rank, |fact| pick(fact).is_some()).and_then(|winner| pick(&winner.fact))
    }

    /// The forge's conclusion. It calls every failure one; only the machine knows that memory or disk ran out.
    fn outcome(&self) -> Option<Outcome> {
        let ended = |fact: &Fact| match fact {
            Fact::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        };
        let concluded = self.best(conclusion_rank, ended)?;
        let explained = self.best(duration_rank, ended).filter(|seen| {
            matches!(seen, Outcome::OutOfMemory | Outcome::DiskFull { .. })
                && seen.conclusion() == concluded.conclusion()
        });
        Some(explained.unwrap_or(concluded))
    }

    fn best_observation(&self, rank: fn(Source) -> u8, has: impl Fn(&Fact) -> bool) -> Option<&Observation> {
        self.0
            .iter()
            .filter(|observation| has(&observation.fact))
            .max_by(|a, b| rank(a.source).cmp(&rank(b.source)).then_with(|| total_order(a, b)))
    }

    /// A field of the job's facts, from whoever of those that know it knows best.
    fn fact<T>(&self, pick: impl Fn(&JobFacts) -> Option<T>) -> Option<T> {
        self.best(identity_rank, |fact| match fact {
            Fact::Accepted { facts, .. } => pick(facts),
            _ => None,
        })
    }

    fn facts(&self) -> Option<JobFacts> {
        let best = self.fact(|facts| Some(facts.clone()))?;
        Some(JobFacts {
            base_branch: self.fact(|facts| facts.base_branch.clone()),
            commit: self.fact(|facts| facts.commit.clone()),
            lock_digest: self.fact(|facts| facts.lock_digest.clone()),
            workflow: self.fact(|facts| facts.workflow.clone()),
            actor: self.fact(|facts| facts.actor.clone()),
            run: RunFacts {
                repository_id: self.fact(|facts| facts.run.repository_id),
                run_id: self.fact(|facts| facts.run.run_id),
                run_attempt: self.fact(|facts| facts.run.run_attempt),
                job_id: self.fact(|facts| facts.run.job_id),
                runner_name: self.fact(|facts| facts.run.runner_name.clone()),
                workflow_ref: self.fact(|facts| facts.run.workflow_ref.clone()),
            },
            ..best
        })
    }

    /// Only the agent knows where it put the job.
    fn place(&self) -> Option<Place> {
        self.best(duration_rank, |fact| match fact {
            Fact::Accepted { place, .. } => Some(place.clone()),
            _ => None,
        })
    }

    fn end(&self) -> Option<End> {
        let seen = self.best_observation(duration_rank, |fact| matches!(fact, Fact::Ended { .. }));
        let missed = || self.best_observation(duration_rank, |fact| matches!(fact, Fact::Lost { .. }));
        let winner = seen.or_else(missed)?;
        match &winner.fact {
            Fact::Ended { at, ran, .. } => Some(End::Seen { source: winner.source, at: *at, ran: *ran }),
            Fact::Lost { at, how, last_beat } => Some(End::Missed { how: *how, found_at: *at, last_beat: *last_beat }),
            _ => None,
        }
    }

    /// Losing durations beyond the tolerance, plus one when the wall clock ran backwards over the job.
    fn disagreements(&self, started_at: Option<Timestamp>, end: Option<&End>) -> u32 {
        let Some(End::Seen { at, ran, .. }) = end else { return 0 };
        let losing: BTreeSet<(Source, Millis)> = self
            .0
            .iter()
            .filter_map(|observation| match observation.fact {
                Fact::Ended { ran: other, .. } if ran.0.abs_diff(other.0) > TOLERANCE.0 => {
                    Some((observation.source, other))
                }
                _ => None,
            })
            .collect();
        let backwards = u32::from(started_at.is_some_and(|started| *at < started));
        u32::try_from(losing.len()).unwrap_or(u32::MAX).saturating_add(backwards)
    }
}

/// Later heard is better; then any order at all, as long as it is the same everywhere.
fn total_order(a: &Observation, b: &Observation) -> Ordering {
    let text = |observation: &Observation| serde_json::to_string(observation).unwrap_or_default();
    (a.heard_at, &a.event_id)
        .cmp(&(b.heard_at, &b.event_id))
        .then_with(|| if a == b { Ordering::Equal } else { text(a).cmp(&text(b)) })
}

#[cfg(test)]
mod tests;
