//! What happens inside a forge's job on our behalf: the started hook, which learns what the job is and gives it its
//! environment; the first compilation, which takes the warm target and restores the times of the checkout; and the
//! completed hook, which writes the job's summary. All of it is asked of the job's keeper, over a socket in the slot.
//!
//! ```text
//!  started hook ──facts──▶ keeper ──variables──▶ $GITHUB_ENV        first `rustc -vV` of cargo ──checkout──▶ keeper
//!  completed hook ───────▶ keeper ──markdown───▶ $GITHUB_STEP_SUMMARY   times restored ◀──manifest, clone in place──┘
//! ```
//!
//! Nothing in here may fail a job or hold it up past a deadline: without an answer the job goes on as it would have.

mod client;
mod facts;
mod first_use;
mod protocol;
mod scripts;
mod server;
mod summary;

pub use client::{HookCommand, run};
pub use facts::{HookFacts, job_facts};
pub use first_use::prepare;
pub use protocol::{Answer, Ask, Given, Handed, Refused, Seen};
pub use scripts::{Scripts, write_scripts};
pub use server::{Heard, HookServer, HookServerError};
pub use summary::{Account, markdown};
