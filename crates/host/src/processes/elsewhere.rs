//! Systems whose process table we do not read yet. Nothing here pretends: every question says `Unsupported`.

use std::io;

use hearth_model::Bytes;

use super::Identity;

pub fn boot_id() -> io::Result<String> {
    Err(io::ErrorKind::Unsupported.into())
}
pub fn identify(_pid: u32) -> io::Result<Identity> {
    Err(io::ErrorKind::Unsupported.into())
}
/// Unknown counts as alive: what may still run is never swept.
pub fn is_alive(_who: &Identity) -> bool {
    true
}
pub fn adopt_orphans() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
pub fn end_with(_parent: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
pub fn descendants(_root: u32) -> io::Result<Vec<u32>> {
    Err(io::ErrorKind::Unsupported.into())
}
pub fn kill_all(_pids: &[u32], _signal: i32) {}
pub fn end_marked(_name: &str, _value: &str) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
pub fn resident_memory() -> io::Result<Bytes> {
    Err(io::ErrorKind::Unsupported.into())
}
pub fn open_descriptors() -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
