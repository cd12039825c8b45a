//! The metrics as they are written out at a scrape. Durations are seconds, sizes are bytes.

use std::fmt;
use std::sync::Arc;

use hearth_host::processes;
use hearth_model::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::counters::{Counters, Family};
use super::labels::Label;
use super::latest::Latest;
use super::reading::{LedgerGauges, Reading, TargetGauges};
use crate::app::App;
use crate::runner::{ListedVersion, Trial};

#[derive(Debug)]
pub(super) struct AgentCollector {
    app: Arc<App>,
    latest: Latest<Reading>,
}

impl AgentCollector {
    pub(super) fn new(app: Arc<App>, latest: Latest<Reading>) -> Self {
        Self { app, latest }
    }

    /// Waits for the reading without holding up the tasks of this thread.
    fn reading(&self) -> Option<Arc<Reading>> {
        let get = || self.latest.get().reading();
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(get),
            _ => get(),
        }
    }
}

impl Collector for AgentCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        page.process()?;
        let write_errors = Value::Counter(self.app.book.write_errors());
        page.register("agent_ledger_write_errors", "Writes to the ledger that failed in this process", write_errors)?;
        let budget = Value::Gauge(self.app.settings.file.targets.budget.0.0);
        page.register("agent_warm_target_budget_bytes", "Disk space that warm targets may take", budget)?;
        let Some(reading) = self.reading() else { return Ok(()) };
        if let Some(counters) = &reading.counters {
            page.counters(counters)?;
        }
        let readable = Value::Gauge(u64::from(reading.ledger.is_some()));
        page.register("agent_ledger_readable", "1 when the last reading of the ledger succeeded", readable)?;
        if let Some(ledger) = &reading.ledger {
            page.ledger(ledger)?;
        }
        let slots = [(vec![state("free")], reading.slots_free), (vec![state("busy")], reading.slots_busy)];
        page.register("agent_slots", "Slots of this machine, by state", Value::Gauges(&slots))?;
        page.forge(&reading.forge)?;
        reading.targets.as_ref().map_or(Ok(()), |targets| page.targets(targets))?;
        reading.runner.as_deref().map_or(Ok(()), |versions| page.runner_versions(versions))
    }
}

fn state(word: &str) -> Label {
    ("state", word.to_owned())
}

/// One metric's reading.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Counter(u64),
    Gauge(u64),
    Seconds(f64),
    Counters(&'a Family),
    /// Figures of a thousandth or a millionth of a second, and how many of them make a second.
    CountersOfSeconds(&'a Family, f64),
    Gauges(&'a [(Vec<Label>, u64)]),
    GaugesOfSeconds(&'a [(Vec<Label>, f64)]),
}

pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn process(&mut self) -> fmt::Result {
        // A system that does not tell has no such metric.
        if let Ok(memory) = processes::resident_memory() {
            let memory = Value::Gauge(memory.0);
            self.register("agent_process_resident_memory_bytes", "Memory that the daemon takes", memory)?;
        }
        if let Ok(open) = processes::open_descriptors() {
            self.register(
                "agent_process_open_descriptors",
                "Files and sockets that the daemon holds",
                Value::Gauge(open),
            )?;
        }
        Ok(())
    }

    fn counters(&mut self, counters: &Counters) -> fmt::Result {
        use Value::{Counter, Counters, CountersOfSeconds};
        self.register("agent_jobs", "Jobs that were closed, by how", Counters(&counters.jobs))?;
        let ran = CountersOfSeconds(&counters.job_ms, 1e3);
        self.register("agent_job_seconds", "Time that jobs ran", ran)?;
        let billable = CountersOfSeconds(&counters.billable_ms, 1e3);
        self.register("agent_job_billable_seconds", "The same, every job rounded up to whole minutes", billable)?;
        let waste = CountersOfSeconds(&counters.rounding_waste_ms, 1e3);
        self.register("agent_rounding_waste_seconds", "What rounding up added", waste)?;
        let cpu = CountersOfSeconds(&counters.cpu_us, 1e6);
        self.register("agent_job_cpu_seconds", "CPU time of jobs, where it was measured", cpu)?;
        let compile = Counters(&counters.compile_requests);
        self.register("agent_compile_requests", "Compiler calls of jobs, by what the cache made of them", compile)?;
        let warm = Counters(&counters.warm_targets);
        self.register("agent_warm_targets", "Leases of a target, by how warm it was", warm)?;
        let folded = Counter(counters.label_overflow);
        self.register("agent_label_overflow", "Origins of jobs that have no label of their own", folded)
    }

    fn ledger(&mut self, ledger: &LedgerGauges) -> fmt::Result {
        let open = Value::Gauge(ledger.open);
        self.register("agent_ledger_open_executions", "Jobs in the ledger that have not ended", open)?;
        if let Some(at) = ledger.last_write {
            let at = Value::Seconds(instant(at));
            self.register("agent_ledger_last_write_timestamp_seconds", "The newest entry or heartbeat", at)?;
        }
        let limits: Vec<_> = ledger.budgets.iter().map(|b| (b.labels.clone(), b.limit.0 as f64 / 1e3)).collect();
        self.register("agent_budget_limit_seconds", "What a month may use", Value::GaugesOfSeconds(&limits))?;
        let spent = ledger.budgets.iter().filter_map(|b| Some((b.labels.clone(), b.spent?.0 as f64 / 1e3)));
        let spent: Vec<_> = spent.collect();
        self.register("agent_budget_spent_seconds", "What this month has used", Value::GaugesOfSeconds(&spent))?;
        let end = Value::Seconds(instant(ledger.period_end));
        self.register("agent_budget_period_end_timestamp_seconds", "When this month ends", end)?;
        let verdicts = ledger.verdicts.map(|(verdict, count)| (vec![("verdict", verdict.to_owned())], count));
        self.register("agent_budget_limits", "Documented limits, by verdict of this month", Value::Gauges(&verdicts))
    }

    fn targets(&mut self, targets: &TargetGauges) -> fmt::Result {
        let bytes = Value::Gauge(targets.bytes.0);
        self.register("agent_warm_target_bytes", "Disk space of snapshots and ready clones", bytes)?;
        let snapshots = [
            (vec![("clone", "ready".to_owned())], targets.ready),
            (vec![("clone", "none".to_owned())], targets.snapshots - targets.ready),
        ];
        self.register("agent_warm_target_snapshots", "Snapshots, by their clone", Value::Gauges(&snapshots))
    }

    fn runner_versions(&mut self, versions: &[ListedVersion]) -> fmt::Result {
        let count = |fits: fn(&Trial) -> bool| versions.iter().filter(|version| fits(&version.trial)).count() as u64;
        let states = [
            (vec![state("new")], count(|trial| matches!(trial, Trial::New { .. }))),
            (vec![state("proved")], count(|trial| matches!(trial, Trial::Proved))),
            (vec![state("given_up")], count(|trial| matches!(trial, Trial::GivenUp { .. }))),
        ];
        let help = "Installed versions of the runner program, by how they did";
        self.register("agent_runner_versions", help, Value::Gauges(&states))?;
        let Some(current) = versions.iter().find(|version| version.current) else { return Ok(()) };
        let named = [(vec![("version", current.version.to_string())], 1)];
        self.register("agent_runner_version", "1 for the version that the next start takes", Value::Gauges(&named))?;
        let Some(deadline) = current.deadline else { return Ok(()) };
        let at = Value::Seconds(instant(deadline.at));
        self.register("agent_runner_version_deadline_timestamp_seconds", "When GitHub stops taking that version", at)
    }

    pub(super) fn register(&mut self, name: &str, help: &str, value: Value<'_>) -> fmt::Result {
        let kind = match value {
            Value::Counter(_) | Value::Counters(_) | Value::CountersOfSeconds(..) => MetricType::Counter,
            Value::Gauge(_) | Value::Seconds(_) | Value::Gauges(_) | Value::GaugesOfSeconds(_) => MetricType::Gauge,
        };
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        match value {
            Value::Counter(count) => ConstCounter::new(count).encode(metric),
            Value::Gauge(value) => ConstGauge::new(value).encode(metric),
            Value::Seconds(value) => ConstGauge::new(value).encode(metric),
            Value::Counters(family) => family
                .iter()
                .try_for_each(|(labels, count)| ConstCounter::new(*count).encode(metric.encode_family(labels)?)),
            Value::CountersOfSeconds(family, second) => family.iter().try_for_each(|(labels, count)| {
                ConstCounter::new(*count as f64 / second).encode(metric.encode_family(labels)?)
            }),
            Value::Gauges(series) => series
                .iter()
                .try_for_each(|(labels, value)| ConstGauge::new(*value).encode(metric.encode_family(labels)?)),
            Value::GaugesOfSeconds(series) => series
                .iter()
                .try_for_each(|(labels, value)| ConstGauge::new(*value).encode(metric.encode_family(labels)?)),
        }
    }
}

pub(super) fn instant(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1e3
}
