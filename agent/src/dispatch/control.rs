//! The dispatch as others see and steer it. Looking waits for nobody: the board publishes what it decides, and the
//! sources of demand count what they hear.

use std::sync::Arc;
use std::time::Duration;

use hearth_forge::{DemandCounts, DemandHealth, Github, LimitState};
use hearth_model::{ExecutionId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::Heard;
use super::board::Event;
use super::counts::{RunnerCounts, RunnerTally};
use super::heard::without_host;
use crate::journey::chain;

/// A job's hook waits for this, and not for long.
const SETTLED_WITHIN: Duration = Duration::from_secs(3);

/// How the daemon stands to the places that it serves, for the desk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardState {
    pub is_draining: bool,
    pub places: Vec<PlaceShown>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceShown {
    pub url: String,
    #[serde(flatten)]
    pub standing: Standing,
    /// The last answer of any kind about jobs.
    pub heard_at: Option<Timestamp>,
    /// Because of its limits nothing is asked of GitHub before this time.
    pub held_until: Option<Timestamp>,
    /// How far GitHub's clock is ahead of ours.
    pub clock_skew_ms: Option<i64>,
}

/// One place as the board has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Runners that the forge wants, those that run included.
    pub wanted: u32,
    pub have: u32,
    /// How many jobs it was promised.
    pub capacity: u32,
    /// Why it has no runner though it wants one, or why nobody knows what it wants.
    pub trouble: Option<String>,
}

/// What the board publishes; its places stand in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) is_draining: bool,
    pub(super) places: Vec<Standing>,
}

/// How one place is reached, and how that goes.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) url: String,
    pub(super) counts: Arc<RunnerCounts>,
    pub(super) health: Arc<DemandHealth>,
    pub(super) github: Github,
}

/// Everything that is counted and known of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceFigures {
    pub url: String,
    pub standing: Standing,
    pub runners: RunnerTally,
    pub demand: DemandCounts,
    pub limits: LimitState,
    pub clock_skew_ms: Option<i64>,
}

/// A handle to the dispatch.
#[derive(Debug, Clone)]
pub struct Control {
    tell: mpsc::Sender<Event>,
    published: watch::Receiver<Published>,
    ways: Arc<[Way]>,
}

impl Control {
    pub(super) fn new(tell: mpsc::Sender<Event>, published: watch::Receiver<Published>, ways: Vec<Way>) -> Self {
        Self { tell, published, ways: ways.into() }
    }

    pub fn is_draining(&self) -> bool {
        self.published.borrow().is_draining
    }

    /// The places in the order of the configuration.
    pub fn places(&self) -> Vec<PlaceFigures> {
        let published = self.published.borrow().clone();
        // The board has published nothing before its first round.
        let standings = published.places.into_iter().map(Some).chain(std::iter::repeat(None));
        let figures = |(way, standing): (&Way, Option<Standing>)| PlaceFigures {
            url: way.url.clone(),
            standing: standing.unwrap_or_default(),
            runners: way.counts.tally(),
            demand: way.health.counts(),
            limits: way.github.limits(),
            clock_skew_ms: way.github.clock_skew_ms(),
        };
        self.ways.iter().zip(standings).map(figures).collect()
    }

    /// What `hearth status` is told.
    pub fn show(&self) -> BoardState {
        let shown = |figures: PlaceFigures| PlaceShown {
            url: figures.url,
            standing: figures.standing,
            heard_at: figures.demand.last_heard,
            held_until: figures.limits.held_until,
            clock_skew_ms: figures.clock_skew_ms,
        };
        BoardState { is_draining: self.is_draining(), places: self.places().into_iter().map(shown).collect() }
    }

    /// Finds out whether the forge spoke of `repository` (`host/owner/name`, by the forge's number) when it named
    /// another one for this execution: a repository that was renamed has two names for a while. Nobody is believed:
    /// both names have to lead to that number at the forge.
    pub async fn settle(&self, heard: &Heard, execution: ExecutionId, repository: &str, number: Option<u64>) {
        let Some(said) = heard.instead_of(execution, repository) else { return };
        let Some(way) = self.ways.get(said.place) else { return };
        let names = [said.repository.as_str(), without_host(repository)];
        match tokio::time::timeout(SETTLED_WITHIN, way.github.one_repository(names)).await {
            Ok(Ok(found)) if found.is_some() && found == number => {
                tracing::info!(job.execution = %execution, "{} and {} are one repository", names[0], names[1]);
                heard.settle(execution, repository);
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(job.execution = %execution, "{}", chain(&error)),
            Err(_elapsed) => tracing::warn!(job.execution = %execution, "GitHub does not say who {repository} is"),
        }
    }

    /// Takes no more jobs; comes back when no slot can be given to one any more.
    pub async fn drain(&self) {
        if self.tell.send(Event::Drain).await.is_ok() {
            let mut published = self.published.clone();
            // A board that has gone takes none.
            drop(published.wait_for(|published| published.is_draining).await);
        }
    }

    /// Comes back when no runner is left of those that were there when the board was drained.
    pub async fn drained(&self) {
        let (done, drained) = oneshot::channel();
        if self.tell.send(Event::AwaitDrained { done }).await.is_ok() {
            let _gone_is_drained = drained.await;
        }
    }
}

#[cfg(test)]
impl Control {
    /// Of a machine whose board has published this about each of its places.
    pub(crate) fn of(places: Vec<(Github, Standing)>) -> Self {
        let way = |github: &Github| Way {
            url: github.endpoint().web().to_string(),
            counts: Arc::default(),
            health: Arc::default(),
            github: github.clone(),
        };
        let ways = places.iter().map(|(github, _)| way(github)).collect();
        let places = places.into_iter().map(|(_, standing)| standing).collect();
        Self::new(mpsc::channel(1).0, watch::channel(Published { is_draining: false, places }).1, ways)
    }
}
