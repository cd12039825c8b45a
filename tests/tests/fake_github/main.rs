//! The fake GitHub is itself tried here: that it refuses what the real one refuses, gives what the description says, and
//! hands each job to one runner. A fake that is wrong makes everything that is tested against it wrong.

mod client;
mod described;
mod dispatch;
mod faults;
mod limits;
mod permissions;
mod registrations;
mod renames;
mod runner;
mod scale_sets;
mod strictness;
