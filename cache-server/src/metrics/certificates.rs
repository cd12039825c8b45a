//! The metrics of a server's certificates.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::{Page, Value};
use crate::transport::Certificates;

#[derive(Debug)]
pub(crate) struct CertificatesCollector(pub(crate) Arc<Certificates>);

impl Collector for CertificatesCollector {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = Page(encoder);
        let reloads = &self.0.reloads;
        let reloads = [("done", reloads.done.get()), ("failed", reloads.failed.get())];
        let reloads = Value::CounterBy("result", &reloads);
        page.register("cache_certificate_reloads", "Times that newer certificates were looked at", reloads)?;
        let Some(expiry) = self.0.expires_at() else { return Ok(()) };
        let expiry = Value::Seconds(expiry.as_millis() as f64 / 1e3);
        page.register("cache_certificate_expiry_timestamp_seconds", "When the first of them expires", expiry)
    }
}
