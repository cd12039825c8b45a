//! A strict fake of the official runner program: it takes one job from the fake GitHub and runs it with real shells, real
//! hooks and real git, and requires of whoever starts it what the official one requires.
//!
//! ```text
//!   commands ─▶ root ─▶ configuration ─▶ listener ── session, one job ──▶ job: set up ─▶ hook ─▶ steps ─▶ hook ─▶ complete
//! ```
//!
//! Behavior follows the official program of the 2.33x line on Linux. Where the fake is stricter or knows less, it says so
//! in its log with the words "fake runner". What it knows of its own release (version, waiting times) stands in
//! `bin/fake-runner.json`, so that one build can play many versions.

pub mod archive;
mod assignment;
mod commands;
mod configuration;
mod diagnostics;
mod environment;
mod exit;
mod job;
mod listener;
mod process;
mod program;
pub mod release;
mod root;
mod service;
mod stop;

pub use program::play;
