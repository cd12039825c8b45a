//! The desk: the agent's local socket. A process that looks after a job asks it to begin, tells it that the job has
//! started and still runs, and hands in how it ended. The desk keeps nothing between two questions: everything that
//! is needed comes with each, so a job outlives a daemon that is restarted under it.

mod client;
mod protocol;
mod server;

pub use client::{BackendError, Desk, DeskError, NodeAccess, drain, drained, show};
pub use server::{DeskServer, ServerError};
