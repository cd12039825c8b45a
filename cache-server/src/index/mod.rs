//! Which objects there are: in memory to answer at once ([`Index`]), on disk as a log of facts to know it again ([`Logs`]).

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod logs;
mod names;
mod record;
mod table;
mod tables;
mod tally;

pub(crate) use logs::{Continued, Follower, Logs, Read};
pub(crate) use record::{Added, Divergence, Fact, Site, USES};
pub(crate) use table::{Entry, MAX_LENGTH, Place};
pub(crate) use tables::{Index, Insertion};
pub(crate) use tally::Usage;
