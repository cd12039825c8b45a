//! Another node over HTTP, as a job's relay or a nearer node sees it: slow, hung, full, gone or lying, and never allowed
//! to make anybody wait for longer than the limits say. No request is tried twice.

mod breaker;
mod client;
mod stream;

pub(crate) use client::{FarPut, FarRead, Probe};
pub use client::{ProbeError, Upstream, UpstreamConfig, UpstreamError};
pub(crate) use stream::FarStream;
