//! A strict fake GitHub for tests.
