//! A strict fake GitHub for tests: REST, the Actions service with its scale sets, the queue behind both, and faults on
//! command. It shares no code with what it is there to test, so that a mistake of one is not repeated by the other, and
//! it refuses what the real one refuses: whatever is asked wrongly is answered by an error and noted as a violation.
//!
//! ```text
//! server (socket) ─▶ pipeline ─▶ route ─▶ rest | service | runner_service | downloads ─▶ state
//!                     │  strict, openapi, faults, access, limits
//! ```

pub mod runner_protocol;

#[cfg(feature = "server")]
mod answer;
#[cfg(feature = "server")]
mod call;
#[cfg(feature = "server")]
mod clock;
#[cfg(feature = "server")]
mod downloads;
#[cfg(feature = "server")]
mod faults;
#[cfg(feature = "server")]
mod github;
#[cfg(feature = "server")]
mod job;
#[cfg(feature = "server")]
mod jwt;
#[cfg(feature = "server")]
mod key;
#[cfg(feature = "server")]
mod limiting;
#[cfg(feature = "server")]
mod openapi;
#[cfg(feature = "server")]
mod options;
#[cfg(feature = "server")]
mod pipeline;
#[cfg(feature = "server")]
mod record;
#[cfg(feature = "server")]
mod registration;
#[cfg(feature = "server")]
mod rest;
#[cfg(feature = "server")]
mod route;
#[cfg(feature = "server")]
mod runner_service;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod service;
#[cfg(feature = "server")]
mod state;
#[cfg(feature = "server")]
mod strict;
#[cfg(feature = "server")]
mod world;

#[cfg(feature = "server")]
pub use {
    faults::{FaultKind, Faults, Injection},
    github::{ALL_SCOPES, FakeGithub},
    job::Job,
    key::AppKey,
    options::{Checksum, Deprecation, Flow, Options, RequestIds, RunnerApplication},
    record::Violation,
    state::{
        Accounts, App, Enterprise, Group, Installation, JobId, JobRecord, Level, Members, Organization, Permissions,
        Phase, RanOn, Removal, Repository, RunRecord, RunnerRecord, ScaleSetRecord, Scope, State, Visibility,
        hearth_permissions,
    },
};
