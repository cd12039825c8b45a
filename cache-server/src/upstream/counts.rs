//! What the tier behind the disk has been asked, and how it went.

use crate::counts::Count;

#[derive(Debug, Default)]
pub(crate) struct TierCounts {
    pub(crate) hits: Count,
    /// It said that it has no such object, now or a short while ago.
    pub(crate) misses: Count,
    /// It was not asked: offline, or spared because it had failed.
    pub(crate) spared: Count,
    /// It did not begin to answer in time.
    pub(crate) slow: Count,
    /// It answered with an error, or broke off.
    pub(crate) failures: Count,
    /// What it sent was not what this fleet had sealed.
    pub(crate) broken: Count,
    pub(crate) received_bytes: Count,
    /// Objects that went up, and their bytes.
    pub(crate) carried: Count,
    pub(crate) carried_bytes: Count,
    /// Attempts to carry that failed; each is made again.
    pub(crate) carry_failures: Count,
    /// Not wanted up there.
    pub(crate) declined: Count,
    /// Gone from here before it could go up.
    pub(crate) vanished: Count,
    /// Left out because the list was full.
    pub(crate) dropped: Count,
    pub(crate) too_large: Count,
}
