//! Another node over HTTP, as a job's relay sees it: slow, hung, full, gone or lying, and never allowed
//! to make anybody wait for longer than the limits say. No request is tried twice.

mod client;
mod stream;

pub use client::{FarConfig, FarError, FarNode, ProbeError};
pub(crate) use client::{FarPut, FarRead, Probe};
pub(crate) use stream::FarStream;
