//! The near node of one job: a server on loopback, in the process that looks after the job, that the job's sccache
//! daemon talks to. It answers every request within the limits, whatever the side behind it does, because sccache waits
//! 60 seconds for a read, for ever for a write, and takes a bad answer at its start for a reason to fail the build.

mod backend;
mod counts;
mod server;

pub use backend::Backend;
pub use counts::RelayCounts;
pub use server::{Relay, RelayError};
