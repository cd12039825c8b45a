//! What the operations team scrapes: the agent's own metrics, whose names begin with `agent_`. Counters of jobs come
//! from the ledger, because a job may be booked by another process than the daemon; gauges are read from state. No
//! label holds anything that has no bound: names of jobs, branches and people are questions to the ledger.

mod collector;
mod counters;
mod gauges;
mod labels;
mod latest;
mod places;
mod reading;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::metrics::Metrics;

use crate::app::App;
use crate::dispatch::Control;
use collector::AgentCollector;
use reading::Reader;

pub use latest::{Answer, Latest};

/// Two scrapers and a person with curl cost one reading.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Less than what Prometheus waits for a scrape. The first reading of a large ledger may take longer; then the first
/// scrapes lack what it gives.
const PATIENCE: Duration = Duration::from_secs(4);

/// Adds the agent's metrics.
pub fn register(metrics: &Metrics, app: Arc<App>, control: Control) {
    let reader = Reader::new(Arc::clone(&app), control);
    let latest = Latest::new(READ_AGAIN_AFTER, PATIENCE, move || reader.read());
    let collector = AgentCollector::new(app, latest);
    metrics.register(|registry| registry.register_collector(Box::new(collector)));
}
