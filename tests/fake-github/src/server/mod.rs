//! The fake itself. A call comes in at `socket`, goes through `pipeline` to the handler that `route` names, and the handler
//! reads and changes `state`; `github` is what a test holds.

mod answer;
mod call;
mod clock;
mod downloads;
mod faults;
mod github;
mod job;
mod jwt;
mod key;
mod limiting;
mod openapi;
mod options;
mod pipeline;
mod record;
mod registration;
mod rest;
mod route;
mod runner_service;
mod service;
mod socket;
mod state;
mod strict;
mod world;

pub use faults::{FaultKind, Faults, Injection};
pub use github::{ALL_SCOPES, FakeGithub};
pub use job::Job;
pub use key::AppKey;
pub use options::{Checksum, Deprecation, Flow, Options, RequestIds, RunnerApplication};
pub use record::Violation;
pub use state::{
    Accounts, App, Enterprise, Group, Installation, JobId, JobRecord, Level, Members, Organization, Permissions, Phase,
    QueueNames, RanOn, Removal, Repository, RunRecord, RunnerRecord, ScaleSetRecord, Scope, State, Visibility,
    hearth_permissions,
};
