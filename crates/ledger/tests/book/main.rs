//! The book as its callers see it.

#![expect(clippy::unwrap_used, reason = "everything in here is a test, the functions that prepare them too")]

mod durability;
mod listing;
mod readings;
mod scale;
mod statements;
mod support;
mod totals;
