//! The job's compile cache, seen from the job: which sccache is its wrapper, the one daemon that serves it, and what
//! that daemon counted. No failure in here may fail or hang a job: the answer to every trouble is no wrapper.

mod attempt;
mod counts;
mod daemon;
mod wrapper;

pub use attempt::{compilation, compile};
pub use counts::parse_counts;
pub use daemon::{DAEMON, DaemonPlan, LONGEST_SOCKET_PATH, Unavailable, ask_counts, socket, wait_until_ready};
pub use wrapper::{CompilerCacheFile, Program, Unwrapped, choose_wrapper, is_called_as_wrapper, link_own};
