//! Hearth, the agent. One room per capability; `ARCHITECTURE.md` says how a job walks through them.

pub mod config;
pub mod environment;

pub mod places;
pub mod settings;

pub mod checkout;
pub mod compiler_cache;
pub mod realms;
pub mod runner;
pub mod slots;
pub mod sources;
pub mod targets;

pub mod app;
pub mod journey;

pub mod desk;
pub mod hooks;
pub mod supervision;

pub mod dispatch;
pub mod keeper;

pub mod jobs;
pub mod status;

pub mod dashboard;
pub mod demo;
pub mod doctor;
pub mod enrollment;
pub mod exec;
pub mod metrics;
pub mod report;
pub mod up;
pub mod upkeep;

pub mod cli;
