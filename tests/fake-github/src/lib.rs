//! A strict fake GitHub for tests.

pub mod runner_protocol;
