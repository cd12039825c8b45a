//! Processes of this machine: who is alive, who descends from whom, and ending them all.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{
    adopt_orphans, boot_id, descendants, end_marked, end_with, identify, is_alive, kill_all, open_descriptors,
    resident_memory,
};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    adopt_orphans, boot_id, descendants, end_marked, end_with, identify, is_alive, kill_all, open_descriptors,
    resident_memory,
};

/// One process, for good: a pid alone is given out again after its owner's death.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub start_ticks: u64,
    /// Which boot of the machine.
    pub boot_id: String,
}
