//! The node's metrics, read from its state at the moment of the scrape. Every series is there from the start, at zero;
//! those about what stands behind the disk are there where something does.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::{Page, Value};
use super::requests::Outcome;
use crate::config::Durability;
use crate::counts::Counts;
use crate::eviction::{Class, Reason};
use crate::http::crowd::Crowd;
use crate::node::TierHits;
use crate::store::Store;
use crate::uploads::Taken;
use crate::upstream::{Tier, UpstreamMode};

#[derive(Debug)]
pub(crate) struct NodeCollector {
    pub(crate) store: Arc<Store>,
    pub(crate) crowd: Arc<Crowd>,
}

impl Collector for NodeCollector {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        let store = &*self.store;
        page.requests(store)?;
        page.answers(store)?;
        page.connections(&self.crowd)?;
        page.eviction(store)?;
        page.upkeep(store)?;
        page.holdings(store)?;
        store.tier.as_ref().map_or(Ok(()), |tier| page.upstream(tier))
    }
}

impl Page<'_> {
    /// What came in, whoever answered it and how.
    fn requests(&mut self, store: &Store) -> fmt::Result {
        let (mut ended, mut under_way, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for (dialect, operation, series) in store.requests.all() {
            let labels = || vec![("dialect", dialect.as_str()), ("operation", operation.as_str())];
            for outcome in Outcome::ALL {
                let labels = [labels(), vec![("outcome", outcome.as_str())]].concat();
                ended.push((labels, series.ended(outcome)));
            }
            under_way.push((labels(), series.under_way()));
            answers.push((labels(), series.answers.seen(1e6)));
        }
        self.register("cache_requests", "Requests, by how they ended", Value::Counters(&ended))?;
        self.register("cache_requests_under_way", "Requests not answered yet", Value::Gauges(&under_way))?;
        self.register("cache_request_seconds", "From a request's head to its answer's", Value::Histograms(&answers))
    }

    /// What became of reads and writes.
    fn answers(&mut self, store: &Store) -> fmt::Result {
        use Value::{Counter, CounterBy};
        let counts = &store.counts;
        let reads = [("hit", counts.hits.get()), ("miss", counts.misses.get())];
        self.register("cache_read_requests", "Reads, by what they found", CounterBy("result", &reads))?;
        self.register("cache_write_requests", "Writes, by what became of them", CounterBy("result", &writes(counts)))?;
        let TierHits { memory, disk, upstream } = store.tier_hits();
        let tiers = [("memory", memory), ("disk", disk), ("upstream", upstream)];
        self.register("cache_tier_hits", "Hits, by what had the object", CounterBy("tier", &tiers))?;
        let slow_reads = Counter(counts.slow_reads.get());
        self.register("cache_slow_reads", "Reads that the disk did not answer in time", slow_reads)?;
        let refused = Counter(counts.refused.get());
        self.register("cache_refused_requests", "Requests without a good token", refused)?;
        let too_fast = Counter(counts.too_fast.get());
        self.register("cache_too_fast_requests", "Requests over the caller's rate", too_fast)?;
        let over_quota = Counter(counts.over_quota.get());
        self.register("cache_over_quota_writes", "Writes for which no quota was left", over_quota)?;
        let audit_lost = Counter(counts.audit_lost.get());
        self.register("cache_audit_lost_lines", "Lines that the audit log lacks", audit_lost)?;
        let saved = Counter(store.savings.saved_ms.get() / 1000);
        self.register("cache_saved_compile_seconds", "Compile time of what was read instead of compiled", saved)?;
        let received = Counter(store.traffic.received.get());
        self.register("cache_received_bytes", "Bytes of objects received", received)?;
        let sent = Counter(store.traffic.sent.get());
        self.register("cache_sent_bytes", "Bytes of objects sent", sent)
    }

    fn connections(&mut self, crowd: &Crowd) -> fmt::Result {
        let refused = Value::Counter(crowd.refused.get());
        self.register("cache_refused_connections", "Connections over the limit", refused)?;
        self.register("cache_connections", "Connections that are open", Value::Gauge(crowd.size() as u64))
    }

    fn eviction(&mut self, store: &Store) -> fmt::Result {
        let evictions = &store.counts.evictions;
        let by = Reason::ALL.map(|reason| (reason.as_str(), evictions.of(reason)));
        self.register("cache_evicted_objects", "Objects removed to make room", Value::CounterBy("reason", &by))?;
        let bytes = Value::Counter(evictions.bytes.get());
        self.register("cache_evicted_bytes", "Disk space of the objects removed to make room", bytes)?;
        let idle = evictions.idle.seen(1e3);
        self.register("cache_evicted_idle_seconds", "How long nobody had used them", Value::Histogram(&idle))
    }

    /// What is done beside the path of requests.
    fn upkeep(&mut self, store: &Store) -> fmt::Result {
        use Value::{Counter, Seconds};
        let counts = &store.counts;
        let corrupt = Counter(counts.corrupt.get());
        self.register("cache_corrupt_objects", "Damaged objects that were found and removed", corrupt)?;
        let scrubbed = Counter(counts.scrubbed.get());
        self.register("cache_scrubbed_objects", "Objects that were checked unasked", scrubbed)?;
        let scrubbed_bytes = Counter(counts.scrubbed_bytes.get());
        self.register("cache_scrubbed_bytes", "Disk space of the objects that were checked unasked", scrubbed_bytes)?;
        let compacted = Counter(counts.compacted.get());
        self.register("cache_compacted_segments", "Files that were emptied for their dead room", compacted)?;
        let copied = Counter(counts.compacted_bytes.get());
        self.register("cache_compacted_bytes", "Bytes that were copied for that", copied)?;
        let health = &store.book.health;
        let appending = Seconds(health.appending_for().as_secs_f64());
        self.register("cache_appending_seconds", "For how long the disk has been at one write", appending)?;
        if store.config.durability == Durability::None {
            // Nothing is promised, and so nothing is late.
            return Ok(());
        }
        let unsynced = Seconds(store.book.unsynced_for().unwrap_or_default().as_secs_f64());
        self.register("cache_unsynced_seconds", "Age of the oldest write that a power cut would undo", unsynced)
    }

    fn holdings(&mut self, store: &Store) -> fmt::Result {
        use Value::{Gauge, GaugeBy};
        self.register("cache_stored_objects", "Objects on disk", Gauge(store.book.index.objects()))?;
        let stored = Gauge(store.book.shelf.on_disk());
        self.register("cache_stored_bytes", "Disk space that the objects take", stored)?;
        let classes = Class::ALL.into_iter().zip(store.book.index.classes());
        let classes: Vec<_> = classes.map(|(class, usage)| (class.as_str(), usage.bytes)).collect();
        self.register("cache_class_bytes", "Disk space, by who can have written it", GaugeBy("class", &classes))?;
        let budget = Gauge(store.config.budget.0);
        self.register("cache_budget_bytes", "Disk space that the objects may take", budget)?;
        let memory = Gauge(store.memory.bytes().0);
        self.register("cache_memory_bytes", "Bytes of objects held in memory", memory)?;
        let complete = Gauge(u64::from(store.is_complete()));
        self.register("cache_index_complete", "1 once everything on disk is counted", complete)
    }

    /// What stands behind the disk.
    fn upstream(&mut self, tier: &Tier) -> fmt::Result {
        use Value::{Counter, CounterBy, Gauge, Seconds};
        let (counts, status) = (&tier.counts, tier.status());
        let reads = [
            ("hit", counts.hits.get()),
            ("miss", counts.misses.get()),
            ("spared", counts.spared.get()),
            ("slow", counts.slow.get()),
            ("failed", counts.failures.get()),
            ("broken", counts.broken.get()),
        ];
        self.register("cache_upstream_reads", "Reads behind the disk, by result", CounterBy("result", &reads))?;
        let received = Counter(counts.received_bytes.get());
        self.register("cache_upstream_received_bytes", "Bytes that came from behind the disk", received)?;
        let writes = [
            ("carried", counts.carried.get()),
            ("failed", counts.carry_failures.get()),
            ("declined", counts.declined.get()),
            ("vanished", counts.vanished.get()),
            ("dropped", counts.dropped.get()),
            ("too_large", counts.too_large.get()),
        ];
        self.register("cache_upstream_writes", "Objects to go up, by result", CounterBy("result", &writes))?;
        let carried = Counter(counts.carried_bytes.get());
        self.register("cache_upstream_carried_bytes", "Bytes that went up", carried)?;
        let queued = Gauge(status.queued_objects);
        self.register("cache_upstream_queued_objects", "Objects that have to go up yet", queued)?;
        let queued = Gauge(status.queued_bytes.0);
        self.register("cache_upstream_queued_bytes", "Their bytes", queued)?;
        let age = Seconds(status.queued_for.as_secs_f64());
        self.register("cache_upstream_queue_age_seconds", "How long the first of them has waited", age)?;
        let spared = Gauge(u64::from(status.spared));
        self.register("cache_upstream_spared", "1 while it is not asked because it has failed", spared)?;
        let online = Gauge(u64::from(status.mode != UpstreamMode::Offline));
        self.register("cache_upstream_online", "1 while it is to be asked at all", online)
    }
}

fn writes(counts: &Counts) -> [(&'static str, u64); 9] {
    Taken::ALL.map(|taken| (taken.as_str(), counts.of_write(taken).get()))
}
