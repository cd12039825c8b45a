//! One scrape's page as it is written: a metric with all of its series at a time.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::histogram::Seen;

pub(super) type Label = (&'static str, &'static str);

/// One metric's reading.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Counter(u64),
    Gauge(u64),
    Seconds(f64),
    /// A counter for each value of one label.
    CounterBy(&'static str, &'a [(&'static str, u64)]),
    GaugeBy(&'static str, &'a [(&'static str, u64)]),
    Counters(&'a [(Vec<Label>, u64)]),
    Gauges(&'a [(Vec<Label>, u64)]),
    Histogram(&'a Seen),
    Histograms(&'a [(Vec<Label>, Seen)]),
}

pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    pub(super) fn register(&mut self, name: &str, help: &str, value: Value<'_>) -> fmt::Result {
        let kind = match value {
            Value::Counter(_) | Value::CounterBy(..) | Value::Counters(_) => MetricType::Counter,
            Value::Gauge(_) | Value::Seconds(_) | Value::GaugeBy(..) | Value::Gauges(_) => MetricType::Gauge,
            Value::Histogram(_) | Value::Histograms(_) => MetricType::Histogram,
        };
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        match value {
            Value::Counter(count) => ConstCounter::new(count).encode(metric),
            Value::Gauge(value) => ConstGauge::new(value).encode(metric),
            Value::Seconds(value) => ConstGauge::new(value).encode(metric),
            Value::CounterBy(label, series) => series.iter().try_for_each(|(value, count)| {
                ConstCounter::new(*count).encode(metric.encode_family(&[(label, *value)])?)
            }),
            Value::GaugeBy(label, series) => series.iter().try_for_each(|(value, count)| {
                ConstGauge::new(*count).encode(metric.encode_family(&[(label, *value)])?)
            }),
            Value::Counters(series) => series
                .iter()
                .try_for_each(|(labels, count)| ConstCounter::new(*count).encode(metric.encode_family(labels)?)),
            Value::Gauges(series) => series
                .iter()
                .try_for_each(|(labels, count)| ConstGauge::new(*count).encode(metric.encode_family(labels)?)),
            Value::Histogram(seen) => metric.encode_histogram::<NoLabelSet>(seen.sum, seen.count, &seen.buckets, None),
            Value::Histograms(series) => series.iter().try_for_each(|(labels, seen)| {
                let mut metric = metric.encode_family(labels)?;
                metric.encode_histogram::<NoLabelSet>(seen.sum, seen.count, &seen.buckets, None)
            }),
        }
    }
}
