//! GitHub as Hearth speaks to it: credentials, REST, scale sets, and the demand for runners. Knows nothing of slots,
//! targets or runner processes; what it hears it hands out as values, and what it does it is told to do.

mod ids;

mod call;
pub mod credentials;

pub mod demand;
pub mod registrar;

pub use call::{Call, CallError, Limit, Remedy};
pub use credentials::CredentialError;
pub use demand::{
    Demand, DemandCounts, DemandError, DemandHealth, Demanded, JobNews, JobSeen, JobTimes, SessionRecord,
};
pub use ids::{InvalidName, MessageId, RequestId, RunId, RunnerId, RunnerName};
pub use registrar::{RegisterError, Registrar, Removal, RunnerSeen, Ticket};
