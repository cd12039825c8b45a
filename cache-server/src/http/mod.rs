//! The network side, shared by a node and a job's relay: connections and their limits, one dialect per file, bodies in
//! both directions. Handlers parse, call and reply; what is stored is none of their business.

pub(crate) mod auth;
mod connection;
pub(crate) mod crowd;
mod dates;
pub(crate) mod gha;
pub(crate) mod inflow;
mod patient;
pub(crate) mod peer;
pub(crate) mod public;
pub(crate) mod range;
pub(crate) mod reply;
pub(crate) mod router;
pub(crate) mod s3;
pub(crate) mod server;
pub(crate) mod stop;
mod turn;
pub(crate) mod webdav;
