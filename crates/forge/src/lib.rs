//! GitHub as Hearth speaks to it: credentials, REST, scale sets, and the demand for runners. Knows nothing of slots,
//! targets or runner processes; what it hears it hands out as values, and what it does it is told to do.

mod ids;
mod times;

mod endpoint;
mod labels;

pub mod settings;

mod call;
mod credentials;
mod http;
mod wire;

mod rest;
mod scale_set;

pub mod demand;
mod registrar;

pub mod doctor;

pub use call::{AnswerIds, Call, CallError, Limit, Remedy};
pub use credentials::CredentialError;
pub use demand::{
    AnyDemand, Demand, DemandCounts, DemandError, DemandHealth, Demanded, JobNews, JobSeen, JobTimes, Machine, Polling,
    ScaleSet, SessionRecord,
};
pub use endpoint::{Endpoint, Host, InvalidEndpoint, RepositoryName, Scope};
pub use http::{Bucket, LimitState, NetworkError, Surroundings};
pub use ids::{InvalidName, MessageId, RequestId, RunId, RunnerId, RunnerName};
pub use labels::{InvalidLabels, Labels};
pub use registrar::{
    AnyRegistrar, RegisterError, Registrar, Removal, RestRegistrar, RunnerSeen, ScaleSetRegistrar, Ticket,
};
pub use rest::{Github, OpenError, RunnerGroup};
pub use settings::{GithubFile, GithubSettings, InvalidSettings};
pub use wire::{Deprecation, Download};
