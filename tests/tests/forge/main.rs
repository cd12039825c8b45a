//! The forge against the strict fake GitHub: credentials, registrations, both sources of demand, and all of it again
//! while everything goes wrong that can. Every test ends with a look at what the fake would not have forgiven.

#![expect(clippy::unwrap_used, reason = "everything in here is a test, the functions that prepare them too")]

mod credentials;
mod doctor;
mod faults;
mod place;
mod polling;
mod registration;
mod renames;
mod runner;
mod scale_set;
