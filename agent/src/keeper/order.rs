//! What the daemon hands to a keeper when it starts it, over standard input: everything that the keeper needs to know,
//! so that it can go on alone.

use std::fmt;
use std::path::PathBuf;

use hearth_forge::RunnerName;
use hearth_model::{ExecutionId, SlotNumber};
use serde::{Deserialize, Serialize};

use crate::settings::HearthFile;

#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    pub state: PathBuf,
    pub file: Box<HearthFile>,
    pub slot: SlotNumber,
    pub runner: RunnerName,
    pub execution: ExecutionId,
    /// The forge's host, as it stands in the ledger.
    pub host: String,
    /// `owner/name` when the registration is for one repository; the others' jobs name theirs.
    pub repository: Option<String>,
    /// How the runner program gets to the forge, if not directly. May hold a password.
    pub proxy: Option<String>,
    /// Hosts that are spoken to without the proxy.
    pub no_proxy: Vec<String>,
    /// The just-in-time configuration: a secret.
    pub jit: String,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("slot", &self.slot)
            .field("runner", &self.runner)
            .field("execution", &self.execution)
            .finish_non_exhaustive()
    }
}
