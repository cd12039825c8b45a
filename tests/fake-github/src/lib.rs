//! A strict fake GitHub for tests: REST, the Actions service with its scale sets, the queue behind both, and faults on
//! command. It shares no code with what it is there to test, so that a mistake of one is not repeated by the other, and
//! it refuses what the real one refuses: whatever is asked wrongly is answered by an error and noted as a violation.
//!
//! ```text
//! socket ─▶ pipeline ─▶ route ─▶ rest | service | runner_service | downloads ─▶ state
//!              │  strict, openapi, faults, access, limits
//! ```
//!
//! A test starts one, points the agent at it, and waits for what should come of it:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use fake_github::{FakeGithub, FaultKind, Injection, Job, Options};
//!
//! let github = FakeGithub::start(Options::default())?;
//! github.inject(Injection::of(FaultKind::LostAnswer).on("generatejitconfig"));
//! let job = github.offer(Job::new("acme/widgets").labels(["self-hosted", "linux"]).run("cargo test"));
//! assert!(github.until(|state| state.job(job).is_some_and(|job| job.is_done()), Duration::from_mins(1)));
//! assert_eq!(github.job(job).map(|job| job.acquired), Some(1));
//! assert!(github.runners().is_empty() && github.violations().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod runner_protocol;

#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
pub use server::*;
