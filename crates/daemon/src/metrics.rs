//! The metrics of one process: a registry that rooms add to, written out as OpenMetrics 1.0. Rooms register under the
//! full name, unit included, without the suffixes
//! that the format adds (`_total`, `_info`), so that a name in the documentation is found in the code by searching.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// What `/metrics` must be served as.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which build is running.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildInfo {
    /// Name of the binary.
    pub program: &'static str,
    pub version: &'static str,
    pub commit: &'static str,
}

/// The metrics of one process. Clones share.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
}

impl Metrics {
    pub fn new(build: BuildInfo) -> Self {
        let mut registry = Registry::default();
        registry.register("hearth_build", "The build that is running", Info::new(build));
        Self { registry: Arc::new(RwLock::new(registry)) }
    }

    /// Lets a room add its metrics, and collectors that read their values from state at scrape time.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        // A room that panicked while it added leaves a registry that is still sound.
        add(&mut self.registry.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry.read().unwrap_or_else(PoisonError::into_inner))?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::ConstGauge;

    use super::*;

    const BUILD: BuildInfo = BuildInfo { program: "hearth", version: "1.2.3", commit: "abc" };

    #[test]
    fn the_build_and_every_added_metric_are_written() {
        let metrics = Metrics::new(BUILD);
        let jobs = Counter::<u64>::default();
        metrics.register(|registry| registry.register("agent_jobs", "Jobs that ended", jobs.clone()));
        jobs.inc_by(3);
        let expected = "# HELP hearth_build The build that is running.\n\
                        # TYPE hearth_build info\n\
                        hearth_build_info{program=\"hearth\",version=\"1.2.3\",commit=\"abc\"} 1\n\
                        # HELP agent_jobs Jobs that ended.\n\
                        # TYPE agent_jobs counter\n\
                        agent_jobs_total 3\n\
                        # EOF\n";
        assert_eq!(metrics.encode().unwrap(), expected);
    }

    /// Reads its gauge from state that others own.
    #[derive(Debug)]
    struct Slots(Arc<AtomicU64>);

    impl Collector for Slots {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let busy = ConstGauge::new(self.0.load(Ordering::Relaxed));
            let slots = encoder.encode_descriptor("agent_slots_busy", "Busy slots", None, busy.metric_type())?;
            busy.encode(slots)
        }
    }

    #[test]
    fn a_collector_is_asked_at_every_scrape() {
        let metrics = Metrics::new(BUILD);
        let busy = Arc::new(AtomicU64::new(1));
        metrics.register(|registry| registry.register_collector(Box::new(Slots(Arc::clone(&busy)))));
        assert!(metrics.encode().unwrap().contains("\nagent_slots_busy 1\n"));
        busy.store(2, Ordering::Relaxed);
        assert!(metrics.encode().unwrap().contains("\nagent_slots_busy 2\n"));
    }
}
