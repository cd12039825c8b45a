//! What one job asked of the compile cache, as its relay counted it.

use crate::counts::Count;

/// Requests and their results, for a job's record and for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayCounts {
    pub requests: u64,
    /// Requests by method. `check_requests` are sccache's start-up checks, among neither gets nor puts.
    pub check_requests: u64,
    pub propfind_requests: u64,
    pub mkcol_requests: u64,
    pub other_requests: u64,
    /// Reads of objects: hits, and misses of whatever cause.
    pub gets: u64,
    pub hits: u64,
    pub misses: u64,
    /// Writes of objects: stored, discarded (and the client told that all is well), or failed.
    pub puts: u64,
    pub stored: u64,
    pub discarded: u64,
    pub failed: u64,
    /// Requests that the far side answered with an error or broke off.
    pub errors: u64,
    /// Requests that the far side did not answer in time.
    pub timeouts: u64,
    /// Requests that the far side was spared because it had failed before.
    pub spared: u64,
    /// Requests without the job's secret.
    pub refused: u64,
    /// Bytes of objects from and to the job.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// [`RelayCounts`] while they are being counted. Sums are not counted but made on reading.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) check: Count,
    pub(super) propfind: Count,
    pub(super) mkcol: Count,
    pub(super) other: Count,
    pub(super) hits: Count,
    pub(super) misses: Count,
    pub(super) stored: Count,
    pub(super) discarded: Count,
    pub(super) failed: Count,
    pub(super) errors: Count,
    pub(super) timeouts: Count,
    pub(super) spared: Count,
    pub(super) refused: Count,
    pub(super) requests: Count,
}
