//! How this machine stands, for the person in front of it: the daemon, the places that it serves, its slots and its
//! runner program; and how it is drained. `hearth status` and `hearth drain`.

mod args;
mod drain;
mod look;
mod print;
mod verdict;

pub use args::{DrainArgs, StatusArgs};
pub use drain::{DrainError, drain};
pub use look::{Daemon, LookError, RunnerProgram, SlotShown, SlotState, Status};
pub use print::{Form, PrintError, print_status};
pub use verdict::Verdict;
