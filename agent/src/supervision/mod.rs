//! What every job needs that this machine looks after, whoever sent it: a guard with our ears on it, and the compile
//! cache put together for one job. Nothing here knows where a job comes from.

mod compile;
mod disk;
mod supervisor;

pub use compile::{CompileCache, Counted, Without, wrapper};
pub use disk::{LEAST_ROOM, lack_of_room, told_apart_from_full_disk};
pub use supervisor::{JOB, Limits, Occurrence, SuperviseError, Supervisor};

/// The hidden command under which this program is a guard.
pub const GUARD_COMMAND: &str = "guard";
