//! The jobs of this machine as the ledger and the slots have them: those that are open, those that ended, and what was
//! written down about one. `hearth jobs` and `hearth logs`.

mod args;
mod diagnostics;
mod find;
mod list;
mod logs;
mod open;
mod tail;
mod told;

pub use args::{JobsArgs, LogsArgs};
pub use find::FindError;
pub use list::{ListError, print_jobs};
pub use logs::{LogsError, print_logs};
pub use open::{OpenJob, Owner, job_in, open_jobs};
pub use told::{forge_url, told, told_open, warm};
