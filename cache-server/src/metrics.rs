//! The node's metrics, read from its state at the moment of the scrape. Every series is there from the start, at zero,
//! and none is labeled with anything that a job can choose.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::http::crowd::Crowd;
use crate::store::Store;

#[derive(Debug)]
pub(crate) struct NodeCollector {
    pub(crate) store: Arc<Store>,
    pub(crate) crowd: Arc<Crowd>,
}

impl Collector for NodeCollector {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        use Value::{ByResult, Counter, Gauge};
        let store = &self.store;
        let counts = &store.counts;
        let mut page = Page(encoder);
        let reads = [("hit", counts.hits.get()), ("miss", counts.misses.get())];
        page.register("cache_read_requests", "Reads, by what they found", ByResult(&reads))?;
        let writes = [
            ("stored", counts.stored.get()),
            ("duplicate", counts.duplicate.get()),
            ("divergent", counts.divergent.get()),
            ("discarded", counts.discarded.get()),
            ("malformed", counts.malformed.get()),
            ("too_large", counts.too_large.get()),
            ("no_room", counts.no_room.get()),
            ("too_slow", counts.slow_writes.get()),
            ("aborted", counts.aborted.get()),
        ];
        page.register("cache_write_requests", "Writes, by what became of them", ByResult(&writes))?;
        let memory_hits = Counter(counts.memory_hits.get());
        page.register("cache_memory_hits", "Hits answered from memory", memory_hits)?;
        let slow_reads = Counter(counts.slow_reads.get());
        page.register("cache_slow_reads", "Reads that the disk did not answer in time", slow_reads)?;
        let refused = Counter(counts.refused.get());
        page.register("cache_refused_requests", "Requests without a good token", refused)?;
        let too_fast = Counter(counts.too_fast.get());
        page.register("cache_too_fast_requests", "Requests over the caller's rate", too_fast)?;
        let audit_lost = Counter(counts.audit_lost.get());
        page.register("cache_audit_lost_lines", "Lines that the audit log lacks", audit_lost)?;
        let crowded_out = Counter(self.crowd.refused.get());
        page.register("cache_refused_connections", "Connections over the limit", crowded_out)?;
        let connections = Gauge(self.crowd.size() as u64);
        page.register("cache_connections", "Connections that are open", connections)?;
        let corrupt = Counter(counts.corrupt.get());
        page.register("cache_corrupt_objects", "Damaged objects that were found and removed", corrupt)?;
        let saved = Counter(store.savings.saved_ms.get() / 1000);
        page.register("cache_saved_compile_seconds", "Compile time of what was read instead of compiled", saved)?;
        let evicted = Counter(counts.evicted.get());
        page.register("cache_evicted_objects", "Objects removed to make room", evicted)?;
        let evicted_bytes = Counter(counts.evicted_bytes.get());
        page.register("cache_evicted_bytes", "Disk space of the objects removed to make room", evicted_bytes)?;
        let received = Counter(store.traffic.received.get());
        page.register("cache_received_bytes", "Bytes of objects received", received)?;
        let sent = Counter(store.traffic.sent.get());
        page.register("cache_sent_bytes", "Bytes of objects sent", sent)?;
        page.register("cache_stored_objects", "Objects on disk", Gauge(store.book.index.objects()))?;
        let stored = Gauge(store.book.shelf.on_disk());
        page.register("cache_stored_bytes", "Disk space that the objects take", stored)?;
        let budget = Gauge(store.config.budget.0);
        page.register("cache_budget_bytes", "Disk space that the objects may take", budget)?;
        let memory = Gauge(store.memory.bytes().0);
        page.register("cache_memory_bytes", "Bytes of objects held in memory", memory)?;
        let complete = Gauge(u64::from(store.is_complete()));
        page.register("cache_index_complete", "1 once everything on disk is counted", complete)
    }
}

/// One metric's reading.
#[derive(Clone, Copy)]
enum Value<'a> {
    Counter(u64),
    Gauge(u64),
    /// A counter for each value of the label `result`.
    ByResult(&'a [(&'static str, u64)]),
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn register(&mut self, name: &str, help: &str, value: Value<'_>) -> Result<(), fmt::Error> {
        let kind = match value {
            Value::Counter(_) | Value::ByResult(_) => MetricType::Counter,
            Value::Gauge(_) => MetricType::Gauge,
        };
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        match value {
            Value::Counter(count) => ConstCounter::new(count).encode(metric),
            Value::Gauge(value) => ConstGauge::new(value).encode(metric),
            Value::ByResult(series) => series.iter().try_for_each(|(result, count)| {
                ConstCounter::new(*count).encode(metric.encode_family(&[("result", *result)])?)
            }),
        }
    }
}
