//! The stable view: a private mount namespace in which a slot's directory stands at a constant place, so that cargo,
//! rustc and the compile cache see the same paths whichever slot the job is in.

use std::io;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as platform;

/// One directory to show at another place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Bind {
    pub source: PathBuf,
    pub target: PathBuf,
}

/// Moves the calling thread, and whatever it starts from now on, into a mount namespace of its own. What is mounted
/// there is seen by nobody else.
pub fn enter_private() -> io::Result<()> {
    platform::enter_private()
}

/// Shows `bind.source` at `bind.target` in the namespace of the calling thread.
pub fn bind(bind: &Bind) -> io::Result<()> {
    platform::bind(bind)
}
